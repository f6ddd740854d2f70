"""Each repair operator: what it must propose, what it must not, and that only the named span changes."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.code.python_file import PythonFile, parse
from maabarium.proposers.mutate.repairs.ideas import repairs_of, still_parses
from maabarium.proposers.mutate.repairs.place import Words

STDLIB = Path(sysconfig.get_path("stdlib"))
FILES = ("textwrap", "heapq", "bisect", "fractions", "shlex", "colorsys", "csv", "difflib", "string", "ast", "calendar")


def repaired(code: str, words: Words = Words()) -> set[tuple[str, str]]:  # noqa: B008
    """(operator, new code) of every change of a text."""
    source = PythonFile.read(code.encode())
    assert source is not None
    return {
        (draft.operator, source.replaced(draft.start, draft.end, draft.new))
        for statement in source.statements
        for draft in repairs_of(source, statement, words)
        if still_parses(source, statement, draft)
    }


def in_function(*lines: str, arguments: str = "a, b, c") -> str:
    return f"def f({arguments}):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("operator", "wrong", "right"),
    [
        ("comparison", "return a < b", "return a <= b"),
        ("comparison", "return a == b", "return a != b"),
        ("comparison", "return a not in b", "return a in b"),
        ("comparison", "return a is not None", "return a is None"),
        ("comparison", "return a<b<c", "return a<b<=c"),
        ("comparison", "return a==b", "return a in b"),
        ("boolean", "return a and b or c", "return a or b or c"),
        ("boolean", "return (a) and (b)", "return (a) or (b)"),
        ("not", "return not a", "return a"),
        ("not", "if a: b()", "if not a: b()"),
        ("not", "if a and b(c): pass", "if a and not b(c): pass"),
        ("not", "return isinstance(a, b)", "return not isinstance(a, b)"),
        ("arithmetic", "return a + b", "return a - b"),
        ("arithmetic", "return a // b", "return a % b"),
        ("arithmetic", "return [a] - b", "return [a] * b"),
        ("arithmetic", "return a * b * c", "return (a + b) * c"),
        ("sign", "return -a", "return a"),
        ("sign", "return a", "return -a"),
        ("operands", "return a - b", "return b - a"),
        ("off-by-one", "return range(a)", "return range(a + 1)"),
        ("off-by-one", "return a[:b]", "return a[:b - 1]"),
        ("off-by-one", "return a + 1", "return a"),
        ("off-by-one", "return a[3]", "return a[4]"),
        ("off-by-one", "return a[0]", "return a[-1]"),
        ("slice", "return a[1:]", "return a[:]"),
        ("constant", "return a * 7", "return a * 1"),
        ("truth", "return True", "return False"),
        ("text", 'return a + ""', 'return a + " "'),
        ("swapped-arguments", "return a(b, c)", "return a(c, b)"),
        ("swapped-arguments", "return a, b", "return b, a"),
        ("neighbour", "return min(a)", "return max(a)"),
        ("neighbour", "return a.startswith(b)", "return a.endswith(b)"),
        ("neighbour", "return a.pop()", "return a.pop(0)"),
        ("variable", "return a + a", "return a + b"),
        ("loop-exit", "for x in a: break", "for x in a: continue"),
        ("loop-exit", "while a: continue", "while a: break"),
        ("augmented", "a += b", "a -= b"),
        ("augmented", "a //= b", "a = b"),
        ("augmented", "a = b", "a += b"),
        ("exception", "raise ValueError(a)", "raise TypeError(a)"),
        ("dropped", "a += b; return a", "pass; return a"),
        ("return", "return None", "return a"),
    ],
)
def test_operator_finds_the_repair(operator: str, wrong: str, right: str) -> None:
    found = {code for name, code in repaired(in_function(wrong)) if name in {operator, "constant", "off-by-one"}}
    assert in_function(right) in found


@pytest.mark.parametrize(
    ("operator", "code"),
    [
        ("comparison", "return a + b"),
        ("boolean", "return a & b"),
        ("not", "return a + b"),
        ("arithmetic", "return a < b"),
        ("operands", "return a + b"),
        ("off-by-one", "return True"),
        ("constant", "return True"),
        ("truth", "return 1"),
        ("text", "return 1"),
        ("swapped-arguments", "return a(b)"),
        ("swapped-arguments", "return a(b, b)"),
        ("neighbour", "return minimum(a)"),
        ("loop-exit", "return a"),
        ("exception", "return ValueError"),
        ("augmented", "x = b"),
        ("dropped", "return a"),
        ("variable", "return len(1)"),
        ("attribute", "return a.b"),
    ],
)
def test_operator_stays_away(operator: str, code: str) -> None:
    assert operator not in {name for name, _ in repaired(in_function(code))}


def test_attribute_is_exchanged_for_another_of_the_class() -> None:
    code = "class C:\n    def f(self):\n        return self.low + self.low\n    def g(self):\n        self.high = 1\n"
    assert ("attribute", code.replace("+ self.low", "+ self.high")) in repaired(code)


def test_words_of_failing_tests_become_candidates() -> None:
    words = Words(numbers=(42,), texts=((", ", "; "),), exceptions=("LookupError",))
    assert ("constant", in_function("return 42 * a")) in repaired(in_function("return 5 * a"), words)
    assert ("text", in_function('return "; ".join(a)')) in repaired(in_function('return ", ".join(a)'), words)
    assert ("exception", in_function("raise LookupError")) in repaired(in_function("raise OSError"), words)


def test_default_arguments_and_caught_exceptions_are_reached() -> None:
    code = "def f(a, n=1):\n    try:\n        return a\n    except KeyError:\n        return n\n"
    found = {new for _, new in repaired(code)}
    assert code.replace("n=1", "n=2") in found
    assert code.replace("KeyError", "IndexError") in found


def test_imports_annotations_and_docstrings_are_left_alone() -> None:
    code = '"""Text 1."""\nfrom a import b\nx: "list[1]" = b\ndef f(a: 1 = b) -> 2:\n    """Doc 3."""\n'
    assert {new for _, new in repaired(code)} == set()


@pytest.mark.parametrize(
    "content",
    [
        "def f(a):\r\n    # ünï\r\n    return 'é' + a < 1\r\n".encode(),
        b"\xef\xbb\xbfdef f(a):\n    return a < 1\n",
        "# -*- coding: latin-1 -*-\ndef f(a):\n    return 'é', a < 1\n".encode("latin-1"),
        b"def f(a):\n\treturn (a\n\t\t<  # why\n\t\t1)\n",
        b"def f(a):\n    return f'{a < 1} {a!r:>{a}}'",
        b"x = 3\x0c\ndef f(a):\r    return a < 1\r",
    ],
)
def test_bytes_around_the_change_stay_as_they_are(content: bytes) -> None:
    source = PythonFile.read(content)
    assert source is not None
    found = [
        source.encoded(source.replaced(draft.start, draft.end, draft.new))
        for statement in source.statements
        for draft in repairs_of(source, statement, Words())
        if draft.operator == "comparison" and draft.new == "<="
    ]
    at = content.index(b"<")
    assert found == [content[:at] + b"<=" + content[at + 1 :]]


@pytest.mark.parametrize("content", [b"def", b"\xff\xfe", b"x = '\0'", b"# coding: nonsense\n", b"(" * 5000])
def test_what_cannot_be_edited_is_passed_over(content: bytes) -> None:
    assert PythonFile.read(content) is None


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_every_change_of_real_code_compiles_and_touches_one_statement(name: str, data: st.DataObject) -> None:
    source = PythonFile.read((STDLIB / f"{name}.py").read_bytes())
    assert source is not None
    statement = data.draw(st.sampled_from(source.statements))
    words = Words((7,), (("a", "b"),), ("KeyError",), ("x",))
    lines = source.text.splitlines(keepends=True)
    for draft in repairs_of(source, statement, words):
        assert statement.first <= source.line(draft.start) <= source.line(draft.end) <= statement.last
        if not still_parses(source, statement, draft):
            continue
        changed = source.replaced(draft.start, draft.end, draft.new)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(changed, name, "exec", dont_inherit=True)
        assert changed != source.text
        assert changed.splitlines(keepends=True)[: statement.first - 1] == lines[: statement.first - 1]
        assert changed.endswith("".join(lines[statement.last :]))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_positions_name_the_text_of_their_node(name: str, data: st.DataObject) -> None:
    source = PythonFile.read((STDLIB / f"{name}.py").read_bytes())
    assert source is not None
    names = [node for node in ast.walk(source.tree) if isinstance(node, ast.Name)]
    node = data.draw(st.sampled_from(names))
    assert source.segment(node) == node.id


def test_parse_is_quiet_about_bad_escapes() -> None:
    assert parse("x = '\\d'") is not None
