"""Compiled modules of a target, made by a process that runs none of its code, and found by what is in their source.

What a session itself compiles is not kept: it could be anything. Files that a candidate may change are found only
where no time is compared, for the other side of a pair has to compile what it changed.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from maabarium.errors import SandboxError
from maabarium.records import PAIRED
from maabarium_pytest.grading.rules import mounted
from maabarium_pytest.grading.suite import TARGET_CODE, Suite

__all__ = ["Bytecode"]

PROTECTED, CHANGEABLE = "protected", "changeable"
MOST_MODULES = 4000
LARGEST = 128 * 1024 * 1024
"""Bytes of all that is kept."""
SECONDS = 120.0
ATTEMPTS = 2

logger = logging.getLogger(__name__)


class Bytecode:
    """What one evaluator has compiled for its run; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts = 0
        self._content = b""

    @property
    def wanted(self) -> bool:
        """Whether the next session should say what it loaded, so that it can be compiled."""
        return not self._content and self._attempts < ATTEMPTS

    @property
    def content(self) -> bytes:
        """For `bytecode.install` of the target's side; empty when there is nothing."""
        return self._content

    def fill(self, suite: Suite, loaded: Sequence[tuple[str, str]], left: float) -> None:
        """Compile what a session of this suite has loaded: `(path below the tree's top, kind)`. Files that may be
        changed are taken from a baseline alone. `left` are seconds to the deadline."""
        with self._lock:
            if not loaded or not self.wanted or left < 1:
                return
            self._attempts += 1
            try:
                self._content = _compiled(suite, loaded, min(SECONDS, left / 2))
            except (OSError, SandboxError) as error:
                logger.info("nothing was compiled beforehand: %s", error)


def groups(suite: Suite) -> list[str]:
    """What a session of this suite may find."""
    return [PROTECTED] if suite.request.stage in PAIRED else [PROTECTED, CHANGEABLE]


def _compiled(suite: Suite, loaded: Sequence[tuple[str, str]], timeout: float) -> bytes:
    targets, workspace = frozenset(suite.targets.paths), suite.request.workspace
    modules = []
    for path, kind in loaded[:MOST_MODULES]:
        if path not in targets:
            modules.append([PROTECTED, str(suite.targets.top / path), kind])
        elif suite.request.baseline is None and kind == "plain":
            modules.append([CHANGEABLE, str(suite.targets.top / path), kind])
    with (
        tempfile.TemporaryDirectory(prefix="maabarium-") as name,
        mounted(suite.rules, suite.configuration.rootdir),  # they are compiled, too
    ):
        folder = Path(name)
        plan, result = folder / "plan.json", folder / "result"
        plan.write_text(json.dumps({"modules": modules, "result": str(result)}), encoding="utf-8")
        completed = workspace.run(
            [suite.python, str(TARGET_CODE / "boot.py"), "bytecode", str(plan)],
            timeout=timeout,
            readable=(TARGET_CODE,),
            writable=(folder,),
        )
        if completed.returncode or not result.is_file() or result.stat().st_size > LARGEST:
            raise OSError(f"{completed.ending}: {completed.output[-500:]}")
        return result.read_bytes()
