import pytest
from kitbag.tables import align, column_widths, is_number, render, wrap


@pytest.mark.parametrize("text", ["0", "12", "-3", "+4", "1.5", "-0.25", " 7 "])
def test_numbers(text):
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "-", "x", "1.", "1.2.3", "--1", "1e5", ".5"])
def test_not_numbers(text):
    assert not is_number(text)


def test_wrap_at_blanks():
    assert wrap("one two three four", 9) == ["one two", "three", "four"]


def test_wrap_exact_fit():
    assert wrap("ab cd", 5) == ["ab cd"]
    assert wrap("ab cd", 4) == ["ab", "cd"]


def test_wrap_long_word():
    assert wrap("abcdefgh", 3) == ["abc", "def", "gh"]


def test_wrap_long_word_after_short_one():
    assert wrap("x abcdef y", 3) == ["x", "abc", "def", "y"]


def test_wrap_empty():
    assert wrap("", 5) == [""]


def test_wrap_width_one():
    assert wrap("abc", 1) == ["a", "b", "c"]


def test_wrap_refuses_no_width():
    with pytest.raises(ValueError):
        wrap("a", 0)


def test_widths():
    assert column_widths([["a", "four"], ["longer", "b"]]) == [6, 4]


def test_widths_have_a_minimum_and_a_limit():
    assert column_widths([["a"], ["b", "abcdefghij"]], limit=5) == [3, 5]


def test_widths_of_nothing():
    assert column_widths([]) == []


def test_align():
    assert align("ab", 4) == "ab  "
    assert align("ab", 4, right=True) == "  ab"
    assert align("abcd", 3) == "abcd"


def test_render_with_header():
    text = render([["apple", 3], ["fig", 12]], header=["fruit", "count"])
    assert text == "fruit  count\n-----  -----\napple      3\nfig       12"


def test_render_without_header():
    assert render([["a", "b"], ["c", "d"]]) == "a    b\nc    d"


def test_render_short_rows():
    assert render([["a", "1"], ["b"]]) == "a      1\nb"


def test_render_wraps_cells():
    assert render([["one two", "x"]], limit=3) == "one  x\ntwo"


def test_render_mixed_column_is_left():
    assert render([["1"], ["x"]]) == "1\nx"


def test_render_nothing():
    assert render([]) == ""
