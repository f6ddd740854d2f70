import pytest
from kitbag.cache import Cache


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_stores():
    cache = Cache(2)
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.get("b") is None
    assert cache.get("b", 7) == 7


def test_size_is_checked():
    with pytest.raises(ValueError):
        Cache(0)
    assert len(Cache(1)) == 0


def test_oldest_goes_first():
    cache = Cache(2)
    for key in "abc":
        cache.put(key, key)
    assert cache.keys() == ["c", "b"]


def test_use_keeps_alive():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert "a" in cache and "b" not in cache


def test_put_again_replaces():
    cache = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    assert len(cache) == 2
    assert cache.get("a") == 3
    assert cache.keys() == ["a", "b"]


def test_fills_up_to_its_size():
    cache = Cache(3)
    for number in range(3):
        cache.put(number, number)
    assert len(cache) == 3


def test_lifetime(clock):
    cache = Cache(2, lifetime=10, clock=clock)
    cache.put("a", 1)
    clock.now = 9
    assert "a" in cache and cache.get("a") == 1
    clock.now = 10
    assert "a" not in cache
    assert cache.get("a", "gone") == "gone"
    assert len(cache) == 0


def test_put_renews(clock):
    cache = Cache(2, lifetime=10, clock=clock)
    cache.put("a", 1)
    clock.now = 8
    cache.put("a", 2)
    clock.now = 15
    assert cache.get("a") == 2


def test_no_lifetime(clock):
    cache = Cache(2, clock=clock)
    cache.put("a", 1)
    clock.now = 10**9
    assert "a" in cache


def test_discard():
    cache = Cache(2)
    cache.put("a", 1)
    assert cache.discard("a") is True
    assert cache.discard("a") is False
    assert len(cache) == 0


def test_purge(clock):
    cache = Cache(5, lifetime=3, clock=clock)
    cache.put("a", 1)
    clock.now = 2
    cache.put("b", 2)
    clock.now = 4
    assert cache.purge() == 1
    assert cache.keys() == ["b"]


def test_hit_rate(clock):
    cache = Cache(2, lifetime=5, clock=clock)
    assert cache.hit_rate() == 0.0
    cache.put("a", 1)
    cache.get("a")
    cache.get("a")
    cache.get("b")
    clock.now = 6
    cache.get("a")
    assert (cache.hits, cache.misses) == (2, 2)
    assert cache.hit_rate() == 0.5
