"""The mock's proposals are read and applied by the same code as any model's."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from provider_calls import context, request

from maabarium.blueprint.schema import EditFormat
from maabarium.errors import BlueprintError
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import Completion
from maabarium.proposers.council.questions import ballot_schema, critique_schema, veto_schema
from maabarium.proposers.council.replies import FORMATS, Shown, edits_of, parse_reply, reply_schema
from maabarium.scanner import fence

PYTHON = '''"""A module."""
from __future__ import annotations

import re

LIMIT = 10


@decorated
def first(x):
    return x


def second(x):
    """<b>&amp;"""
    return re.sub("a", "b", x)
'''
FILES = {
    "app/core.py": PYTHON,
    "app/bare.py": "x = 1\nprint(x)\n",
    "app/one.py": "import sys",
    "app/text.py": "def f():\n    return 1\n",
    "guide.md": "# Title\n\nSome words.\n\n## More\n\nOther words.\n",
    "note.md": "# Title\n\nSome words.\n",
    "src/lib.rs": "#![allow(dead_code)]\n\nfn main() {\n}\n",
    "run.sh": "#!/bin/sh\nset -e\necho hello\n",
    "conf.toml": 'a = 1\nb = "{token}"\n',
    "words.txt": "one line without an end",
}


def ask(text: str, schema: dict[str, Any] | None = None, **fields: Any) -> Completion:
    made = PROVIDERS["mock"](context("mock", name="mocky"))
    return made.complete(request(text, schema=schema, **fields))


def shown(*paths: str, texts: dict[str, str] | None = None) -> tuple[str, tuple[Shown, ...]]:
    files = {path: (texts or FILES)[path] for path in paths}
    prompt = "\n\n".join(f"May be changed: {path} (whole):\n{fence(text, path)}" for path, text in files.items())
    reading = f"For reading only: tests/test_a.py (whole):\n{fence('def test(): pass', 'tests/test_a.py')}"
    return f"{reading}\n\n{prompt}", tuple(Shown(path, text.encode()) for path, text in files.items())


def applied(
    format: EditFormat, paths: tuple[str, ...], creatable: tuple[str, ...] = (), note: str = ""
) -> dict[str, str]:
    """Path -> content after the mock's proposal."""
    prompt, files = shown(*paths)
    if creatable:
        prompt += f"\n\nThese files do not exist yet and may be created: {', '.join(creatable)}."
    completion = ask(prompt + note, reply_schema(format, files, creatable))
    reply = parse_reply(completion.content, format)
    edits = edits_of(reply, files, targets=lambda path: True, exists=lambda path: path in FILES)
    return {edit.path: (edit.content or b"").decode() for edit in edits}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("path", FILES)
def test_a_proposal_applies_in_every_format(path: str, format: EditFormat) -> None:
    changed = applied(format, (path,))
    assert set(changed) == {path}
    old, new = FILES[path].splitlines(), changed[path].splitlines()
    assert new != old
    if format != "lines":
        rest = iter(new)
        assert all(line in rest for line in old), "nothing that was there is lost or moved"
    if path.endswith(".py"):
        ast.parse(changed[path])
    assert len(new) - len(old) <= 4


def test_another_prompt_leads_to_another_proposal_and_the_same_to_the_same() -> None:
    first, again, other = (applied("diff", ("app/core.py",), note=note) for note in ("", "", " Once more."))
    assert first == again != other


def test_the_line_of_before_is_replaced() -> None:
    once = applied("diff", ("app/core.py",))["app/core.py"]
    assert once.count("maabarium_improvement = ") == 1
    text = {"app/core.py": once}
    prompt, files = shown("app/core.py", texts=text)
    reply = parse_reply(ask(prompt, reply_schema("diff", files, ())).content, "diff")
    (edit,) = edits_of(reply, files, targets=lambda path: True, exists=lambda path: True)
    twice = (edit.content or b"").decode()
    assert "maabarium_improvement" not in twice and twice.count("maabarium_follow_up = ") == 1
    assert len(twice.splitlines()) == len(once.splitlines())


def test_a_file_that_is_only_to_be_read_is_left_alone() -> None:
    assert set(applied("diff", ("app/core.py",), ("docs/new.md",))) == {"app/core.py"}


@pytest.mark.parametrize("format", FORMATS)
def test_a_document_is_created_where_there_is_nothing_else(format: EditFormat) -> None:
    reading = f"For reading only: a.bin (whole):\n{fence('x', 'a.bin')}\n\n"
    creatable = ("docs/new.py", "docs/new.md")
    prompt = f"{reading}These files do not exist yet and may be created: {', '.join(creatable)}."
    reply = parse_reply(ask(prompt, reply_schema(format, (), creatable)).content, format)
    (edit,) = edits_of(reply, (), targets=lambda path: True, exists=lambda path: False)
    assert (edit.operation, edit.path in creatable) == ("create", True)
    if format != "lines":
        assert edit.path == "docs/new.md" and (edit.content or b"").startswith(b"# new\n\n")


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_proposed_where_nothing_can_be_changed(format: EditFormat) -> None:
    prompt, files = f"May be changed: a.bin (whole):\n{fence('00', 'a.bin')}", (Shown("a.bin", b"00\n"),)
    said = json.loads(ask(prompt, reply_schema(format, files, ())).content)
    assert len(said["file_patches"]) == (format == "lines"), "the schema of `lines` wants one patch"


def test_the_prompts_of_the_original_are_understood() -> None:
    text = f'Files:\n<file path="app/core.py">\n{PYTHON}</file>\nAnswer as {{"summary": "", "file_patches": []}}'
    said = json.loads(ask(text).content)
    (patch,) = said["file_patches"]
    assert set(patch) == {"path", "operation", "unified_diff"} and patch["path"] == "app/core.py"
    assert json.loads(ask('No file. "file_patches"').content)["file_patches"] == []


@pytest.mark.parametrize(
    ("marker", "words", "tokens"),
    [
        ("MAABARIUM_MOCK_EMPTY_PATCHSET", "nothing to change", 16),
        ("MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP", 'Search for "primary source"', 32),
        ("MAABARIUM_MOCK_RESEARCH_EVIDENCE_GAP_VARIANT", 'Search for "independent survey"', 32),
    ],
)
def test_words_in_the_prompt_steer_it(marker: str, words: str, tokens: int) -> None:
    prompt, files = shown("app/core.py")
    completion = ask(f"{prompt}\n{marker}", reply_schema("diff", files, ()))
    said = json.loads(completion.content)
    assert words in said["summary"] and said["file_patches"] == []
    assert completion.usage.completion == tokens


def test_everything_else_is_answered_as_the_original_does() -> None:
    assert ask("Rate this. Respond with only a number.").content == "0.78"
    assert ask("\n  Hello there  \nand so on").content == "Be brief. via mocky"
    assert ask("Hello").usage.completion == 32


def test_members_of_a_council_get_answers_in_their_form() -> None:
    names = ("A", "B", "C")
    assert json.loads(ask("Rank.", ballot_schema(names, 90)).content) == {"ranking": ["A", "B", "C"]}
    critiques = json.loads(ask("Criticise.", critique_schema(names, 90)).content)["critiques"]
    assert critiques and all(set(one) == {"of", "text"} and one["of"] in names for one in critiques)
    assert json.loads(ask("Veto?", veto_schema(names, 90)).content)["veto"] is False


def test_it_takes_no_options() -> None:
    with pytest.raises(BlueprintError, match=r"options\.speed"):
        PROVIDERS["mock"](context("mock", options={"speed": 1}))
