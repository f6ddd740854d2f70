"""Chunks: symbols of Python with what belongs to them, sections of Markdown, blocks of the rest."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.code.symbols import Chunk, chunks_of
from maabarium.code.tree import CodeTree

MODULE = '''"""A module."""

import os
from pathlib import Path

LIMIT = 3


# Says hello.
@decorated
def hello(name):
    return name


class Box:
    """A box."""

    size = 1
'''


def parsed(lines: list[str]) -> ast.Module | None:
    text = "\n".join(lines) + "\n"
    return CodeTree(["a.py"], lambda path: text.encode()).tree("a.py")


def cut(text: str, path: str = "a.py") -> tuple[Chunk, ...]:
    lines = text.removesuffix("\n").split("\n") if text else []
    return chunks_of(path, lines, parsed(lines) if path.endswith(".py") else None)


def text_of(text: str, chunk: Chunk) -> str:
    return "\n".join(text.split("\n")[chunk.first - 1 : chunk.last])


def test_a_function_brings_its_decorators_and_comments() -> None:
    chunks = {chunk.name: chunk for chunk in cut(MODULE)}
    assert text_of(MODULE, chunks["hello"]) == "# Says hello.\n@decorated\ndef hello(name):\n    return name"
    assert chunks["hello"].kind == "symbol"
    assert chunks["LIMIT"].kind == "block"
    assert text_of(MODULE, cut(MODULE)[0]).endswith("from pathlib import Path")
    assert cut(MODULE)[0].kind == "imports"


def test_a_long_class_is_cut_by_method_and_methods_know_it() -> None:
    methods = "".join(f"\n    def m{i}(self):\n" + "        x = 1\n" * 9 for i in range(5))
    text = f'class Big:\n    """Doc."""\n\n    kind = 1\n{methods}\n\ndef after():\n    pass\n'
    chunks = cut(text)
    assert [chunk.name for chunk in chunks] == ["Big", *(f"Big.m{i}" for i in range(5)), "after"]
    assert chunks[0].kind == "class"
    assert text_of(text, chunks[0]) == 'class Big:\n    """Doc."""\n\n    kind = 1'
    assert {chunk.parent for chunk in chunks[1:6]} == {"Big"}


def test_a_short_class_stays_whole() -> None:
    assert [chunk.name for chunk in cut(MODULE)][-1] == "Box"


def test_what_does_not_parse_is_cut_by_layout() -> None:
    text = "def a(:\n    pass\n\ndef b():\n    pass\n"
    assert [chunk.name for chunk in cut(text)] == ["def a(:", "def b():"]


def test_old_carriage_returns_would_shift_lines_and_are_not_parsed() -> None:
    assert parsed(["x = 1\ry = 2", "z = 3"]) is None


def test_a_warning_of_the_parser_stays_inside() -> None:
    assert parsed(['x = "\\d"']) is not None


def test_too_deep_nesting_is_no_crash() -> None:
    assert parsed(["(" * 5000 + ")" * 5000]) is None


def test_other_languages_are_cut_before_unindented_lines_after_blank_ones() -> None:
    text = "use std;\n\nfn a() {\n    x\n\n    y\n}\n\nfn b() {\n    z\n}\n"
    chunks = cut(text, "a.rs")
    assert [chunk.name for chunk in chunks] == ["use std;", "fn a() {", "fn b() {"]
    assert text_of(text, chunks[1]) == "fn a() {\n    x\n\n    y\n}"


def test_markdown_is_cut_at_headings_outside_of_code() -> None:
    text = "# One\n\ntext\n\n```sh\n# no heading\n```\n\n## Two\nmore\n"
    assert [chunk.name for chunk in cut(text, "a.md")] == ["# One", "## Two"]


def test_long_blocks_are_cut() -> None:
    chunks = cut("1,2,3\n" * 500, "a.csv")
    assert len(chunks) > 5
    assert max(chunk.last - chunk.first for chunk in chunks) < 100


def test_nothing_of_nothing() -> None:
    assert cut("") == ()
    assert cut("\n\n", "a.txt") == ()


LINES = st.sampled_from(
    ["", "    ", "import os", "x = 1; y = 2", "def f():", "    return 1", "class A:", "    def m(self):",
     "        pass", "# comment", "@decorated", "    # inner", '"""doc"""', "x = (", ")", "## Heading", "```",
     "if x:", "\tx"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(LINES, max_size=25), st.sampled_from(["a.py", "a.md", "a.rs"]))
def test_chunks_cover_every_line_with_text_once_and_in_order(lines: list[str], path: str) -> None:
    chunks = chunks_of(path, lines, parsed(lines) if path == "a.py" else None)
    covered = [n for chunk in chunks for n in range(chunk.first, chunk.last + 1)]
    assert covered == sorted(set(covered))
    assert {n for n, line in enumerate(lines, 1) if line.strip()} <= set(covered)
    for chunk in chunks:
        assert lines[chunk.first - 1].strip() and lines[chunk.last - 1].strip()
