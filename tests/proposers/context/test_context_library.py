"""What may be shown at all: text, not ignored, no keys, no holdout; read once and only when asked for."""

from __future__ import annotations

import pytest
from context_room import Files, make_blueprint

from maabarium.proposers.council.context.source_files import SourceFiles


def library(files: dict[str, bytes | str], **options: object) -> SourceFiles:
    return SourceFiles(Files(files), make_blueprint(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\0b", "not text"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 2_000_001, "2 MB, too large"),
        (b"", ""),
        (b"ok\n", ""),
    ],
)
def test_what_cannot_be_shown_says_why(content: bytes, reason: str) -> None:
    assert library({"src/a": content}).obstacle("src/a") == reason


def test_text_has_plain_newlines_and_no_mark() -> None:
    shelf = library({"src/a": b"\xef\xbb\xbfone\r\ntwo\r\n"})
    assert shelf.text("src/a") == "one\ntwo\n"
    assert shelf.lines("src/a") == ("one", "two")


def test_ignored_files_are_hidden_the_nearest_file_decides() -> None:
    shelf = library(
        {
            ".gitignore": "*.log\nbuild/\n/secret.txt\n[z-a]\n# comment\n!keep.log\n",
            "src/.gitignore": "!special.log\nlocal.py\n",
            **dict.fromkeys(["src/a.log", "src/special.log", "keep.log", "build/x.py", "src/build/y.py"], "x"),
            **dict.fromkeys(["secret.txt", "src/secret.txt", "src/local.py", "local.py", "src/a.py"], "x"),
        }
    )
    hidden = {path for path in shelf.paths if shelf.hidden(path)}
    assert hidden == {"src/a.log", "build/x.py", "src/build/y.py", "secret.txt", "src/local.py"}


def test_a_file_that_the_blueprint_names_is_shown_although_ignored() -> None:
    files: dict[str, bytes | str] = {".gitignore": "*.md\n", "docs/a.md": "x", "docs/b.md": "x"}
    shelf = library(files, target_files=["docs/a.md"])
    assert not shelf.hidden("docs/a.md")
    assert shelf.hidden("docs/b.md")


@pytest.mark.parametrize("path", [".env", "a/.env.local", "keys/id_rsa", "server.pem", "a/b.key", ".netrc"])
def test_files_that_hold_keys_are_hidden(path: str) -> None:
    assert library({path: "x"}).hidden(path)


@pytest.mark.parametrize("path", [".env.example", "keyboard.py", "env.py", "monkey.py", "src/key.py"])
def test_other_names_are_not(path: str) -> None:
    assert not library({path: "x"}).hidden(path)


@pytest.mark.parametrize("entry", ["holdout/", "./holdout", "../loop/holdout", "holdout/*.py"])
def test_the_holdout_is_hidden_wherever_the_blueprint_stands(entry: str) -> None:
    shelf = library({"loop/holdout/test_x.py": "x", "src/holdouts.py": "x"}, holdout=[entry])
    assert shelf.hidden("loop/holdout/test_x.py") == "holdout"
    assert not shelf.hidden("src/holdouts.py")


def test_files_are_found_by_their_ends() -> None:
    shelf = library(dict.fromkeys(["pkg/tests/test_a.py", "tests/test_a.py", "src/deep/x.py", "x.py"], "x"))
    assert shelf.find("tests/test_a.py") == "tests/test_a.py"
    assert shelf.find("deep/x.py") == "src/deep/x.py"
    assert shelf.find("/somewhere/else/src/deep/x.py") == "src/deep/x.py"
    assert shelf.find("C:\\work\\src\\deep\\x.py") == "src/deep/x.py"
    assert shelf.find("lib/python3.11/ast.py") == ""


def test_each_file_is_read_once_and_none_before_it_is_needed() -> None:
    files = Files({"a.py": "x = 1\n", "b.py": "y\n"})
    shelf = SourceFiles(files, make_blueprint())
    assert files.reads == []
    for _ in range(3):
        shelf.text("a.py"), shelf.lines("a.py"), shelf.chunks("a.py"), shelf.obstacle("a.py")
    assert files.reads == ["a.py"]


def test_a_file_that_is_gone_is_empty() -> None:
    assert library({}).text("gone.py") == ""
