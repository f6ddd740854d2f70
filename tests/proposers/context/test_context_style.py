"""Manners: configured ones before observed ones."""

from __future__ import annotations

from context_room import Files, make_blueprint

from maabarium.proposers.council.context.guidance import style_text
from maabarium.proposers.council.context.source_files import SourceFiles

TWO = "def f():\n  if x:\n    return 'a'\n" + "  y = ['b', 'c', 'd', 'e', 'f', 'g']\n" * 3


def said(files: dict[str, bytes | str], path: str = "a.py") -> str:
    return style_text(SourceFiles(Files(files), make_blueprint(["**"])), [path])


def test_what_the_file_looks_like() -> None:
    assert "indented by 2 spaces" in said({"a.py": TWO})
    assert "single quotes" in said({"a.py": TWO})
    assert "up to 79 characters" in said({"a.py": TWO})
    assert "tabs" in said({"a.go": "func f() {\n\tx()\n\ty()\n}\n"}, "a.go")


def test_configuration_wins() -> None:
    text = said(
        {"a.py": TWO, "pyproject.toml": "[tool.ruff]\nline-length = 101\n[tool.ruff.format]\nquote-style = 'double'\n"}
    )
    assert "101" in text and "double quotes" in text and "2 spaces" in text
    assert "double quotes" in said({"a.py": TWO, "pyproject.toml": "[tool.black]\n"})
    assert "up to 88" in said({"a.py": TWO, "pyproject.toml": "[tool.black]\n"})
    assert "single quotes" in said({"a.py": TWO, "pyproject.toml": "[tool.black]\nskip-string-normalization = true\n"})
    assert "up to 77" in said({"a.py": TWO, "ruff.toml": "line-length = 77\n"})


def test_editorconfig_is_read() -> None:
    text = said(
        {
            "a.py": TWO,
            ".editorconfig": "root = true\n[*]\nindent_size = 4\nmax_line_length = 66\n[*.js]\nindent_size = 8\n",
        }
    )
    assert "4 spaces" in text and "66" in text


def test_broken_configuration_says_nothing() -> None:
    files: dict[str, bytes | str] = {
        "a.py": TWO, "pyproject.toml": "[tool\n", ".editorconfig": "nonsense", "ruff.toml": b"\xff",
    }  # fmt: skip
    assert "2 spaces" in said(files)
    odd = "[tool]\nruff = 3\nblack = []\n"
    assert "2 spaces" in said({"a.py": TWO, "pyproject.toml": odd})
    assert "2 spaces" in said({"a.py": TWO, "pyproject.toml": "tool = 1\n"})


def test_nothing_of_nothing() -> None:
    assert said({"a.py": ""}) == ""
