"""Report files: a view and its diffs rendered by a template, then put in place in one step.

Knows no database and no repository. Templates see values; all texts of candidates are made safe on the way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from maabarium.causes import explained
from maabarium.errors import UsageProblem
from maabarium.events import RunView
from maabarium.records import Outcome
from maabarium.report import gains, phrases
from maabarium.report.chart import chart_of
from maabarium.report.levels import decides_by_pairs, levels, proven_levels
from maabarium.report.markup import DiffLine, clipped, diff_lines, fenced, markdown
from maabarium.report.summary import (
    confidence_line,
    end_line,
    instrument_line,
    metric_lines,
    still_red_line,
    summary_lines,
    time_line,
)  # fmt: skip
from maabarium.safe_text import one_line, plain

__all__ = ["require_report_path", "write_report"]

TEMPLATES = {".html": "report.html.j2", ".md": "report.md.j2"}
DIFF_LINES = {".html": 5000, ".md": 300}
"""Lines shown of one diff; a job summary may have a megabyte in all."""


@dataclass(frozen=True)
class ShownDiff:
    """The diff of one experiment as a template shows it."""

    number: int
    summary: str
    lines: list[DiffLine]
    block: str
    """The same as a Markdown code block."""
    more: int
    """Lines left out."""
    known: bool
    """False when nobody handed the diff in."""


def require_report_path(path: Path) -> None:
    """Refuse a report file of a kind that we do not write, before a run is spent on it. Raises UsageProblem."""
    if path.suffix.lower() not in TEMPLATES:
        raise UsageProblem(f'a report is written as .html or .md, not as "{one_line(str(path))}"; rename it')
    try:
        folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if folder:
        raise UsageProblem(f"the report cannot be written to {one_line(str(path))}: it is a folder")


def _unwritable(path: Path, error: Exception) -> UsageProblem:
    reason = error.strerror if isinstance(error, OSError) else None
    return UsageProblem(f"the report cannot be written to {one_line(str(path))}: {reason or error}")


def write_report(view: RunView, diffs: Mapping[int, str], path: Path) -> None:
    """Write the report of a run as `.html` or `.md`; `diffs` are unified diffs by experiment number.

    Missing folders are made; an older file is replaced only by a whole new one. The same view and diffs give the
    same bytes. Raises UsageProblem for another suffix and for a path that cannot be written.
    """
    require_report_path(path)
    suffix = path.suffix.lower()
    text = _rendered(view, diffs, suffix)
    part = path.with_name(f".{path.name[:100]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(text.encode("utf-8", "backslashreplace"))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _rendered(view: RunView, diffs: Mapping[int, str], suffix: str) -> str:
    from jinja2 import Environment, StrictUndefined  # only a report file needs it

    environment = Environment(
        autoescape=suffix == ".html", undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "line": one_line, "plain": plain, "md": markdown, "number": phrases.number, "factor": phrases.factor,
        "interval": phrases.interval, "percent": phrases.percent, "rough": phrases.rough, "duration": phrases.duration,
        "fenced": lambda lines: fenced(lines, ""), "words": lambda code: code.replace("_", " "),
    }  # fmt: skip
    source = files("maabarium.report").joinpath(TEMPLATES[suffix]).read_text(encoding="utf-8")
    facts = _facts(view, diffs, DIFF_LINES[suffix])
    if suffix == ".html":
        facts["chart"] = chart_of(levels(view))
    return environment.from_string(source).render(facts)


def _facts(view: RunView, diffs: Mapping[int, str], most: int) -> dict[str, Any]:
    failed = gains.baseline_failure(view)
    by_pairs = decides_by_pairs(view)
    if by_pairs:
        shown = {number: phrases.factor(level) for number, level in proven_levels(view).items()}
    else:
        shown = {outcome.number: f"{outcome.total:.4f}" for outcome in view.outcomes if outcome.total is not None}
    return {
        "view": view,
        "by_pairs": by_pairs,
        "levels": shown,  # beside the effect of each experiment: what it leads to, or where all is exact the score
        "run": view.run,
        "result": summary_lines(view)[:1] if failed or not view.outcomes else metric_lines(view),
        "failed": failed,
        "why": explained(failed, tests=20, lines=12) if failed else [],
        "confidence": "" if failed or not view.outcomes else confidence_line(view),
        "instrument": instrument_line(view),
        "ended": end_line(view),
        "still_red": still_red_line(view),
        "smallest": gains.smallest_gain(view),
        "metrics": gains.metric_gains(view),
        "reasons": gains.reasons(view),
        "changes": _changes(view, diffs, most),
        "phases": gains.phase_seconds(view),
        "time": time_line(view),
        "run_facts": _run_facts(view),
    }


def _changes(view: RunView, diffs: Mapping[int, str], most: int) -> list[ShownDiff]:
    outcomes: dict[int, Outcome] = {outcome.number: outcome for outcome in view.outcomes}
    numbers = sorted({winner.number for winner in view.kept} | set(diffs))
    changes = []
    for number in numbers:
        lines, more = clipped(diffs.get(number, ""), most)
        summary = outcomes[number].summary if number in outcomes else ""
        changes.append(ShownDiff(number, summary, diff_lines(lines), fenced(lines, "diff"), more, number in diffs))
    return changes


def _run_facts(view: RunView) -> list[tuple[str, str]]:
    """What one needs to repeat or to doubt the run; untrusted, as all texts here."""
    run, measured = view.run, view.baseline
    state = f"{view.state}: {view.reason}" if view.reason else view.state
    facts = [
        ("run", run.run_id),
        ("state", state),
        ("blueprint", f"{run.blueprint_name} ({run.blueprint_path})"),
        ("target", f"{run.target} ({run.isolation})"),
        ("branch", run.branch if run.promote else f"{run.branch} (promotion off)"),
        ("base commit", run.base_commit),
        ("started from", run.start_commit),
        ("seed", str(run.seed)),
        ("experiments at most", str(run.max_iterations)),
        ("grader", (measured.grader if measured else "") or run.grader_hash),
        ("environment", measured.environment if measured else ""),
        ("blueprint hash", run.blueprint_hash),
        ("started", view.started_at),
        ("finished", view.finished_at or ""),
        ("maabarium", run.version),
    ]
    return [(name, value or phrases.NO_DATA) for name, value in facts]
