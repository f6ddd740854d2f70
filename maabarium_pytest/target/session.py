"""One evaluated pytest session, from the greeting on the channel to the exit status.

Everything of ours is imported before the tree is put on `sys.path`, and bound where the code under test may patch it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Generator
from os import _exit as leave
from os.path import dirname, exists, join
from traceback import print_exc
from types import CodeType, FrameType
from typing import Any, NoReturn

import pytest

from . import bytecode, disorder, surroundings
from .channel import Channel, decoded
from .reporter import Reporter
from .score import Ledger, ScorePlugin

open_file = open
TOOL = 4
"""The number under which `sys.monitoring` knows us."""
NO_FINISH = 70
"""Exit status when the stream could not be finished; pytest itself uses 0 to 5."""


class LineTracer:
    """A pytest plug-in that sends, after each test, `[file index, line, hits]` of what ran in it.

    Lines that run outside tests (imports) are sent under the empty id. Only code of the given files is followed, by
    `sys.monitoring` where there is one (3.12), else by `sys.settrace`.
    """

    def __init__(self, channel: Channel, files: list[str], identity: Callable[[str], str]) -> None:
        self._channel = channel
        self._index = {path: number for number, path in enumerate(files)}
        self._identity = identity
        self._hits: dict[tuple[int, int], int] = {}

    def start(self) -> None:
        """Begin to follow the files, in all threads."""
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is None:
            threading.settrace(self._enter)
            sys.settrace(self._enter)
            return
        events = monitoring.events
        monitoring.use_tool_id(TOOL, "maabarium")

        def on_start(code: CodeType, offset: int) -> Any:
            if code.co_filename in self._index:
                monitoring.set_local_events(TOOL, code, events.LINE)
            return monitoring.DISABLE

        def on_line(code: CodeType, line: int) -> None:
            self._hit(code.co_filename, line)

        monitoring.register_callback(TOOL, events.PY_START, on_start)
        monitoring.register_callback(TOOL, events.LINE, on_line)
        monitoring.set_events(TOOL, events.PY_START)

    def _hit(self, filename: str, line: int) -> None:
        key = (self._index[filename], line)
        self._hits[key] = self._hits.get(key, 0) + 1

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename in self._index else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._hit(frame.f_code.co_filename, frame.f_lineno)
        return self._line

    def _flush(self, identity: str) -> None:
        hits = [[index, line, count] for (index, line), count in sorted(self._hits.items())]
        self._hits.clear()
        self._channel.send_chunks("lines", "hits", hits, id=identity)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        self._flush("")
        yield
        self._flush(self._identity(item.nodeid))


class SentLedger(Ledger):
    """A ledger whose values go to the parent, who also reads the clock while this process waits."""

    channel: Channel

    def measure(self, name: str, value: float, unit: str) -> None:
        super().measure(name, value, unit)
        self.channel.send("measure", name=name, value=value, unit=unit)

    def points(self, name: str, earned: float, possible: float) -> None:
        super().points(name, earned, possible)
        self.channel.send("points", name=name, earned=earned, possible=possible)

    def mark(self, edge: str, name: str, clock: str, per: float, unit: str) -> float:
        answer = self.channel.ask("mark", edge=edge, name=name, clock=clock, per=per, unit=unit)
        return float(answer["clock"])


class GradedSession:
    """What a session tells its parent. Its plug-ins may be registered before `begin` has said what is asked for."""

    channel: Channel
    plan: dict[str, Any]

    def __init__(self) -> None:
        self.reporter = Reporter()
        self._ledger = SentLedger()
        self._measuring: Any = None
        self._more: list[Any] = []

    @property
    def plugins(self) -> list[Any]:
        """Plug-ins of pytest for any session."""
        rules = ScorePlugin(self._ledger, summary=False, earns=lambda item: self.reporter.is_rule(item.nodeid))
        return [self.reporter, rules, *self._more]

    def begin(self, channel: Channel, path: str) -> None:
        """Greet the parent, read the plan, put the tree first on the path, start to measure coverage."""
        self.channel = channel
        channel.nonce = channel.receive()["nonce"]
        plan = self.plan = read_plan(path)
        channel.send("hello", **surroundings.interpreter(), pytest=pytest.__version__)
        channel.send_chunks("packages", "packages", surroundings.packages(sys.path))
        sys.dont_write_bytecode = not plan["bytecode"]
        extend_path(plan["path"], plan["hiding"])
        if plan["disorder"]:
            disorder.begin(plan["disorder"])
        self.reporter.begin(channel, plan)
        self._ledger.channel, self._ledger.baseline = channel, plan["baseline"]
        self._more = bytecode.install(plan["compiled"], plan["top"], plan["groups"])
        if plan["coverage"]:
            self._measuring = surroundings.start_coverage(plan["targets"])

    def trace(self) -> LineTracer:
        """A further plug-in, for a session that says what lines ran; it has begun."""
        tracer = LineTracer(self.channel, self.plan["targets"], self.reporter.identity)
        tracer.start()
        return tracer

    def end(self, status: int) -> None:
        """Tell what is known at the end, and that it is the end."""
        if self._measuring is not None:
            rows = surroundings.statements(self._measuring, self.plan["targets"])
            self.channel.send_chunks("coverage", "files", rows)
        self.channel.send_chunks("origins", "origins", surroundings.origins(self.plan["modules"]))
        self.channel.send_chunks("loaded", "modules", bytecode.loaded(self.plan["top"]) if self.plan["loaded"] else [])
        self.channel.send("finish", status=status, results=self.reporter.results)


def read_plan(path: str) -> dict[str, Any]:
    """What the parent has written into a file for this process."""
    with open_file(path, encoding="utf-8") as file:
        plan: dict[str, Any] = decoded(file.read())
    return plan


def look_like_pytest() -> None:
    """Let the code under test see a process that was started as `pytest`, without arguments: programs fall back to
    `sys.argv`, and name themselves and their files by it and by `__main__`."""
    script = join(dirname(sys.executable), "pytest")  # noqa: PTH118, PTH120
    installed = exists(script)  # noqa: PTH110
    sys.argv[:] = [script if installed else "pytest"]
    if hasattr(sys, "orig_argv"):  # Python 3.10
        sys.orig_argv[:] = [sys.executable, *sys.argv]
    main = sys.modules["__main__"]
    main.__file__ = script if installed else join(dirname(pytest.__file__), "__main__.py")  # noqa: PTH118, PTH120
    main.__doc__ = None


def extend_path(folders: list[str], hiding: list[str]) -> None:
    """Put the tree first on the path, here and in the processes that tests start; those of its folders that would hide
    a module of the standard library come behind that, before what is installed."""
    first = [folder for folder in folders if folder not in hiding]
    rest = [entry for entry in sys.path if entry not in folders]
    installed = [entry for entry in rest if entry.endswith(("site-packages", "dist-packages"))]
    place = rest.index(installed[0]) if installed else len(rest)
    sys.path[:] = [*first, *rest[:place], *hiding, *rest[place:]]
    os.environ["PYTHONPATH"] = os.pathsep.join(first)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def leaving(run: Callable[[], int]) -> NoReturn:
    """Run a session and leave without exit handlers (a test may have left threads), whatever it is that ends it: the
    parent misses the end record."""
    status = NO_FINISH
    try:
        status = run()
    except BaseException:  # noqa: BLE001
        status = NO_FINISH
        print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # what stands there may be of the code under test
                stream.flush()
        leave(status)


def main(arguments: list[str]) -> None:
    """The session whose plan is in the file that the first argument names."""

    def run() -> int:
        session = GradedSession()
        session.begin(Channel.inherit(), arguments[0])
        look_like_pytest()
        plugins = session.plugins + ([session.trace()] if session.plan["lines"] else [])
        status = int(pytest.main(session.plan["args"], plugins=plugins))
        session.end(status)
        return status

    leaving(run)
