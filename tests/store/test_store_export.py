"""Exports, read back by the programs that they are for: json, csv, tar, git."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import tarfile

import pytest
from store_records import RUN, journal

from maabarium.errors import StoreError
from maabarium.events import Decided
from maabarium.records import FileEdit, Outcome, Proposal
from maabarium.store import Store, StoredView
from maabarium.store.export import MANIFEST, archive, export_csv, export_json, export_jsonl, export_patch


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    with Store.open(tmp_path_factory.mktemp("export") / "m.db") as store:
        for transition in journal():
            store.append(RUN, transition)
        return store.view(RUN)


def test_json_has_the_fields_of_the_original_and_ours(view):
    rows = json.loads(export_json(view))
    assert [row["iteration"] for row in rows] == list(range(7, -1, -1))
    winner = rows[3]
    assert list(winner)[:15] == [
        "id", "iteration", "blueprint_name", "proposal_summary", "weighted_total", "duration_ms", "error",
        "promotion_outcome", "promoted_branch_name", "promoted_commit_oid", "promoted_target_branch_name",
        "created_at", "metrics", "research", "lora",
    ]  # fmt: skip
    assert (winner["id"], winner["run_id"], winner["promotion_outcome"]) == (5, RUN, "promoted")
    assert winner["metrics"][0]["name"] == "speed" and winner["metrics"][0]["raw_value"] == 5.0
    assert winner["duration_ms"] == 1500 and winner["created_at"].endswith("Z")


def test_json_lines_are_scripted_proposals_in_order(view):
    rows = [json.loads(line) for line in export_jsonl(view).splitlines()]
    assert [row["number"] for row in rows] == list(range(8))
    assert rows[2]["summary"] == "Try 2"
    assert rows[2]["file_patches"] == [{"path": "a.py", "operation": "modify", "content": "x = 1\r\n"}]
    assert rows[1]["file_patches"][0]["content"] is None and rows[1]["file_patches"][0]["content_base64"]


def test_csv_has_a_header_and_reads_back(view):
    rows = list(csv.DictReader(io.StringIO(export_csv(view))))
    assert len(rows) == 8
    assert list(rows[0])[:3] == ["iteration", "blueprint_name", "proposal_summary"]
    assert rows[3]["promoted_commit_oid"] == f"{4:040x}" and rows[3]["effect"] == "5.0"
    assert json.loads(rows[3]["metrics"])[0]["name"] == "speed"


def test_untrusted_text_and_numbers_that_json_does_not_know(view):
    outcome = Outcome(
        number=1, verdict="error", reason_code="internal", reason="a\x1b[31m\udcff\n\x9b", summary='"=1+1",\u202e',
        total=math.nan, effect=math.inf,
    )  # fmt: skip
    proposal = Proposal(summary="", edits=(FileEdit(path="\udcff", operation="delete"),))
    nasty = StoredView(
        run=view.run, state="running", started_at=view.started_at, outcomes=(outcome,), proposals={1: proposal}
    )
    (row,) = json.loads(export_json(nasty))
    assert row["weighted_total"] is None and row["effect"] is None and row["reason"] == outcome.reason
    assert row["id"] is None and row["file_patches"] == [{"path": "\udcff", "operation": "delete"}]
    assert export_json(nasty).isascii() and "\x1b" not in export_json(nasty)
    text = export_csv(nasty)
    text.encode("utf-8")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["reason"] == "a\\x1b[31m\\udcff\n\\x9b" and row["proposal_summary"] == outcome.summary
    assert row["error"] == row["reason"] and row["weighted_total"] == ""


def test_an_archive_holds_the_files_and_says_what_is_missing():
    files = {"b/x.bin": b"\xff\x00", "a.py": b"print()\r\n", "gone.py": None, os.fsdecode(b"n\xff.txt"): b""}
    packed = archive("c" * 40, files)
    assert packed == archive("c" * 40, dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        members = {member.name: member for member in tar.getmembers()}
        contents = {name: tar.extractfile(member).read() for name, member in members.items()}
    manifest = json.loads(contents.pop(MANIFEST))
    assert contents == {path: content for path, content in files.items() if content is not None}
    assert {member.mode for member in members.values()} == {0o644}
    assert manifest["promoted_commit_oid"] == "c" * 40 and manifest["missing_paths"] == ["gone.py"]
    assert manifest["exported_paths"] == sorted(contents) and manifest["note"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "", MANIFEST])
def test_an_archive_takes_no_path_that_leaves_its_folder(path):
    with pytest.raises(StoreError, match="cannot be exported"):
        archive("c", {path: b""})


def git(folder, *arguments, data: bytes | None = None) -> bytes:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "n", f"GIT_{role}_EMAIL": "n@localhost"}
    return subprocess.run(
        ["git", *arguments], cwd=folder, input=data, capture_output=True, check=True, env=environment
    ).stdout


@pytest.mark.parametrize("how", ["am", "apply"])
def test_git_takes_the_patch_of_winners(tmp_path, view, how):
    """Two winners change one file, one of them to bytes that are not UTF-8; summaries try to look like headers."""
    git(tmp_path, "init", "-q")
    states = [b"one\ntwo\n\nend\n", b"one\r\n2\xff\n\nend\n", b"1\r\n2\xff\n\nend"]
    diffs = {}
    for number, state in enumerate(states):
        (tmp_path / "a.txt").write_bytes(state)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", "x")
        if number:
            diffs[number] = git(tmp_path, "diff", "--binary", "HEAD~1", "HEAD")
    git(tmp_path, "reset", "-q", "--hard", "HEAD~2")
    summaries = ["", "Ünï\ncode\x1b", "diff --git a/x b/x\nFrom: evil <e@e>"]
    outcomes = tuple(
        Outcome(number=n, verdict="promoted", reason_code="kept", reason="", summary=summaries[n], commit="a" * 40)
        for n in range(3)
    )
    made = StoredView(run=view.run, state="completed", started_at=view.started_at, outcomes=outcomes)
    patch = export_patch(made, diffs)
    git(tmp_path, how, *(["--keep-cr"] if how == "am" else []), data=patch)
    assert (tmp_path / "a.txt").read_bytes() == states[-1]
    if how == "am":
        subjects = git(tmp_path, "log", "--format=%s|%an", "-2").decode().splitlines()
        assert subjects == ["diff --git a/x b/x From: evil <e@e>|maabarium", "Ünï code\\x1b|maabarium"]
        assert f"Maabarium-Run: {RUN}" in git(tmp_path, "log", "-1", "--format=%b").decode()


def test_a_patch_without_winners_is_empty(view):
    assert export_patch(view, {}) == b""
    assert any(isinstance(t, Decided) for t in journal())
