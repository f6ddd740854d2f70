"""Runs the target's pytest suite in a forked child and brings back each test's outcome, detail and lines.

Forking with pytest already imported saves most of the start-up. The child is killed at its deadline.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from maabarium.records import Evaluation, Gate, LineMap, Measurement, TestResult

__all__ = ["evaluate"]


class _Recorder:
    """A pytest plug-in that keeps outcomes and, if asked, which lines of the package each test ran."""

    def __init__(self, folder: Path, package: str, *, trace: bool) -> None:
        self.root = str(folder)
        self.prefix = str(folder / package) + os.sep
        self.trace = trace
        self.results: dict[str, tuple[str, str]] = {}
        self.lines: dict[str, dict[str, set[int]]] = {}
        self.own: dict[CodeType, str | None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            outcome = report.outcome if report.when == "call" or report.outcome == "skipped" else "error"
            self.results[report.nodeid] = (outcome, report.longreprtext[-6000:] if report.failed else "")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        if not self.trace:
            return (yield)
        rows = self.lines.setdefault(item.nodeid, {})

        def enter(frame: FrameType, event: str, arg: Any) -> Any:
            code = frame.f_code
            if code not in self.own:
                inside = code.co_filename.startswith(self.prefix)
                self.own[code] = os.path.relpath(code.co_filename, self.root) if inside else None
            path = self.own[code]
            if path is None or code.co_name == "<module>":
                return None
            seen = rows.setdefault(path, set())

            def line(frame: FrameType, event: str, arg: Any) -> Any:
                if event == "line":
                    seen.add(frame.f_lineno)
                return line

            return line

        sys.settrace(enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)


def evaluate(folder: Path, package: str, timeout: float, *, trace: bool = False) -> Evaluation:
    """Run the suite in `folder`; a failed gate `suite` says that it did not come to an end."""
    started = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setsid()
        try:
            _run(folder, package, writer, trace=trace)
        finally:
            os._exit(1)
    os.close(writer)
    data = bytearray()
    with os.fdopen(reader, "rb", buffering=0) as stream:
        while (left := started + timeout - time.monotonic()) > 0:
            if select.select([stream], [], [], left)[0]:
                block = stream.read(1 << 16)
                if not block:
                    break
                data += block
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    duration = time.monotonic() - started
    if not data or data[-4:] != b"done":
        gate = Gate(name="suite", passed=False, reason_code="timeout" if duration >= timeout else "crashed")
        return Evaluation(gates=(gate,), duration=duration)
    return _evaluation(pickle.loads(bytes(data[:-4])), duration)


def _run(folder: Path, package: str, writer: int, *, trace: bool) -> None:
    os.chdir(folder)
    silent = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silent, number)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    recorder = _Recorder(folder, package, trace=trace)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:maabarium", "-c", os.devnull, f"--rootdir={folder}", "tests"]
    pytest.main(options, plugins=[recorder])
    with os.fdopen(writer, "wb") as stream:
        pickle.dump((recorder.results, recorder.lines), stream)
        stream.write(b"done")
        stream.flush()
    os._exit(0)


def _evaluation(found: tuple[dict[str, Any], dict[str, Any]], duration: float) -> Evaluation:
    results, rows = found
    tests = tuple(TestResult(id=name, outcome=result[0], detail=result[1]) for name, result in results.items())
    lines = None
    if rows:
        lines = LineMap(by_test={t: {p: tuple(sorted(s)) for p, s in files.items()} for t, files in rows.items()})
    share = sum(test.outcome == "passed" for test in tests) / max(len(tests), 1)
    measured = (Measurement(source="tests.passed", value=share),)
    return Evaluation(measurements=measured, tests=tests, duration=duration, lines=lines)
