"""Reading a Python file: what is refused, what is kept byte for byte, and where things stand in it."""

from __future__ import annotations

import ast
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.code.python_file import PythonFile, compiles, decode, parse, parse_strictly

UNREADABLE = ["def f(:\n", "x = '\0'\n", "(" * 5000 + ")" * 5000, b"# coding: no-such-thing\n", b"\xff\xfe\n"]


@pytest.mark.parametrize("source", UNREADABLE)
def test_what_cannot_be_parsed_is_one_kind_of_error(source: str | bytes) -> None:
    with pytest.raises(SyntaxError):
        parse_strictly(source)
    assert parse(source) is None


def test_warnings_about_a_text_stay_inside() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse('"\\d"\n') is not None
        assert compiles(b'"\\d"\n')


def test_what_parses_may_still_not_compile() -> None:
    assert parse(b"return 1\n") is not None and not compiles(b"return 1\n")


@pytest.mark.parametrize(
    "content", [b"x = 1\r\ny = 2\r\n", b"\xef\xbb\xbfx = 1\n", "# coding: latin-1\nx = 'é'\n".encode("latin-1"), b""]
)
def test_ends_of_lines_marks_and_encodings_survive(content: bytes) -> None:
    file = PythonFile.read(content)
    assert file is not None and file.encoded(file.text) == content
    assert decode(content)[0] == file.text


def test_what_would_not_come_back_is_refused() -> None:
    assert PythonFile.read(b"x = '\xe9'\n") is None
    file = PythonFile.read(b"# coding: ascii\nx = 1\n")
    assert file is not None and file.encoded("é") is None


@settings(deadline=None)
@given(st.lists(st.sampled_from(["é = 1", "x = 'ü'; y = 2", "z = (3,\n 4)", "\tif_ = 5".strip()]), max_size=6))
def test_every_node_is_found_where_it_stands(lines: list[str]) -> None:
    file = PythonFile.read("\r\n".join(lines).encode())
    assert file is not None
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Name | ast.Constant):
            start, end = file.span(node)
            text = file.text[start:end]
            assert text == (node.id if isinstance(node, ast.Name) else repr(node.value)) == file.segment(node)
            assert file.line(start) == node.lineno
            assert PythonFile.read(file.replaced(start, end, "q").encode()) is not None
