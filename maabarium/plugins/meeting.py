"""Where both sides of a pair wait for each other, so that what is timed starts at the same moment.

Run at the same time on one core, two programs share its speed: frequency, stolen time and neighbours hit both alike.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

__all__ = ["Meeting"]

LONGEST_WAIT = 5.0
"""Seconds that a side waits for the other; then both go on alone, and the pair is as good as one run in turn."""


class Meeting:
    """A barrier for two that cannot hang. Made by a worker for each pair; `seed` decides who is released first."""

    def __init__(self, seed: str, longest_wait: float) -> None:
        self._coin = random.Random(seed)
        self._longest_wait = min(LONGEST_WAIT, longest_wait)
        self._lock = threading.Lock()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._left = False
        self._rounds = 0

    def arrive(self, release: Callable[[], None]) -> None:
        """One side is ready; it goes on. `release` is called when the other is there, left, or takes too long."""
        with self._lock:
            self._rounds += 1
            ticket = self._rounds
            self._waiting[ticket] = release
            if len(self._waiting) == 2 or self._left:
                self._release()
                return
        timer = threading.Timer(self._longest_wait, self._give_up, (ticket,))
        timer.daemon = True
        timer.start()

    def leave(self) -> None:
        """One side has ended and will not come again: nobody waits for it from now on."""
        with self._lock:
            self._left = True
            self._release()

    def _give_up(self, ticket: int) -> None:
        with self._lock:
            if ticket in self._waiting:
                self._left = True
                self._release()

    def _release(self) -> None:
        due = list(self._waiting.values())
        self._waiting.clear()
        self._coin.shuffle(due)
        for release in due:
            release()
