"""The scripted proposer: line n is proposal n, and a bad line is one invalid experiment."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from proposal_requests import make_context, make_request
from pydantic import ValidationError

from maabarium.errors import BlueprintError, ProposalError
from maabarium.proposers.scripted import ScriptedProposer
from maabarium.records import Proposal

FILES = {"a.py": b"x = 1\ny = 2\n"}


def scripted(folder: Path, *lines: Any, **options: Any) -> ScriptedProposer:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "p.jsonl").write_text(text + "\n", encoding="utf-8")
    return ScriptedProposer(make_context(folder, path="p.jsonl", **options))


def line(**patch: Any) -> dict[str, Any]:
    return {"summary": "s", "file_patches": [{"path": "a.py", "operation": "modify", **patch}]}


def propose(proposer: ScriptedProposer, number: int) -> Proposal | None:
    return proposer.propose(make_request(FILES, number=number))


def content(proposer: ScriptedProposer, number: int) -> bytes | None:
    proposal = propose(proposer, number)
    assert proposal is not None
    return proposal.edits[0].content


def test_proposal_n_is_the_nth_line_whatever_was_asked_before(tmp_path: Path) -> None:
    proposer = scripted(tmp_path, "# comment", line(content="1"), "", line(content="2"), "  # more", line(content="3"))
    assert [content(proposer, number) for number in (3, 1, 2, 1)] == [b"3", b"1", b"2", b"1"]
    assert propose(proposer, 4) is None
    third = propose(proposer, 3)
    assert third is not None
    assert third.origin.agent == "scripted"
    assert third.origin.site == "line 6"


def test_loop_starts_again(tmp_path: Path) -> None:
    proposer = scripted(tmp_path, line(content="1"), line(content="2"), loop=True)
    assert [content(proposer, number) for number in (1, 2, 3, 40)] == [b"1", b"2", b"1", b"2"]


def test_every_form_of_a_patch(tmp_path: Path) -> None:
    raw = b"\xff\r\n\x00"
    patches = [
        {"path": "a.py", "operation": "modify", "unified_diff": "@@ -1,2 +1,2 @@\n-x = 1\n+x = 3\n y = 2\n"},
        {"path": "b.bin", "operation": "create", "content_base64": base64.b64encode(raw).decode()},
        {"path": "c.sh", "operation": "create", "unified_diff": "new file mode 100755\n@@ -0,0 +1 @@\n+true\n"},
        {"path": "d.py", "operation": "create", "content": "é\r\n"},
        {"path": "e.py", "operation": "delete"},
    ]
    proposer = scripted(tmp_path, {"summary": "all", "file_patches": patches, "author": "me"})
    proposal = propose(proposer, 1)
    assert proposal is not None
    assert proposal.author == "me"
    assert [edit.content for edit in proposal.edits] == [b"x = 3\ny = 2\n", raw, b"true\n", "é\r\n".encode(), None]
    assert [edit.mode for edit in proposal.edits] == [None, None, 0o100755, None, None]


def test_a_deletion_by_diff_must_empty_the_file(tmp_path: Path) -> None:
    whole = "@@ -1,2 +0,0 @@\n-x = 1\n-y = 2\n"
    part = "@@ -1 +0,0 @@\n-x = 1\n"
    proposer = scripted(tmp_path, *(line(operation="delete", unified_diff=diff) for diff in (whole, part)))
    assert content(proposer, 1) is None
    with pytest.raises(ProposalError, match="must remove every line"):
        propose(proposer, 2)


@pytest.mark.parametrize(
    ("bad", "code", "problem"),
    [
        ("{", "unparseable", "p.jsonl line 2 is not JSON: .* column 2"),
        ("[" * 100_000, "unparseable", "nested too deep"),
        ("3", "unparseable", "line 2 is not a proposal"),
        ({"summary": "", "file_patches": []}, "unparseable", "summary: "),
        ({"summary": "s", "file_patches": [], "extra": 1}, "unparseable", "extra: "),
        (line(), "unparseable", "exactly one of"),
        (line(content="a", unified_diff="b"), "unparseable", "exactly one of"),
        (line(operation="delete", content="a"), "unparseable", "a deletion has no content"),
        (line(operation="rename", content="a"), "unparseable", "operation"),
        (line(content_base64="*"), "unparseable", "not base64"),
        (line(content="\ud800"), "unparseable", "content_base64"),
        (line(unified_diff="nothing"), "unparseable", "line 2: the diff cannot be read"),
        (line(unified_diff="@@ -1 +1 @@\n-z\n+y\n"), "does_not_apply", "a.py: the diff does not apply"),
        (line(path="no.py", unified_diff="@@ -1 +1 @@\n-z\n+y\n"), "does_not_apply", "no file no.py"),
        (line(operation="create", unified_diff="@@ -0,0 +1 @@\n+y\n"), "does_not_apply", "exists already"),
        ({"summary": "s", "file_patches": line(content="a")["file_patches"] * 2}, "unparseable", "a.py twice"),
    ],
)
def test_a_bad_line_is_invalid_for_its_number_only(tmp_path: Path, bad: Any, code: str, problem: str) -> None:
    proposer = scripted(tmp_path, line(content="1"), bad, line(content="3"))
    with pytest.raises(ProposalError, match=problem) as caught:
        propose(proposer, 2)
    assert caught.value.reason_code == code
    assert content(proposer, 1) == b"1"
    assert content(proposer, 3) == b"3"


def test_a_missing_or_useless_file_is_a_problem_of_the_blueprint(tmp_path: Path) -> None:
    with pytest.raises(BlueprintError, match=r"proposer\.path  no\.jsonl cannot be read: No such file"):
        ScriptedProposer(make_context(tmp_path, path="no.jsonl"))
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(BlueprintError, match="not UTF-8: byte 0"):
        ScriptedProposer(make_context(tmp_path, path="latin"))
    with pytest.raises(BlueprintError, match="contains no proposal"):
        scripted(tmp_path, "# nothing")


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="lop"):
        ScriptedProposer(make_context(tmp_path, path="p", lop=True))
