"""The warm servers of one evaluator: which program a session is forked from, or why it is started cold.

A server is pytest with the plug-ins of the environment loaded and nothing of the candidate; see `target.server`. The
sessions of gates come from one with the hash seed of the baseline, those of pairs from others, which are renewed every
few pairs with another hash seed and another size of environment, so that a gain that hangs on one layout of memory is
not mistaken for one of the code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Literal

from maabarium.errors import SandboxError
from maabarium.folders import replace_file
from maabarium.plugins.processes import KeptProgram
from maabarium.plugins.protocols import WarmWorkspace
from maabarium.records import PAIRED
from maabarium_pytest.grading.bytecode import Bytecode, groups
from maabarium_pytest.grading.suite import AUDIT_SEED, TARGET_CODE, Suite, command_line, path_of

__all__ = ["Servers", "WarmServer"]

PAIRS, SECONDS, AHEAD = 4, 1.0, 1
"""Pairs that a server serves at least, and for how long at least, before it is renewed, and at which of them the next
one is started in the background."""
LARGEST_PAD = 4096
"""Bytes by which the environments of servers differ at most."""
ANY_SEED = range(1, 1 << 32)
PROVEN_SEEDS = (0, AUDIT_SEED)
"""Hash seeds under which the baseline has run: what a suite does under others, nobody knows."""

logger = logging.getLogger(__name__)


@dataclass
class WarmServer:
    """One kept program, what it was made from, and how many pairs it has served."""

    program: KeptProgram
    name: str
    """Its number in this process, its hash seed and the size of its environment."""
    words: Sequence[str]
    """The command line of pytest."""
    stamps: Mapping[Path, int]
    """Modification times (ns) of interpreter and package folders."""
    contents: Mapping[str, str]
    """Digests of the files that it has loaded, by their path in the tree."""
    pair: str = ""
    """The latest one that it served, with all of its repetitions."""
    pairs: int = 0
    began: float = field(default_factory=time.monotonic)

    def fits(self, suite: Suite, words: Sequence[str]) -> bool:
        """Whether a session of this suite may be forked from it."""
        if words != self.words or self.stamps != stamps_of(self.stamps):
            return False
        return self.contents == contents_of(suite.top, self.contents)

    def is_spent(self, pair: str) -> bool:
        """Whether it has served its time, and this pair is a new one."""
        served = self.pairs >= PAIRS and time.monotonic() - self.began > SECONDS
        return served and pair not in ("", self.pair)


class Servers:
    """Made by an evaluator for its process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[bool, WarmServer] = {}
        """One for gates (False) and one for pairs (True)."""
        self._fork: Literal["collection", "start", ""] = "collection"
        self._numbers = count(1)
        self._pool = ThreadPoolExecutor(1)
        self._next: Future[WarmServer | None] | None = None
        self.bytecode = Bytecode()
        """What all sessions find compiled."""
        self.why: list[str] = []
        """Why sessions are not as warm as they could be, in the order in which it was found."""

    @property
    def warmth(self) -> str:
        """How sessions are run, for the header of a run."""
        how = {
            "collection": "forked from a warm pytest",
            "start": "forked from a warm interpreter",
            "": "started one by one",
        }
        return f"{how[self._fork]} ({'; '.join(self.why)})" if self.why else how[self._fork]

    def server(self, suite: Suite, *, only_rules: bool) -> WarmServer | None:
        """The server for a session of this suite, started when there is none that fits; None: start it cold."""
        workspace = suite.request.workspace
        if not isinstance(workspace, WarmWorkspace) or not suite.request.blueprint.evaluator.warm:
            self.why = ["as evaluator.warm says"] if isinstance(workspace, WarmWorkspace) else self.why
            self._fork = ""
            return None
        pair = suite.request.pair
        with self._lock:
            paired = suite.request.stage in PAIRED
            server = self._kept.get(paired)
            words = command_line(suite, workspace.seen, workspace.shared)
            seeds = (ANY_SEED if only_rules else PROVEN_SEEDS) if paired else PROVEN_SEEDS[:1]
            if server is not None and (server.is_spent(pair) or not server.fits(suite, words)):
                workspace.drop(self._kept.pop(paired).program)
                server = None
            if server is None:
                server = self._successor(suite, workspace, words) if paired else None
                server = server or self._start(suite, workspace, words, seeds)
                if server is None:
                    return None
                self._kept[paired] = server
            if server.pair != pair:
                server.pair = pair
                server.pairs += 1
                if server.pairs == AHEAD:
                    self._next = self._pool.submit(self._start_ahead, suite, workspace, words, seeds)
            return server

    def _successor(self, suite: Suite, workspace: WarmWorkspace, words: Sequence[str]) -> WarmServer | None:
        """The server that was started while the last one was still in use; one that does not fit is ended."""
        future, self._next = self._next, None
        server = future.result() if future is not None else None
        if server is not None and not server.fits(suite, words):
            workspace.drop(server.program)
            return None
        return server

    def forget(self, server: WarmServer) -> None:
        """A server that does not answer is not asked again."""
        with self._lock:
            self._kept = {paired: kept for paired, kept in self._kept.items() if kept is not server}

    def _start(
        self, suite: Suite, workspace: WarmWorkspace, words: Sequence[str], seeds: Sequence[int]
    ) -> WarmServer | None:
        """A server that forks as late as this suite allows; None when there can be none."""
        if self._fork == "collection" and any(Path(path).name == "conftest.py" for path in suite.targets.paths):
            self._fall_back("a conftest may be changed")
        while self._fork:
            made = self._made(suite, workspace, words, seeds)
            if isinstance(made, WarmServer):
                return made
            self._fall_back(made)
        return None

    def _start_ahead(
        self, suite: Suite, workspace: WarmWorkspace, words: Sequence[str], seeds: Sequence[int]
    ) -> WarmServer | None:
        """The next server, in the background; when that fails, it is started anew when it is needed."""
        made = self._made(suite, workspace, words, seeds)
        return made if isinstance(made, WarmServer) else None

    def _made(
        self, suite: Suite, workspace: WarmWorkspace, words: Sequence[str], seeds: Sequence[int]
    ) -> WarmServer | str:
        """A server with one of these hash seeds and, if there is a choice, an environment of some size; or why not."""
        number = next(self._numbers)
        coin = Random(f"{suite.request.seed}:{number}:server")
        seed, pad = coin.choice(seeds), coin.randrange(LARGEST_PAD) if len(seeds) > 1 else 0
        env = suite.request.blueprint.evaluator.env
        env = env | {"PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1", "PAD": "x" * pad}
        top = workspace.seen(suite.top)
        compiled, file = workspace.shared / "compiled", workspace.shared / f"server-{number}.json"
        replace_file(compiled, self.bytecode.content)
        plan = {
            "compiled": str(compiled) if self.bytecode.content else "",
            "groups": groups(suite),
            "args": words,
            "path": path_of(suite, workspace.seen),
            "hiding": [str(workspace.seen(Path(folder))) for folder in suite.hiding],
            "top": str(top),
            "targets": [str(top / target) for target in suite.targets.paths],
            "fork": self._fork,
        }
        file.write_text(json.dumps(plan), encoding="utf-8")
        argv = [suite.python, str(TARGET_CODE / "boot.py"), "server", str(file)]
        try:
            program = workspace.keep(argv, env=env, readable=(TARGET_CODE, workspace.shared))
        except SandboxError as error:
            return str(error)
        facts = program.facts
        if facts["unfit"]:
            workspace.drop(program)
            return str(facts["unfit"])
        contents = contents_of(suite.top, facts["loaded"])
        return WarmServer(program, f"{number}:{seed}:{pad}", words, stamps_of(map(Path, facts["watched"])), contents)

    def distrust(self, reason: str) -> None:
        """Sessions end otherwise than cold ones: fork earlier, or not at all."""
        with self._lock:
            self._kept.clear()  # they end with the worker
            self._fall_back(reason)

    def _fall_back(self, reason: str) -> None:
        logger.info("no session is forked in pytest's %s: %s", self._fork, reason)
        self.why += [reason] if reason not in self.why else []
        self._fork = "start" if self._fork == "collection" else ""


def stamps_of(places: Iterable[Path]) -> dict[Path, int]:
    """When these files and folders were changed last; 0 when they are gone."""
    return {place: place.stat().st_mtime_ns if place.exists() else 0 for place in places}


def contents_of(top: Path, names: Iterable[str]) -> dict[str, str]:
    """Digests of files of a tree; empty for those that are not there."""
    found = {}
    for name in names:
        try:
            found[name] = hashlib.sha256((top / name).read_bytes()).hexdigest()
        except OSError:
            found[name] = ""
    return found
