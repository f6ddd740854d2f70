"""Which files may be created, and what is said about documents."""

from __future__ import annotations

import pytest
from context_room import make_request

from maabarium.proposers.council.context import pack


@pytest.mark.parametrize(
    ("patterns", "language", "expected"),
    [
        (["docs/guide.md"], "markdown", ("docs/guide.md",)),
        (["/docs/guide.md"], "markdown", ("docs/guide.md",)),
        (["src/new.py"], "python", ("src/new.py",)),
        (["notes/**/*.md"], "markdown", ("notes/draft.md",)),
        (["prompts/**"], "prompt", ("prompts/draft.md",)),
        (["docs/**/*.md", "notes/**/*.md"], "research", ("docs/research-brief.md", "notes/research-brief.md")),
        (["**/*prompt*.md"], "prompt", ()),
        (["src/**/*.py"], "python", ()),
        (["docs/*.md", "!docs/draft.md"], "markdown", ("docs/draft-2.md",)),
        (["a/b.md", "README.md/x.md"], "markdown", ("a/b.md",)),
    ],
)
def test_paths_to_create(patterns: list[str], language: str, expected: tuple[str, ...]) -> None:
    request = make_request({"README.md": "# x\n"}, target_files=patterns, language=language, targets=[])
    assert pack(request, tokens=2000).creatable == expected


def test_where_documents_exist_a_draft_is_offered_for_research_only() -> None:
    files = {"docs/research-brief.md": "# x\n"}
    for language, expected in (("markdown", ()), ("research", ("docs/research-brief-2.md",))):
        request = make_request(files, target_files=["docs/*.md"], language=language)
        assert pack(request, tokens=2000).creatable == expected


@pytest.mark.parametrize(("exists", "words"), [(False, "first draft"), (True, "one section")])
def test_the_one_document_is_drafted_first_and_then_improved_by_section(exists: bool, words: str) -> None:
    files = {"docs/guide.md": "# Guide\n\nText.\n"} if exists else {"README.md": "x"}
    request = make_request(files, target_files=["docs/guide.md"], language="markdown")
    packed = pack(request, tokens=1000)
    (advice,) = [part.text for part in packed.parts if part.source == "blueprint"]
    assert words in advice
    assert bool(packed.creatable) is not exists
    assert [shown.path for shown in packed.shown] == (["docs/guide.md"] if exists else [])


def test_code_gets_no_advice_on_documents() -> None:
    request = make_request({"src/a.py": "x = 1\n"}, target_files=["src/a.py"])
    assert not [part for part in pack(request, tokens=1000).parts if part.source == "blueprint"]


def test_research_is_told_to_cite() -> None:
    request = make_request({"docs/a.md": "# x\n"}, target_files=["docs/**"], language="research")
    assert any("address" in part.text for part in pack(request, tokens=1000).parts if part.source == "blueprint")
