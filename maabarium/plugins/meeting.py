"""Where both sides of a pair wait for each other, so that what is timed starts at the same moment.

Run at the same time on one core, two programs share its speed: frequency, stolen time and neighbours hit both alike.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["LONGEST_WAIT", "Meeting", "Side"]

LONGEST_WAIT = 5.0
"""Seconds that a side waits for the other, unless the suite itself takes longer; then both go on alone."""

Place = tuple[str, int]
"""What begins (`the timer "x"`), and the how manieth time."""


@dataclass
class Arrival:
    """A side that has arrived, what lets it go on, and when (monotonic) it has waited long enough."""

    place: Place
    release: Callable[[], None]
    deadline: float


@dataclass(eq=False)
class Side:
    """One side's end of a meeting. Used by one session at a time, from any thread."""

    meeting: Meeting
    uses: Counter[str] = field(default_factory=Counter)
    passed: set[Place] = field(default_factory=set)
    """Where it went on alone."""
    waiting: Arrival | None = None
    left: bool = False

    def arrive(self, what: str, release: Callable[[], None]) -> None:
        """It is ready to begin `what`. `release` is called at once or later, from any thread: it goes on."""
        self.meeting.arrived(self, what, release)

    def leave(self) -> None:
        """It has ended and will not come again: nobody waits for it from now on."""
        self.meeting.left(self)


class Meeting:
    """A barrier for two at each thing that begins; it cannot hang. Made by a worker for each pair of sessions.

    Each place (a timer, and the how manieth use of it) has a barrier of its own. `seed` decides who is released
    first. Where the two stand at different places, one of them skipped a timer, or used one less often: the one whose
    timer the other has left behind goes on, else both do.
    """

    def __init__(self, seed: str, longest_wait: float = LONGEST_WAIT) -> None:
        self.sides = (Side(self), Side(self))
        self._coin = random.Random(seed)
        self._longest_wait = longest_wait
        self._lock = threading.RLock()
        self._watchdog: threading.Timer | None = None
        self._over = False
        """One waited in vain: from now on nobody waits."""
        self._met: Counter[str] = Counter()

    @property
    def apart(self) -> str:
        """A sentence when something began less often together than alone; empty while all is well."""
        with self._lock:
            first, second = self.sides
            for what in first.uses | second.uses:
                alone = sum(place[0] == what for place in first.passed | second.passed)
                if self._met[what] < alone:
                    why = f", one waited {self._longest_wait:.1f} s for the other" if self._over else ""
                    return f"the two sides did not begin {what} together{why}"
            return ""

    def arrived(self, side: Side, what: str, release: Callable[[], None]) -> None:
        """What `Side.arrive` says."""
        with self._lock:
            other = self._other(side)
            side.uses[what] += 1
            place = (what, side.uses[what])
            side.waiting = Arrival(place, release, time.monotonic() + self._longest_wait)
            if self._over or other.left or place in other.passed:
                self._go_alone(side)
            elif other.waiting is None:
                self._watch()
            elif other.waiting.place == place:
                self._met[what] += 1
                both = [side, other]
                self._coin.shuffle(both)
                self._go(*both)
            else:
                self._part(side, other)

    def left(self, side: Side) -> None:
        """What `Side.leave` says."""
        with self._lock:
            side.left = True
            other = self._other(side)
            self._go_alone(other)
            if other.left and self._watchdog is not None:
                self._watchdog.cancel()

    def _other(self, side: Side) -> Side:
        return self.sides[side is self.sides[0]]

    def _part(self, side: Side, other: Side) -> None:
        """They wait at different places: let go who waits for what will not come."""
        stale = [
            one
            for one, its_other in ((side, other), (other, side))
            if one.waiting is not None and its_other.uses[one.waiting.place[0]]
        ]
        self._go_alone(*stale if len(stale) == 1 else (side, other))

    def _watch(self) -> None:
        """See to it that who is waiting now does not wait for ever. One thread serves all barriers of a meeting."""
        deadlines = [side.waiting.deadline for side in self.sides if side.waiting is not None]
        if deadlines and self._watchdog is None:
            self._watchdog = threading.Timer(max(0.0, min(deadlines) - time.monotonic()), self._look)
            self._watchdog.daemon = True
            self._watchdog.start()

    def _look(self) -> None:
        """Let go who has waited long enough."""
        with self._lock:
            self._watchdog = None
            now = time.monotonic()
            late = [side for side in self.sides if side.waiting is not None and side.waiting.deadline <= now]
            self._over = self._over or bool(late)
            self._go_alone(*late)
            self._watch()

    def _go_alone(self, *sides: Side) -> None:
        for side in sides:
            if side.waiting is not None:
                side.passed.add(side.waiting.place)
        self._go(*sides)

    def _go(self, *sides: Side) -> None:
        """Let them go, in this order, when nobody is waiting any more: who is released may arrive again at once."""
        due = [side.waiting for side in sides if side.waiting is not None]
        for side in sides:
            side.waiting = None
        for waiting in due:
            waiting.release()
