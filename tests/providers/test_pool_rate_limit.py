"""The rate limit: never more than the rate in any minute, first come first served."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_doubles import Doubles, FakeClock, make_pool, model, purpose, request

from maabarium.errors import ProviderError
from maabarium.models.waiting import MINUTE, CancelToken, RateLimit

ROUNDING = 1e-6


def limit(per_minute: int, clock: FakeClock) -> RateLimit:
    return RateLimit(per_minute, CancelToken(clock, clock.sleep))


def most_in_a_minute(times: list[float]) -> int:
    """The largest number of passings in any half-open window of 60 seconds."""
    return max(sum(start <= time < start + MINUTE - ROUNDING for time in times) for start in times)


@settings(max_examples=60, deadline=None)
@given(per_minute=st.integers(1, 90), pauses=st.lists(st.floats(0, 90), min_size=1, max_size=40))
def test_no_minute_has_more_than_the_rate(per_minute: int, pauses: list[float]) -> None:
    clock = FakeClock()
    one = limit(per_minute, clock)
    times = []
    for pause in pauses:
        clock.now += pause
        one.take()
        times.append(clock.now)
    assert most_in_a_minute(times) <= per_minute


@pytest.mark.parametrize("per_minute", [1, 2, 9, 10, 60, 600])
def test_a_crowd_gets_the_rate_and_nearly_all_of_it(per_minute: int) -> None:
    clock = FakeClock()
    one = limit(per_minute, clock)
    times = []
    for _ in range(per_minute * 3 + 1):
        one.take()
        times.append(clock.now)
    assert most_in_a_minute(times) <= per_minute
    assert times[-1] - times[0] <= 3.4 * MINUTE


def test_a_late_sleeper_takes_its_successors_with_it() -> None:
    """What counts is when a request goes out, not when it might have gone."""
    clock = FakeClock()

    def oversleep(seconds: float) -> None:
        clock.sleep(seconds + 0.7)

    one = RateLimit(6, CancelToken(clock, oversleep))
    times = []
    for _ in range(30):
        one.take()
        times.append(clock.now)
    assert most_in_a_minute(times) <= 6


def test_nobody_passes_while_it_is_held() -> None:
    clock = FakeClock()
    one = limit(60, clock)
    one.hold(5)
    one.hold(2)
    began = clock.now
    one.take()
    assert clock.now - began == pytest.approx(5, abs=0.06)


def test_threads_pass_in_the_order_in_which_they_came() -> None:
    one = RateLimit(1200, CancelToken(time.monotonic, time.sleep))
    for _ in range(121):
        one.take()  # empty it: from here on, one every 55 ms
    came, passed = [], []

    def take(name: int) -> None:
        one.take()
        passed.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in range(8)]
    for name, thread in enumerate(threads):
        thread.start()
        came.append(name)
        while len(one._queue) + len(passed) <= name:
            time.sleep(0.001)
    for thread in threads:
        thread.join(5)
    assert passed == came


def test_one_who_gives_up_does_not_block_those_behind() -> None:
    cancellation = CancelToken(time.monotonic, time.sleep)
    one = RateLimit(1, cancellation)
    one.take()
    ended: list[str] = []

    def take() -> None:
        try:
            one.take()
        except ProviderError as error:
            ended.append(error.reason)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    cancellation.cancelled = True
    for thread in threads:
        thread.join(2)
    assert ended == ["closed"] * 3


def test_all_users_of_a_model_share_its_rate() -> None:
    clock = FakeClock()
    same = {"provider": "openai", "endpoint": "https://one.example/v1"}
    members = (
        model("big", requests_per_minute=2, **same),
        model("big", requests_per_minute=6, **{**same, "endpoint": "https://one.example/v1/"}, temperature=0.9),
        model("big", requests_per_minute=6, provider="openai", endpoint="https://two.example/v1"),
    )
    pool = make_pool(Doubles(), *members, clock=clock)
    began = clock.now
    for member in (members[0], members[1], members[2]):
        pool.ask(member, request(), purpose())
    assert clock.now - began == pytest.approx(30, abs=0.1), "the lowest rate of an entry holds for all of them"


def test_a_retry_is_a_request_like_any_other() -> None:
    clock = FakeClock()
    down = [ProviderError("down", reason="http_5xx", retry=True)]
    pool = make_pool(Doubles({"one": list(down)}), model(requests_per_minute=6), clock=clock)
    pool.ask(model(requests_per_minute=6), request(), purpose())
    assert clock.slept == pytest.approx(10, abs=0.1)
