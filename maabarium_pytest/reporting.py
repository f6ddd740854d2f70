"""Outcomes in pytest's words: reports, letters, lines of -v, JUnit properties, and the totals of the last line.

It turns records into what pytest prints; it drives nothing and decides nothing. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from maabarium.causes import explained
from maabarium.records import VERDICTS, Outcome, Verdict
from maabarium.report.phrases import counted, rough
from maabarium.safe_text import one_line, plain

__all__ = ["RunReporter", "detail", "is_failed_baseline", "reports_of", "status_of"]

LETTERS: Mapping[Verdict, str] = {
    "baseline": ".", "promoted": "+", "rejected": "-", "invalid": "i", "tampered": "!", "cancelled": "c", "error": "F",
}  # fmt: skip
MARKUP: Mapping[str, dict[str, bool]] = {
    "baseline": {"green": True},
    "promoted": {"green": True, "bold": True},
    "rejected": {},
    "invalid": {"yellow": True},
    "tampered": {"red": True, "bold": True},
    "cancelled": {"yellow": True},
    "error": {"red": True},
    "failed": {"red": True},
}
ORDER = ("failed", *VERDICTS, "warnings")
Status = tuple[str, str, tuple[str, dict[str, bool]]]


def is_failed_baseline(outcome: Outcome) -> bool:
    """Whether this is a baseline that cannot be built upon."""
    return outcome.number == 0 and outcome.verdict != "cancelled" and outcome.reason_code != "baseline"


def detail(outcome: Outcome) -> str:
    """Effect, summary and reason on one line."""
    parts = []
    if outcome.effect is not None:
        low, high = outcome.interval or (None, None)
        bounds = f" (x{low:.3g}-x{high:.3g})" if low is not None and high is not None else ""
        pairs = f" in {counted(outcome.pairs, 'pair')}" if outcome.pairs else ""
        parts.append(f"{rough(outcome)}{bounds}{pairs}")
    if outcome.number:
        parts.append(one_line(outcome.summary))
    code = "" if outcome.reason_code in ("kept", "baseline", outcome.verdict) else f"{outcome.reason_code}: "
    parts.append(code + one_line(outcome.reason))
    return " · ".join(part for part in parts if part)


def failure_text(outcome: Outcome) -> str:
    """What a person needs who must act on it: the sentence, the gates that failed, the tests that failed."""
    lines = [plain(outcome.reason)]
    for gate in outcome.gates:
        if not gate.passed and gate.detail and gate.detail not in outcome.reason:
            lines.append(f"gate {one_line(gate.name)}: {plain(gate.detail, 4000)}")
    lines += explained(outcome, tests=20, lines=8) or [f"failing  {one_line(test)}" for test in outcome.failing[:20]]
    if outcome.not_run:
        lines.append(f"{outcome.not_run} tests were not run after it")
    return "\n".join(lines)


def reports_of(outcome: Outcome, nodeid: str, run: Mapping[str, object]) -> Iterator[pytest.TestReport]:
    """The reports of one slot: the call, and the end that JUnit writers wait for. `run` are properties for all."""
    failed = outcome.verdict == "error" or is_failed_baseline(outcome)
    path, _, name = nodeid.partition("::")
    for when in ("call", "teardown"):
        ends = when == "teardown"
        yield pytest.TestReport(
            nodeid=nodeid,
            location=(path, None, name),
            keywords={},
            outcome="failed" if failed and not ends else "passed",
            longrepr=failure_text(outcome) if failed and not ends else None,
            when="teardown" if ends else "call",
            duration=0.0 if ends else outcome.duration,
            user_properties=[*run.items(), *properties(outcome)],
            maabarium=outcome,
        )


def properties(outcome: Outcome) -> Iterator[tuple[str, object]]:
    """What a JUnit report says of an outcome; empty values are left out."""
    facts: dict[str, object] = {
        "number": outcome.number,
        "verdict": outcome.verdict,
        "reason_code": outcome.reason_code,
        "reason": plain(outcome.reason),
        "summary": plain(outcome.summary),
        "total": outcome.total,
        "effect": outcome.effect,
        "interval": "{} {}".format(*outcome.interval) if outcome.interval else None,
        "pairs": outcome.pairs or None,
        "parent": outcome.parent if outcome.number else None,
        "branch": outcome.branch,
        "commit": outcome.commit,
    }
    facts |= {f"metric.{one_line(metric.name)}": metric.raw for metric in outcome.metrics}
    return ((name, value) for name, value in facts.items() if value is not None and value != "")


def status_of(report: Any) -> Status | None:
    """Category, letter and word of a report of ours; None for anybody else's (collection reports among them)."""
    outcome: Outcome | None = getattr(report, "maabarium", None)
    if outcome is None:
        return None
    if report.when != "call":
        return "", "", ("", {})
    category: str = "failed" if is_failed_baseline(outcome) else outcome.verdict
    letter = "F" if category == "failed" else LETTERS[outcome.verdict]
    word = f"{'FAILED' if category == 'failed' else outcome.verdict.upper()} {detail(outcome)}"
    return category, letter, (word, MARKUP[category])


class RunReporter(pytest.TerminalReporter):  # type: ignore[misc]
    """pytest's own reporter with a last line that counts verdicts, and without a header about test settings.

    pytest marks its reporter as final for type checkers, and has no hook for the last line: hence the subclass, of
    one public method (`tests/host` notices if it ever stops being called).
    """

    exit_status = 0

    def __init__(self, config: pytest.Config) -> None:
        super().__init__(config, sys.stdout)

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Nothing: root folder, configuration and plug-ins of this session are always the same."""
        return []

    def build_summary_stats_line(self) -> tuple[list[tuple[str, dict[str, bool]]], str]:
        """`1 baseline, 3 promoted, 4 rejected`, coloured by how the run ended."""
        if self.config.option.collectonly:
            return super().build_summary_stats_line()
        colour = "green" if self.exit_status == 0 else "yellow" if self.exit_status == 2 else "red"
        known = [name for name in ORDER if self.stats.get(name)]
        known += [name for name in self.stats if name and name not in ORDER and self.stats[name]]
        parts = [(of_category(len(self.stats[name]), name), MARKUP.get(name, {"yellow": True})) for name in known]
        return parts or [("no experiments ran", {"yellow": True})], colour


def of_category(count: int, category: str) -> str:
    """A number with its noun."""
    if category == "failed":
        return f"{count} baseline{'s' if count > 1 else ''} failed"
    if category == "error":
        return f"{count} error{'s' if count > 1 else ''}"
    if category == "warnings":
        return f"{count} warning{'s' if count > 1 else ''}"
    return f"{count} {category}"
