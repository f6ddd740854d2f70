from stall.receipt import receipt
from stall.search import position


def test_position():
    assert [position([2, 3, 5, 7], wanted) for wanted in (2, 3, 5, 7)] == [0, 1, 2, 3]


def test_position_of_what_is_missing():
    assert [position([2, 3, 5], wanted) for wanted in (1, 4, 6)] == [None] * 3
    assert position([], 1) is None


def test_receipt():
    prices = {"egg": 3, "fig": 5}
    assert receipt(["fig", "egg", "fig"], prices.get) == [("fig", 2, 10), ("egg", 1, 3)]
