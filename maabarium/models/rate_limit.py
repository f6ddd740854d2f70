"""The rate of one model, by a token bucket that its users in this process share, served in the order of asking.

Knows nothing of models and requests. Times are seconds of the clock it is given.
"""

from __future__ import annotations

import threading
from collections import deque

from maabarium.models.cancellation import SLICE, CancelToken

__all__ = ["MINUTE", "RateLimit"]

MINUTE = 60.0


class RateLimit:
    """Lets at most `per_minute` pass in any 60 seconds, whoever asks.

    A classic bucket of that size, refilled at that rate, lets nearly twice as many through when it starts full. So
    this one holds a tenth, at least one, and refills at the rate that is left (the generic cell rate algorithm of
    ITU-T I.371). What counts is the moment of passing, not the one that was planned: a thread that wakes late takes
    its successors with it.
    """

    def __init__(self, per_minute: int, cancellation: CancelToken) -> None:
        burst = 1 + per_minute // 10
        self._interval = MINUTE / (per_minute - burst + 1)
        self._slack = (burst - 1) * self._interval
        self._cancellation = cancellation
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._due = float("-inf")
        """When the bucket is full again."""
        self._held = float("-inf")

    def take(self) -> None:
        """Wait for a place: first come, first served. Raises ProviderError once all waiting is cancelled."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
        try:
            while wait := self._wait(ticket):
                self._cancellation.sleep(min(wait, SLICE))
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Let nobody pass for a while: the server said so."""
        with self._changed:
            self._held = max(self._held, self._cancellation.clock() + seconds)

    def _wait(self, ticket: object) -> float:
        """Wait for our turn, then take the place (0), or say how long it takes until there is one."""
        with self._changed:
            while self._queue[0] is not ticket:
                self._cancellation.check()
                self._changed.wait(SLICE)
            self._cancellation.check()
            now = self._cancellation.clock()
            wait = max(self._due - self._slack, self._held) - now
            if wait <= 0:
                self._due = max(self._due, now) + self._interval
                return 0.0
            return wait
