"""The barrier between the two sides of a pair: both together, never hanging."""

from __future__ import annotations

import threading

from maabarium.plugins.meeting import Meeting


def test_who_comes_first_waits_for_the_other() -> None:
    meeting, released = Meeting("1", 5), list[str]()
    meeting.arrive(lambda: released.append("a"))
    assert released == []
    meeting.arrive(lambda: released.append("b"))
    assert sorted(released) == ["a", "b"]


def test_each_timed_block_has_a_barrier_of_its_own() -> None:
    meeting, released = Meeting("1", 5), list[int]()
    for number in range(3):
        meeting.arrive(lambda number=number: released.append(number))  # type: ignore[misc]
        assert len(released) == 2 * number
        meeting.arrive(lambda number=number: released.append(number))  # type: ignore[misc]
    assert released == [0, 0, 1, 1, 2, 2]


def test_the_seed_decides_who_goes_first() -> None:
    orders = set[str]()
    for seed in range(20):
        meeting, released = Meeting(str(seed), 5), list[str]()
        meeting.arrive(lambda: released.append("a"))  # noqa: B023
        meeting.arrive(lambda: released.append("b"))  # noqa: B023
        orders.add("".join(released))
    assert orders == {"ab", "ba"}


def test_a_side_that_left_is_not_waited_for() -> None:
    meeting, released = Meeting("1", 5), list[str]()
    meeting.arrive(lambda: released.append("first"))
    meeting.leave()
    assert released == ["first"]
    meeting.arrive(lambda: released.append("second"))
    assert released == ["first", "second"]


def test_a_side_that_never_comes_does_not_hang_the_other() -> None:
    meeting, released = Meeting("1", 0.05), threading.Event()
    meeting.arrive(released.set)
    assert not released.is_set()
    assert released.wait(5)


def test_who_was_kept_waiting_once_does_not_wait_again() -> None:
    meeting, first, second = Meeting("1", 0.05), threading.Event(), threading.Event()
    meeting.arrive(first.set)
    assert first.wait(5)
    meeting.arrive(second.set)
    assert second.is_set()
