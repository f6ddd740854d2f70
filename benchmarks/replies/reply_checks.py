"""What became of one reply, and whether anything happened that must never happen. Knows no generator."""

from __future__ import annotations

import posixpath
import time
from dataclasses import dataclass
from itertools import groupby

from reply_cases import Case

from maabarium.errors import ProposalError
from maabarium.proposers.council.replies import DETAILS, Shown, edits_of, parse_reply
from maabarium.records import FileEdit

__all__ = ["Result", "outcome_of"]


REASONS = ("unparseable", "does_not_apply", "out_of_bounds")


@dataclass(frozen=True)
class Result:
    """One reply through parsing and applying. `kind` is applied, nothing, a reason code, or crash."""

    kind: str
    seconds: float
    problem: str = ""
    """Of a crash, an escape or a wrong result."""
    escaped: bool = False
    wrong: bool = False


def outcome_of(case: Case) -> Result:
    """Parse, apply, and hold the result against what is allowed and, for a faithful reply, against what is right."""
    began = time.thread_time()
    try:
        reply = parse_reply(case.text, case.format)
        edits = edits_of(reply, case.shown, targets=case.targets, exists=case.exists)
    except ProposalError as error:
        spent = time.thread_time() - began
        if error.detail not in DETAILS or error.reason_code not in REASONS:
            return Result("crash", spent, f"code {error.reason_code} {error.detail!r}")
        return Result(error.reason_code, spent, str(error), wrong=case.expected is not None)
    except Exception as error:  # noqa: BLE001 - this is what is counted
        return Result("crash", time.thread_time() - began, f"{type(error).__name__}: {error}")
    spent = time.thread_time() - began
    problem = next((said for edit in edits if (said := _escape(edit, case))), "")
    if problem:
        return Result("applied", spent, problem, escaped=True)
    if case.expected is not None and {edit.path: edit.content for edit in edits} != case.expected:
        return Result("applied", spent, "another result than meant", wrong=True)
    return Result("applied" if edits else "nothing", spent)


def _escape(edit: FileEdit, case: Case) -> str:
    """How an edit leaves its bounds; empty when it does not."""
    path = edit.path
    if posixpath.normpath(path) != path or not path.startswith("src/") or "\\" in path or not path.isprintable():
        return f"touches {path!r}"
    shown = next((each for each in case.shown if each.path == path), None)
    if edit.operation == "create":
        return f"creates {path!r}, which exists" if path in case.tree else ""
    if shown is None:
        return f"changes {path!r}, which was not shown"
    if edit.operation == "delete":
        return f"deletes {path!r}, which was shown in part" if _hidden(shown) else ""
    return "" if _keeps_hidden(shown, edit.content or b"") else f"changes lines of {path!r} that were not shown"


def _hidden(shown: Shown) -> list[tuple[int, bytes]]:
    """Runs of lines that were not shown: the number of the first, and their bytes."""
    if shown.ranges is None:
        return []
    lines = shown.content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    whole = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    runs = []
    for seen, run in groupby(enumerate(whole, 1), lambda each: any(each[0] in one for one in shown.ranges or ())):
        if not seen:
            pieces = list(run)
            runs.append((pieces[0][0], b"".join(line for _, line in pieces)))
    return runs


def _keeps_hidden(shown: Shown, content: bytes) -> bool:
    """Whether every run of hidden lines is still there, in order, and the outer ones at their ends."""
    after = content.removeprefix(b"\xef\xbb\xbf")
    size = len(shown.content.removeprefix(b"\xef\xbb\xbf"))
    total = sum(len(run) for _, run in _hidden(shown))
    if total == size > 0:
        return after == shown.content.removeprefix(b"\xef\xbb\xbf")
    at = 0
    for number, run in _hidden(shown):
        found = after.find(run, at)
        if found < 0 or (number == 1 and found != 0):
            return False
        at = found + len(run)
    return True
