"""The barrier between the two sides of a pair: both together at each timer, never hanging."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from maabarium.plugins.meeting import Meeting, Side


class Program:
    """One side that stands before one thing after the other, as a session does: it goes on when it is released."""

    def __init__(self, side: Side, steps: list[str]) -> None:
        self.side = side
        self.steps = steps
        self.begun: list[str] = []

    def start(self) -> None:
        self._next()

    def _next(self) -> None:
        if len(self.begun) == len(self.steps):
            self.side.leave()
            return
        what = self.steps[len(self.begun)]
        self.side.arrive(what, lambda: self._begin(what))

    def _begin(self, what: str) -> None:
        self.begun.append(what)
        self._next()


def played(first: list[str], second: list[str], wait: float = 60) -> tuple[Program, Program, Meeting]:
    meeting = Meeting("1", wait)
    programs = Program(meeting.sides[0], first), Program(meeting.sides[1], second)
    for program in programs:
        program.start()
    return *programs, meeting


def test_who_comes_first_waits_for_the_other() -> None:
    meeting, released = Meeting("1"), list[str]()
    meeting.sides[1].arrive("x", lambda: released.append("a"))
    assert released == []
    meeting.sides[0].arrive("x", lambda: released.append("b"))
    assert sorted(released) == ["a", "b"] and meeting.apart == ""


def test_each_use_of_a_timer_has_a_barrier_of_its_own() -> None:
    meeting, released = Meeting("1"), list[int]()
    for number in range(3):
        meeting.sides[0].arrive("x", lambda number=number: released.append(number))  # type: ignore[misc]
        assert len(released) == 2 * number
        meeting.sides[1].arrive("x", lambda number=number: released.append(number))  # type: ignore[misc]
    assert released == [0, 0, 1, 1, 2, 2]


def test_the_seed_decides_who_goes_first() -> None:
    orders = set[str]()
    for seed in range(20):
        meeting, released = Meeting(str(seed)), list[str]()
        meeting.sides[0].arrive("x", lambda: released.append("a"))  # noqa: B023
        meeting.sides[1].arrive("x", lambda: released.append("b"))  # noqa: B023
        orders.add("".join(released))
    assert orders == {"ab", "ba"}


def test_a_side_that_left_is_not_waited_for() -> None:
    meeting, released = Meeting("1"), list[str]()
    meeting.sides[0].arrive("x", lambda: released.append("first"))
    meeting.sides[1].leave()
    assert released == ["first"]
    meeting.sides[0].arrive("x", lambda: released.append("second"))
    assert released == ["first", "second"]
    assert "x together" in meeting.apart


def test_a_side_that_never_comes_does_not_hang_the_other() -> None:
    meeting, released = Meeting("1", 0.05), threading.Event()
    meeting.sides[0].arrive("x", released.set)
    assert not released.is_set()
    assert released.wait(5)
    again = threading.Event()
    meeting.sides[0].arrive("x", again.set)
    assert again.is_set(), "who was kept waiting once does not wait again"
    assert "waited 0.1 s" in meeting.apart


def test_nobody_is_released_by_the_other_at_another_timer() -> None:
    """The candidate skips `x`: it must not begin `y` because the champion stands at `x`, nor wait for ever."""
    champion, candidate, meeting = played(["x", "y", "z"], ["y", "z"])
    assert (champion.begun, candidate.begun) == (["x", "y", "z"], ["y", "z"])
    assert "x" in meeting.apart


def test_a_loop_that_runs_more_often_on_one_side_is_still_together() -> None:
    """A rule may repeat until enough time has passed: what both do is begun together, and so is what follows."""
    for order in (1, -1):
        programs = [["x", "y"] * 10 + ["z"], ["x", "y"] * 12 + ["z"]][::order]
        champion, candidate, meeting = played(*programs)
        assert [champion.begun, candidate.begun] == programs
        assert meeting.apart == ""
        assert meeting.sides[0].passed | meeting.sides[1].passed == {("x", 11), ("x", 12), ("y", 11), ("y", 12)}


@given(st.lists(st.sampled_from("xyz"), max_size=12), st.lists(st.sampled_from("xyz"), max_size=12))
def test_whatever_the_sides_do_both_get_to_their_end_at_once(first: list[str], second: list[str]) -> None:
    began = time.monotonic()
    one, two, meeting = played(first, second)
    assert (one.begun, two.begun) == (first, second), "nobody waits for a timeout"
    assert time.monotonic() - began < 30
    if first == second:
        assert meeting.apart == "" and not one.side.passed and not two.side.passed
    if meeting.apart:
        assert first != second
