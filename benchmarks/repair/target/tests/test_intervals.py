import pytest
from kitbag.intervals import Interval, busiest, covered, merge, subtract


def pairs(items):
    return [(item.start, item.end) for item in items]


def test_contains_is_half_open():
    item = Interval(2, 5)
    assert item.contains(2) and item.contains(4)
    assert not item.contains(5) and not item.contains(1)


def test_empty():
    assert Interval(3, 3).is_empty() and Interval(4, 1).is_empty()
    assert not Interval(1, 2).is_empty()


def test_length():
    assert Interval(2, 7).length() == 5
    assert Interval(7, 2).length() == 0


def test_equality():
    assert Interval(1, 2) == Interval(1, 2)
    assert Interval(3, 3) == Interval(5, 4)
    assert Interval(1, 2) != Interval(1, 3)
    assert Interval(1, 2) != Interval(0, 2)
    assert Interval(1, 2) != (1, 2)
    assert Interval(1, 1) != Interval(1, 2)


def test_repr():
    assert repr(Interval(1, 2)) == "Interval(1, 2)"


@pytest.mark.parametrize(
    "one, two, answer",
    [
        ((0, 2), (1, 3), True),
        ((0, 2), (2, 3), False),
        ((2, 3), (0, 2), False),
        ((0, 9), (4, 5), True),
        ((1, 1), (0, 2), False),
    ],
)
def test_overlaps(one, two, answer):
    assert Interval(*one).overlaps(Interval(*two)) is answer


def test_touches():
    assert Interval(0, 2).touches(Interval(2, 3))
    assert Interval(2, 3).touches(Interval(0, 2))
    assert not Interval(0, 2).touches(Interval(3, 4))
    assert not Interval(3, 4).touches(Interval(0, 2))


def test_intersection():
    assert Interval(0, 5).intersection(Interval(3, 8)) == Interval(3, 5)
    assert Interval(0, 2).intersection(Interval(5, 8)).is_empty()


def test_shifted():
    assert Interval(1, 3).shifted(4) == Interval(5, 7)


def test_scaled():
    assert Interval(2, 6).scaled(2) == Interval(0, 8)
    assert Interval(2, 6).scaled(0.5) == Interval(3, 5)


def test_split():
    assert pairs(Interval(0, 6).split(3)) == [(0, 2), (2, 4), (4, 6)]
    assert pairs(Interval(1, 2).split(1)) == [(1, 2)]


def test_split_refuses_nothing():
    with pytest.raises(ValueError):
        Interval(0, 1).split(0)


def test_merge():
    items = [Interval(5, 7), Interval(0, 2), Interval(2, 3), Interval(6, 9), Interval(4, 4)]
    assert pairs(merge(items)) == [(0, 3), (5, 9)]


def test_merge_inside():
    assert pairs(merge([Interval(0, 9), Interval(2, 3)])) == [(0, 9)]


def test_subtract_middle():
    assert pairs(subtract(Interval(0, 10), [Interval(2, 3), Interval(5, 7)])) == [(0, 2), (3, 5), (7, 10)]


def test_subtract_edges():
    assert pairs(subtract(Interval(2, 8), [Interval(0, 3), Interval(7, 9)])) == [(3, 7)]


def test_subtract_everything_and_nothing():
    assert subtract(Interval(2, 4), [Interval(0, 9)]) == []
    assert pairs(subtract(Interval(2, 4), [Interval(0, 2), Interval(4, 6)])) == [(2, 4)]


def test_covered():
    assert covered([Interval(0, 2), Interval(1, 4), Interval(6, 7)]) == 5
    assert covered([]) == 0


def test_busiest():
    assert busiest([Interval(0, 4), Interval(2, 6), Interval(3, 5)]) == (3, 3)


def test_busiest_ignores_meeting_ends():
    assert busiest([Interval(0, 2), Interval(2, 4)]) == (1, 0)


def test_busiest_of_nothing():
    assert busiest([Interval(1, 1)]) == (0, None)
