"""Tests whose ids differ from process to process are matched by position, all others by id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maabarium_pytest.grading.positions import Positions, function_of, moving

functions = st.sampled_from(["a.py::test_x", "a.py::T::test_x", "b[1].py::test_y"])
parameters = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=5)
suites = st.lists(st.tuples(functions, parameters), unique=True, max_size=12)


@given(suites)
def test_the_same_ids_in_any_order_move_nothing(suite: list[tuple[str, str]]) -> None:
    ids = [f"{function}[{parameter}]" for function, parameter in suite]
    assert moving(ids, list(reversed(ids))) == frozenset()


@given(suites)
def test_other_parameters_in_the_same_number_are_named_alike(suite: list[tuple[str, str]]) -> None:
    first = [f"{function}[{parameter}]" for function, parameter in suite]
    second = [f"{function}[{parameter}!{number}!]" for number, (function, parameter) in enumerate(suite)]
    found = moving(first, second)
    assert found == {function for function, _ in suite}
    one, two = Positions(found), Positions(found)
    assert [one.collected(id) for id in first] == [two.collected(id) for id in second]
    assert [one.name(id) for id in first] == [two.name(id) for id in second]
    assert len({one.name(id) for id in first}) == len(first)


def test_what_is_lost_or_has_no_parameters_does_not_move() -> None:
    assert moving(["a::t[1]", "a::t[2]"], ["a::t[1]"]) == frozenset()
    assert moving(["a::t", "a::u"], ["a::u", "a::v"]) == frozenset()
    assert moving(["a::t[1]", "a::t"], ["a::t[1]", "a::t"]) == frozenset()
    assert Positions({"a::t"}).collected("a::t2[1]") == "a::t2[1]"
    assert function_of("p[1]/a.py::T::test[x::[y]]") == "p[1]/a.py::T::test"
    twice = Positions({"a::t"})
    assert [twice.collected(id) for id in ("a::t[x]", "a::t[x]", "a::t[y]")] == ["a::t[#1]", "a::t[#1]", "a::t[#2]"]
