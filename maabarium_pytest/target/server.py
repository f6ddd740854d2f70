"""The program that is kept ready: pytest with the plug-ins of the environment loaded, and nothing that may change.

It forks a session for each request, at one of two places: in `pytest_collection`, when the configuration and the
conftest files of the tree are loaded, or before `pytest.main`, when they are not. Trusted code only runs in here.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest

from . import bytecode, surroundings
from .boot import load_package
from .channel import VARIABLE, Channel
from .session import GradedSession, extend_path, leaving, look_like_pytest, read_plan

FORKING = "maabarium_launcher"
"""The name under which the package that forks is loaded."""
OUTWARD = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
"""Audit events of a conftest that does more than define things."""
LOOKING = {"open": "reads", "os.listdir": "lists", "os.scandir": "lists"}
"""Audit events that name a file or folder, and what is said of those in the tree."""


class Watch:
    """Notes what conftest files do while they are loaded, beside defining things. An audit hook cannot be removed; in
    sessions it is switched off."""

    def __init__(self, top: str) -> None:
        self._top = top + os.sep
        self.seen = ""
        self.on = True
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or self.seen:
            return
        if event in LOOKING:
            place = self._below(arguments[0])
            reads = place is not None and (event != "open" or not place.endswith(("conftest.py", ".pyc")))
            if reads and self._by_the_tree(searches=event != "open"):
                self.seen = f"a conftest {LOOKING[event]} {place}"
        elif event in OUTWARD and self._by_the_tree():
            self.seen = f"a conftest calls {event}"

    def _below(self, path: Any) -> str | None:
        """A path relative to the top of the tree; None when it is elsewhere, or a descriptor."""
        if isinstance(path, int):
            return None
        place = os.path.abspath(os.fsdecode(path or "."))  # noqa: PTH100
        return os.path.relpath(place, self._top) if (place + os.sep).startswith(self._top) else None

    def _by_the_tree(self, *, searches: bool = False) -> bool:
        """Whether code of the tree is running, and not the search for a module, which lists folders."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._top):
                return True
            if searches and name.startswith("<frozen importlib"):
                return False
            frame = frame.f_back
        return False


class ForkInCollection:
    """A plug-in of pytest that waits in `pytest_collection`; there each session begins, and goes on collecting."""

    def __init__(self, server: ForkServer, session: GradedSession) -> None:
        self._server, self._session = server, session
        self.forked = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        capture: Any = session.config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.stop_global_capturing()  # its files must not be shared by sessions
        unfit = self._server.unfit("" if capture is not None else "pytest does not capture")
        if unfit:
            self._server.give_up(unfit)
        words = self._server.wait()
        self.forked = True
        capture.start_global_capturing()
        capture.suspend_global_capture()
        self._session.begin(channel_of(words), words[0])
        self._session.reporter.choose(session.config)


class ForkServer:
    """The kept program. `plan`: `args`, `path`, `top`, `targets` (files that may change) and where to `fork`."""

    def __init__(self, forks: Any, control: socket.socket, plan: dict[str, Any]) -> None:
        self._forks, self._control, self._plan = forks, control, plan
        self._watch: Watch | None = None
        self._folder = os.getcwd()  # noqa: PTH109

    def run(self) -> int:
        """Serve; comes back in sessions only, at their end, with pytest's exit status."""
        surroundings.interpreter()
        look_like_pytest()
        warm_up()
        sys.dont_write_bytecode = True
        session = GradedSession()
        more = bytecode.install(self._plan["compiled"], self._plan["top"], self._plan["groups"], ahead=True)
        if self._plan["fork"] == "collection":
            extend_path(self._plan["path"], self._plan["hiding"])
            self._watch = Watch(self._plan["top"])
            place = ForkInCollection(self, session)
            status = int(pytest.main(self._plan["args"], plugins=[place, *session.plugins, *more]))
            if not place.forked:
                self.give_up(f"pytest ended with status {status} before it collected")
        else:
            unfit = self.unfit("")
            if unfit:
                self.give_up(unfit)
            words = self.wait()
            session.begin(channel_of(words), words[0])
            status = int(pytest.main(session.plan["args"], plugins=[*session.plugins, *more]))
        session.end(status)
        return status

    def _loaded(self) -> list[str]:
        """Files of the tree that are loaded, relative to its top: conftest files, and where pytest is configured."""
        top = self._plan["top"] + os.sep
        files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        found = {os.path.realpath(file) for file in files if isinstance(file, str)}
        if self._plan["fork"] == "collection":
            words = self._plan["args"]
            found.add(os.path.realpath(words[words.index("-c") + 1]))
        return sorted(path[len(top) :] for path in found if path.startswith(top))

    def unfit(self, reason: str) -> str:
        """Why no session can be forked from this state; empty when all is well."""
        if self._watch is not None:
            reason = reason or self._watch.seen
        if os.getcwd() != self._folder:  # noqa: PTH109
            reason = reason or "a conftest changes the working folder"
        return reason or loaded_from(self._plan["top"], self._plan["targets"]) or self._forks.unfit(self._control)

    def give_up(self, reason: str) -> NoReturn:
        """Say why not, and end."""
        self._control.sendall(json.dumps({"unfit": reason, "loaded": [], "watched": []}).encode())
        os._exit(0)

    def wait(self) -> list[str]:
        """Fork for every request; returns in sessions."""
        gc.collect()
        gc.freeze()
        folders = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        facts = {"unfit": "", "loaded": self._loaded(), "watched": [sys.executable, *sorted(folders)]}
        words: list[str] = self._forks.serve(self._control, facts)
        if self._watch is not None:
            self._watch.on = False
        importlib.invalidate_caches()
        numbers = sys.modules.get("numpy.random")
        if numbers is not None:  # Python seeds its own generator anew after a fork
            numbers.seed()
        return words


def channel_of(words: list[str]) -> Channel:
    """The channel of a session: its descriptor is the last word."""
    return Channel.of(int(words[-1]))


def loaded_from(top: str, targets: list[str]) -> str:
    """A sentence about a module that comes from the tree and is no protected conftest; empty when there is none."""
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if not isinstance(path, str):
            continue
        real = os.path.realpath(path)
        if real.startswith(top + os.sep) and (os.path.basename(real) != "conftest.py" or real in targets):  # noqa: PTH119
            return f"a conftest loads {name}"
    return ""


def warm_up() -> None:
    """An empty session, which loads what plug-ins load late; its modules are dropped again."""
    before = set(sys.modules)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR is a folder of sessions
        place = Path(folder)
        (place / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (place / "test_empty.py").write_text("def test_empty():\n    pass\n", encoding="utf-8")
        path = list(sys.path)
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:maabarium", "-c", str(place / "pytest.ini"), folder])
        sys.path[:] = path
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if isinstance(file, str) and file.startswith(folder):
                del sys.modules[name]


def main(arguments: list[str]) -> None:
    """`arguments`: the file with the plan. The sandbox says in the environment how to fork."""
    control = socket.socket(fileno=int(os.environ.pop(VARIABLE)))
    os.set_inheritable(control.fileno(), False)
    os.environ.pop("PAD", None)  # it has moved the stack; the sessions need not see it
    load_package(FORKING, os.environ.pop("MAABARIUM_FORKS"))
    forks = importlib.import_module(f"{FORKING}.forks")
    leaving(ForkServer(forks, control, read_plan(arguments[0])).run)
