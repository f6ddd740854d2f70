"""Which lines of the target's files run in which test, and how often.

Uses `sys.monitoring` where there is one (3.12), else `sys.settrace`. Only code of the given files is followed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from types import CodeType, FrameType
from typing import Any

import pytest

from .channel import Channel

TOOL = 4


class LineTracer:
    """A pytest plug-in that sends, after each test, `[file index, line, hits]` of what ran in it.

    Lines that run outside tests (imports) are sent under the empty id.
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
