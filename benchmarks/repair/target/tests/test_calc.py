import pytest
from kitbag.calc import CalcError, clamp, evaluate, tokenize


def test_tokens():
    assert tokenize("a1 + 2.5*(_b,3)") == [
        ("name", "a1", 0),
        ("op", "+", 3),
        ("number", 2.5, 5),
        ("op", "*", 8),
        ("open", "(", 9),
        ("name", "_b", 10),
        ("comma", ",", 12),
        ("number", 3, 13),
        ("close", ")", 14),
    ]


def test_no_tokens():
    assert tokenize("  ") == []


def test_leading_dot():
    assert tokenize(".5") == [("number", 0.5, 0)]


def test_integers_stay_integers():
    assert isinstance(tokenize("12")[0][1], int)
    assert isinstance(tokenize("12.0")[0][1], float)


@pytest.mark.parametrize("text", ["1.2.3", "$", "1 . 2", "a ? b"])
def test_bad_tokens(text):
    with pytest.raises(CalcError):
        tokenize(text)


@pytest.mark.parametrize(
    "text, value",
    [
        ("1 + 2", 3),
        ("7 - 2 - 1", 4),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("2 ^ 3 ^ 2", 512),
        ("8 / 2 / 2", 2),
        ("7 % 4", 3),
        ("-2 ^ 2", -4),
        ("2 * -3", -6),
        ("-(1 + 2)", -3),
        ("10 - 2 * 3 + 1", 5),
        ("--4", 4),
    ],
)
def test_values(text, value):
    assert evaluate(text) == value


def test_names():
    assert evaluate("price * count", {"price": 2.5, "count": 4}) == 10.0


def test_unknown_name():
    with pytest.raises(KeyError):
        evaluate("x + 1")


def test_functions():
    assert evaluate("max(1, 5, 3)") == 5
    assert evaluate("min(4, 2) + abs(-3)") == 5
    assert evaluate("clamp(12, 0, 10)") == 10


def test_clamp():
    assert clamp(5, 0, 10) == 5
    assert clamp(-5, 0, 10) == 0
    assert clamp(50, 0, 10) == 10


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1 2", "max(1", "max(1 2)", "nope(1)", ")", "* 2", "1)"])
def test_not_expressions(text):
    with pytest.raises(CalcError):
        evaluate(text)


@pytest.mark.parametrize("text", ["1 / 0", "1 % 0"])
def test_division_by_zero(text):
    with pytest.raises(ZeroDivisionError, match=r"1 . 0"):
        evaluate(text)
