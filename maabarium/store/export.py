"""A stored run as text and bytes for other programs. It is untrusted: JSON is ASCII, CSV escapes control characters."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.header import Header
from email.utils import format_datetime
from pathlib import PurePosixPath
from typing import Any

from pydantic_core import to_jsonable_python

from maabarium.errors import StoreError
from maabarium.records import FileEdit
from maabarium.store.payloads import outcome_columns
from maabarium.store.reader import StoredView

__all__ = ["MANIFEST", "archive", "export_csv", "export_json", "export_jsonl", "export_patch"]

MANIFEST = "maabarium-export-manifest.json"
_ORIGINAL_COLUMNS = (
    "iteration", "blueprint_name", "proposal_summary", "weighted_total", "duration_ms", "error", "promotion_outcome",
    "created_at", "metrics", "research", "lora",
)  # fmt: skip
_OUR_COLUMNS = (
    "id", "run_id", "promoted_branch_name", "promoted_commit_oid", "promoted_target_branch_name", "reason_code",
    "reason", "effect", "interval_low", "interval_high", "pairs", "parent", "tree",
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def export_json(view: StoredView) -> str:
    """An array of experiments, newest first, in the original's shape with our fields after it."""
    return json.dumps(list(_experiments(view)), indent=2) + "\n"


def export_jsonl(view: StoredView) -> str:
    """One experiment a line, in order of their numbers. `summary` and `file_patches` make it a scripted proposal."""
    rows = reversed(list(_experiments(view)))
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def export_csv(view: StoredView) -> str:
    """Experiments, newest first: a header, the original's columns in its order, then ours. Lists are JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_ORIGINAL_COLUMNS + _OUR_COLUMNS)
    for row in _experiments(view):
        writer.writerow([_csv_cell(row[column]) for column in _ORIGINAL_COLUMNS + _OUR_COLUMNS])
    return text.getvalue()


def export_patch(view: StoredView, diffs: Mapping[int, bytes]) -> bytes:
    """Winners as one mailbox that `git am` and `git apply` take; `diffs`: of `git diff --binary`, by experiment."""
    parts: list[bytes] = []
    for outcome in view.outcomes:
        diff = diffs.get(outcome.number)
        if not diff:
            continue
        when = datetime.fromisoformat(view.created.get(outcome.number, view.started_at))
        subject = _visible(" ".join(outcome.summary.split())) or f"Keep experiment {outcome.number}"
        head = (
            f"From {outcome.commit or '0' * 40} Mon Sep 17 00:00:00 2001\n"
            "From: maabarium <maabarium@localhost>\n"
            f"Date: {format_datetime(when)}\n"
            f"Subject: [PATCH] {Header(subject, 'utf-8', maxlinelen=900).encode()}\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n"
            f"Maabarium-Run: {view.run.run_id}\nMaabarium-Experiment: {outcome.number}\n---\n\n"
        )
        parts.append(head.encode("ascii") + diff + (b"\n" if diff.endswith(b"\n") else b"\n\n"))
    return b"".join(parts)


def archive(commit: str, files: Mapping[str, bytes | None]) -> bytes:
    """A winner as `.tar.gz`: its files (mode 0644; None: not in the commit) and a manifest. Same input, same bytes.

    StoreError for a path that would leave the folder where the archive is unpacked.
    """
    manifest = {
        "promoted_commit_oid": commit,
        "exported_paths": sorted(path for path, content in files.items() if content is not None),
        "missing_paths": sorted(path for path, content in files.items() if content is None),
        "note": "Paths of the proposal that the promoted commit does not have are listed as missing (deleted files).",
    }
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in sorted(files.items()):
            if content is not None:
                _add(tar, _safe(path), content)
        _add(tar, MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode("ascii"))
    return packed.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    member = tarfile.TarInfo(path)
    member.size = len(content)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(content))


def _safe(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise StoreError(f"{path!r} is not a path inside the target, so it cannot be exported")
    if path == MANIFEST:
        raise StoreError(f"the target has a file {MANIFEST} of its own, so the winner cannot be exported beside it")
    return path


def _experiments(view: StoredView) -> Iterator[dict[str, Any]]:
    """What is told of each experiment, newest first: the fields of the original, then ours."""
    for outcome in reversed(view.outcomes):
        proposal = view.proposals.get(outcome.number)
        low, high = outcome.interval or (None, None)
        row = {
            "id": view.ids.get(outcome.number),
            "iteration": outcome.number,
            "blueprint_name": view.run.blueprint_name,
            "proposal_summary": outcome.summary,
            **outcome_columns(outcome),
            "created_at": view.created.get(outcome.number),
            "metrics": [{**metric.model_dump(exclude={"raw"}), "raw_value": metric.raw} for metric in outcome.metrics],
            "research": None,
            "lora": None,
            "run_id": view.run.run_id,
            "number": outcome.number,
            **{name: getattr(outcome, name) for name in ("parent", "tree", "reason_code", "reason", "effect")},
            "interval_low": low,
            "interval_high": high,
            **{name: getattr(outcome, name) for name in ("pairs", "gates", "failing", "not_run", "phases", "origin")},
            "author": proposal.author if proposal else "",
            "summary": outcome.summary,
            "file_patches": [_patch(edit) for edit in proposal.edits] if proposal else [],
        }
        yield to_jsonable_python(row, inf_nan_mode="null")  # JSON knows no other numbers


def _patch(edit: FileEdit) -> dict[str, Any]:
    """The original's shape; a content that is not UTF-8 is given as base64 beside it."""
    patch: dict[str, Any] = {"path": edit.path, "operation": edit.operation}
    if edit.content is not None:
        try:
            patch["content"] = edit.content.decode("utf-8")
        except UnicodeDecodeError:
            patch |= {"content": None, "content_base64": base64.b64encode(edit.content).decode("ascii")}
    return patch


def _csv_cell(value: Any) -> Any:
    if isinstance(value, str):
        return _visible(value)
    return json.dumps(value) if isinstance(value, list | dict) else value


def _visible(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text).encode("utf-8", "backslashreplace").decode()
