"""What to try after a run that kept nothing, chosen by why nothing was kept. Knows no layout."""

from __future__ import annotations

from maabarium.events import RunView
from maabarium.records import COMBINATION, EXHAUSTED, ReasonCode
from maabarium.report import gains
from maabarium.safe_text import one_line

__all__ = ["advice"]

OF_THE_SUITE = ("tests.cpu", "tests.duration")
"""Metrics of all tests together, in which what a change gains is lost."""
MOST = 2
"""Pieces of advice at a time."""

HINTS: dict[ReasonCode, str] = {
    "worse": "let more files change (domain.target_files), allow more experiments, or try another proposer",
    "undecided": "measure longer work or a quieter machine, or raise acceptance.max_pairs",
    "gate_failed": "look at `maabarium history`: the changes broke the tests or rules",
    "guard_failed": "a guard forbids what the changes cost; raise its tolerance if that is acceptable",
    "timeout": "raise constraints.timeout_seconds if the suite itself is close to it",
    "duplicate": "the proposer repeats itself: let more files change, or try another proposer",
    "no_effect": "the proposer changes nothing: let more files change, or try another proposer",
    "out_of_bounds": "the proposer leaves domain.target_files; widen it if that is acceptable",
    "unparseable": "the proposer's answers cannot be read; try another model or proposer",
    "does_not_apply": "the proposer's edits do not fit the files; try another model or proposer",
    "provider_failed": "the model could not be asked; see the reasons in `maabarium history`",
    "policy_objection": "see the reasons in `maabarium history`; with promotion off nothing is ever kept",
    "internal": "something on our side broke; see the reasons in `maabarium history`",
}
RULE = (
    "counts all tests, among which a gain is lost: write a rule that times the work that matters "
    "(`maabarium init --rules` makes one to begin with; docs/rules.md), or measure longer work"
)
MEASURED: tuple[ReasonCode, ...] = ("worse", "undecided")
TRIED_ALL = (
    "all that the proposer knows was tried: let more files change (domain.target_files), or try another proposer"
)


def advice(view: RunView) -> list[str]:
    """What to do, the most useful first; empty when nobody knows."""
    if not view.run.promote:
        return ["promotion was off, so nothing could be kept; run without --maabarium-no-promote to keep winners"]
    codes = [code for code, _ in gains.reasons(view)][:3]
    hints = dict(HINTS)
    found = []
    if codes and codes[0] in MEASURED:
        if suite := _of_the_suite(view):
            hints["undecided"] = f"{suite} {RULE}"
            found.append(hints["undecided"])
        if _exhausted(view):
            hints["worse"] = TRIED_ALL
            codes.append("worse")
    found += _about_the_end(view)
    found += [hints[code] for code in codes if code in hints]
    return list(dict.fromkeys(found))[:MOST]


def _of_the_suite(view: RunView) -> str:
    """The objective that measures all tests together, when nothing more telling is measured; else empty."""
    first = view.outcomes[0].metrics if view.outcomes else ()
    sources = [row.source for row in first if row.weight > 0]
    return sources[0] if sources and all(source in OF_THE_SUITE for source in sources) else ""


def _about_the_end(view: RunView) -> list[str]:
    """A limit ended the run before its experiments were used up."""
    if view.state != "completed" or _exhausted(view) or len(gains.decided(view)) >= view.run.max_iterations:
        return []
    return [f"a limit ended the run early ({one_line(view.reason)}); raise it in [budget]"] if view.reason else []


def _exhausted(view: RunView) -> bool:
    """Whether more experiments would be of no use; combinations come when each change alone was tried."""
    ended = view.state == "completed" and view.reason == EXHAUSTED
    return ended or any(outcome.origin.operator == COMBINATION for outcome in view.outcomes)
