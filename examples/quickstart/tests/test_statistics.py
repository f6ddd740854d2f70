from loglens.statistics import count, grouped, percentile, spread, top, unique


def test_count_keeps_the_order_of_first_occurrence():
    assert list(count("banana").items()) == [("b", 1), ("a", 3), ("n", 2)]
    assert count([]) == {}


def test_top_breaks_ties_by_name():
    assert top({"b": 2, "a": 2, "c": 5, "d": 1}, 3) == [("c", 5), ("a", 2), ("b", 2)]
    assert top({"a": 1}, 0) == []


def test_percentile():
    values = [7, 1, 3, 9, 5, 2, 8, 4, 10, 6]
    assert percentile(values, 0.5) == 5
    assert percentile(values, 0.9) == 9
    assert percentile(values, 0.99) == 10
    assert percentile([4], 0) == 4
    assert percentile([], 0.5) == 0.0
    assert values[0] == 7


def test_spread():
    values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]
    assert spread(values) == 2.0
    assert spread([3.5]) == 0.0
    assert spread([]) == 0.0
    assert values[0] == 2.0


def test_unique_keeps_order():
    assert unique(iter([3, 1, 3, 2, 1])) == [3, 1, 2]


def test_grouped():
    assert grouped(["ab", "c", "de"], len) == {2: ["ab", "de"], 1: ["c"]}
