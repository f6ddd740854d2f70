"""The live line: on a terminal, one line below the last one says what is under way. In a pipe, where nothing else
is printed while the baseline is measured, a line of its own from time to time.

It writes with relative cursor movements only and leaves no trace: whoever prints pauses it. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from maabarium.engine.driver import Progress
from maabarium.safe_text import one_line

__all__ = ["LiveLine", "live_text"]

INTERVAL = 0.25
"""Seconds between two looks."""
FIRST = 0.4
"""Seconds until the line appears: what is over sooner needs none."""
FIRST_IN_PIPE, INTERVAL_IN_PIPE = 5.0, 20.0
"""Seconds of a baseline until a pipe gets its first line, and between two."""


def live_text(progress: Progress, width: int) -> str:
    """What is under way, on at most `width` columns."""
    pair = f" pair {progress.pair} of at most {progress.pairs_max}" if progress.phase == "confirming" else ""
    what = "baseline" if progress.number == 0 else f"#{progress.number}"
    text = f"{what} {progress.phase}{pair} · {progress.elapsed:.0f} s"
    summary = progress.summary if progress.number else ""
    return one_line(f"{text} · {summary}" if summary else text, max(1, width))


class LiveLine:
    """Shows `progress()` from a thread while it is `shown`; `paused` clears the way for other output."""

    def __init__(self, reporter: pytest.TerminalReporter, progress: Callable[[], Progress | None]) -> None:
        self._reporter = reporter
        self._writer = reporter.config.get_terminal_writer()
        self._progress = progress
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._visible = False
        quiet = reporter.config.get_verbosity() < 0
        self.enabled = reporter.isatty() and not quiet and os.environ.get("TERM", "dumb") not in ("", "dumb")
        self._quiet = quiet

    @contextmanager
    def shown(self) -> Generator[None]:
        """Look after the line until the block ends."""
        if self._quiet:
            yield
            return
        watch = self._watch if self.enabled else self._tell
        thread = threading.Thread(target=watch, name="maabarium-live", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Erase the line and let nobody draw it until the block ends."""
        with self._lock:
            self._erase()
            yield

    def _watch(self) -> None:
        wait = FIRST
        while not self._stop.wait(wait):
            wait = INTERVAL
            with self._lock:
                if progress := self._progress():
                    self._draw(progress)
        with self._lock:
            self._erase()

    def _tell(self) -> None:
        """Say in whole lines how long the baseline has been measured, until it is."""
        wait = FIRST_IN_PIPE
        while not self._stop.wait(wait):
            wait = INTERVAL_IN_PIPE
            with self._lock:
                progress = self._progress()
                if progress is None:
                    continue
                if progress.number:
                    return
                self._reporter.ensure_newline()
                self._reporter.write_line(f"measuring the {live_text(progress, 100)}", flush=True)

    def _draw(self, progress: Progress) -> None:
        text = live_text(progress, self._writer.fullwidth - 1)
        self._below(self._writer.markup(text, light=True))  # as it is under NO_COLOR and --color=no
        self._visible = True

    def _erase(self) -> None:
        if self._visible:
            self._below("")
            self._visible = False

    def _below(self, text: str) -> None:
        """Replace the line below by a text and go back. A line feed scrolls where there is no line below."""
        column = self._writer.width_of_current_line
        right = f"\x1b[{column}C" if column else ""
        self._writer.write_raw(f"\n\r\x1b[K{text}\x1b[1A\r{right}", flush=True)
