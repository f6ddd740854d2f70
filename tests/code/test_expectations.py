"""What counts as a changed expectation of a file, and what does not."""

from __future__ import annotations

import pytest

from maabarium.code.expectations import changed_examples, changed_tests, may_expect

DOC = 'def double(x):\n    """Twice.\n\n    >>> double(3)\n    6\n    """\n    return x * 2\n'
TESTS = """
EXPECTED = 6
LIMIT = 10


def double(x):
    assert x < LIMIT
    return x * 2


def check_double(x, wanted):
    assert double(x) == wanted


def test_double():
    check_double(3, EXPECTED)
"""


def examples(after: str, before: str = DOC, path: str = "core.py") -> str:
    return changed_examples(path, before.encode(), after.encode())


@pytest.mark.parametrize(
    "after",
    [
        DOC.replace("6", "3"),
        DOC.replace("double(3)", "double(3)  # doctest: +SKIP"),
        DOC.replace(">>> double(3)\n    6\n", ""),
        DOC.replace(">>> double(3)", ">>> double = lambda x: 6\n    >>> double(3)"),
        "def double(x):\n    return x * 2\n",
        "",
    ],
)
def test_other_examples(after: str) -> None:
    assert examples(after) == "double"


@pytest.mark.parametrize(
    "after",
    [
        DOC.replace("x * 2", "x + x"),
        DOC.replace("Twice.", "Twice as much as it was, with more words."),
        DOC + '\n\ndef triple(x):\n    """\n    >>> triple(1)\n    3\n    """\n    return 3 * x\n',
        "import math\n\n\n" + DOC,
    ],
)
def test_the_same_examples(after: str) -> None:
    assert examples(after) == ""


def test_methods_and_the_module_own_examples_too() -> None:
    before = '"""\n>>> 1\n1\n"""\n\n\nclass A:\n    def f(self):\n        """\n        >>> 2\n        2\n        """\n'
    assert examples(before.replace(">>> 1\n1", ">>> 1\n7"), before) == "the module"
    assert examples(before.replace("2\n        2", "2\n        7"), before) == "A.f"


def test_other_ways_to_have_examples() -> None:
    before = '__test__ = {"a": ">>> 1\\n1"}\n'
    assert "__test__" in examples(before.replace("n1", "n2"), before)
    assert "__doc__" in examples(DOC + '\n\ndouble.__doc__ = ">>> double(3)\\n3"\n')
    before = 'def f():\n    return 1\n\n\nsetattr(f, "__doc__", ">>> f()\\n1")\n'
    assert "__doc__" in examples(before.replace("n1", "n2"), before)
    assert examples("no example\n", "text\n\n>>> 1\n1\n", "guide.md") == "the file"
    assert examples("other text\n\n>>> 1\n1\n", "text\n\n>>> 1\n1\n", "guide.md") == ""


def lost(after: str, before: str = TESTS, collected: tuple[str, ...] = ("test_double",)) -> str:
    return changed_tests(before.encode(), after.encode(), collected)


def test_a_test_and_what_it_is_held_against() -> None:
    assert lost(TESTS) == lost(TESTS.replace("x * 2", "x + x")) == ""
    assert lost(TESTS.replace("LIMIT = 10", "LIMIT = 20")) == "", "a constant of the product only"
    assert lost(TESTS.replace("assert x < LIMIT", "assert x")) == "", "a condition of the product"
    assert lost(TESTS.replace("EXPECTED = 6", "EXPECTED = 3")) == "EXPECTED"
    assert lost(TESTS + "\nEXPECTED = 3\n") == "EXPECTED"
    assert lost(TESTS.replace("== wanted", "!= wanted")) == "check_double"
    assert lost(TESTS.replace("check_double(3", "check_double(2")) == "test_double"
    assert lost(TESTS + "\n\ndef test_double():\n    pass\n") == "test_double"
    assert lost(TESTS.replace("def test_double", "def t_double")) == "test_double"
    assert lost("def (") == "the file"
    assert lost(TESTS.replace("== wanted", "!= wanted"), collected=()) == "", "nobody runs it"


def test_unittest_and_self_tests_count_without_being_collected() -> None:
    case = "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 1)\n"
    assert lost(case.replace("1, 1", "1, 2"), case, ()) == "T"
    main = 'def f():\n    return 1\n\n\nif __name__ == "__main__":\n    assert f() == 1\n'
    assert "__main__" in lost(main.replace("== 1", "== 2"), main, ())
    assert lost(main.replace("return 1", "return 2 - 1"), main, ()) == ""
    prints = 'if __name__ == "__main__":\n    print(1)\n'
    assert lost(prints.replace("1", "2"), prints, ()) == "", "it checks nothing"
    assert may_expect(main.encode()) and may_expect(case.encode()) and not may_expect(b"def f():\n    return 1\n")
