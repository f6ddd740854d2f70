"""One stored experiment in full, as lines and as data. Pure: knows no terminal and no repository."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maabarium.causes import cause_of, explained
from maabarium.cli.terminal import LETTERS, columns, number
from maabarium.events import Sample
from maabarium.records import Call, Draft, MetricEffect, Outcome
from maabarium.report.phrases import counted, rough, spent_on
from maabarium.safe_text import one_line, plain
from maabarium.store import StoredView

__all__ = ["cause_facts", "experiment_facts", "experiment_lines"]


def experiment_facts(view: StoredView, outcome: Outcome) -> dict[str, Any]:
    """Everything stored of an experiment but the contents of its files."""
    proposal, experiment = view.proposals.get(outcome.number), view.experiments.get(outcome.number)
    return {
        "run_id": view.run.run_id,
        **outcome.model_dump(),
        "cause": cause_facts(outcome),
        "created_at": view.created.get(outcome.number),
        "experiment": experiment.model_dump() if experiment else None,
        "author": proposal.author if proposal else "",
        "data": dict(proposal.data) if proposal else {},
        "edits": [{"path": edit.path, "operation": edit.operation} for edit in proposal.edits] if proposal else [],
        "calls": [call.model_dump() for call in view.calls.get(outcome.number, ())],
        "drafts": [draft.model_dump() for draft in view.drafts.get(outcome.number, ())],
        "samples": [sample.model_dump() for sample in _samples(view, outcome)],
    }


def cause_facts(outcome: Outcome) -> dict[str, str] | None:
    """Why a baseline does not hold, as data: kind, what was seen, remedy; None for any other outcome."""
    cause = cause_of(outcome)
    return vars(cause) if cause else None


def experiment_lines(view: StoredView, outcome: Outcome) -> list[str]:
    """Sections with a line between them; empty ones are left out."""
    phases = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in outcome.phases.items())
    sections = (
        _head(view, outcome),
        _proposal(view, outcome),
        _metrics(outcome.metrics),
        _gates(outcome),
        _pairs(_samples(view, outcome)),
        _failing(outcome),
        [f"time       {outcome.duration:.2f} s: {phases}"] if phases else [],
        _calls(view.calls.get(outcome.number, ())),
        _drafts(view.drafts.get(outcome.number, ())),
    )
    return [line for section in sections if section for line in ("", *section)][1:]


def _samples(view: StoredView, outcome: Outcome) -> list[Sample]:
    return [sample for sample in view.samples if sample.number == outcome.number]


def _head(view: StoredView, outcome: Outcome) -> list[str]:
    letter = LETTERS[outcome.verdict]
    lines = [
        f"experiment {outcome.number} of run {view.run.run_id} ({one_line(view.run.blueprint_name)})",
        f"  verdict    {letter} {outcome.verdict} ({outcome.reason_code}): {one_line(outcome.reason, 500)}",
    ]
    if outcome.total is not None:
        lines.append(f"  score      {outcome.total:.4f}")
    if outcome.effect is not None:
        low, high = outcome.interval or (None, None)
        pairs = counted(outcome.pairs, "pair")
        spread = (
            f" (95 % x{low:.3g}-{high:.3g}, {pairs})" if low is not None else f" ({pairs})" if outcome.pairs else ""
        )
        guess = ", too few to tell it from noise" if rough(outcome).startswith("~") else ""
        lines.append(f"  effect     x{outcome.effect:.4g}{spread}{guess}")
    if outcome.number:
        lines.append(f"  parent     experiment {outcome.parent}")
    if outcome.commit:
        branch = f" on {one_line(outcome.branch)}" if outcome.branch else ""
        lines.append(f"  commit     {outcome.commit}{branch}")
    if outcome.tree:
        lines.append(f"  tree       {outcome.tree}")
    if created := view.created.get(outcome.number):
        lines.append(f"  when       {created}")
    return lines


def _failing(outcome: Outcome) -> list[str]:
    if said := explained(outcome, tests=20, lines=12):
        return ["why it does not hold", *(f"  {line}" for line in said)]
    if not outcome.failing:
        return []
    rest = [f"  {outcome.not_run} tests were not run after it"] if outcome.not_run else []
    return ["failing tests", *(f"  {one_line(test)}" for test in outcome.failing), *rest]


def _proposal(view: StoredView, outcome: Outcome) -> list[str]:
    proposal = view.proposals.get(outcome.number)
    summary = one_line(outcome.summary or (proposal.summary if proposal else ""), 500)
    if not summary and proposal is None:
        return []
    lines = ["proposal", f"  {summary or 'without a summary'}"]
    origin = [f"{key} {one_line(value)}" for key, value in outcome.origin.model_dump().items() if value]
    if proposal is not None:
        origin += [f"author {one_line(proposal.author)}"] if proposal.author else []
        lines += [f"  {edit.operation:<8} {one_line(edit.path)}" for edit in proposal.edits]
        lines += [f"  {one_line(str(key))} = {one_line(str(value))}" for key, value in proposal.data.items()]
    return [*lines, f"  by         {', '.join(origin)}"] if origin else lines


def _metrics(metrics: Sequence[MetricEffect]) -> list[str]:
    rows = [
        (
            one_line(each.name), f"{each.weight:g}", number(each.baseline), number(each.champion), number(each.raw),
            f"{each.value:.4f}", one_line(each.unit), f"{one_line(each.source)}, {each.direction}",
        )
        for each in metrics
    ]  # fmt: skip
    return columns(("metrics", "weight", "baseline", "champion", "measured", "score", "unit", "source"), rows)


def _gates(outcome: Outcome) -> list[str]:
    lines = []
    for gate in outcome.gates:
        detail = f"  {one_line(gate.detail, 300)}" if gate.detail else ""
        held = "holds" if gate.passed else f"failed ({gate.reason_code})"
        lines.append(f"  {one_line(gate.name)}  {held}{detail}")
    return ["gates", *lines] if lines else []


def _pairs(samples: Sequence[Sample]) -> list[str]:
    """Both sides of each pair, by source; the side that was measured first is said."""
    found: dict[tuple[int, str], dict[str, Sample]] = {}
    for sample in samples:
        found.setdefault((sample.pair, sample.source), {})[sample.side] = sample
    rows = []
    for (pair, source), sides in sorted(found.items()):
        one = next(iter(sides.values()))
        sides_of = (sides.get("champion"), sides.get("candidate"))
        left, right = (number(side.value, ".6g") if side else "" for side in sides_of)
        first = "candidate" if one.candidate_first else "champion"
        rows.append((str(pair), one_line(source), left, right, first, one_line(one.clock)))
    return columns(("pairs", "source", "champion", "candidate", "first", "clock"), rows)


def _calls(calls: Sequence[Call]) -> list[str]:
    """A table of the calls, with their sum as its head."""
    rows = []
    for call in calls:
        counts = (call.prompt_tokens, call.completion_tokens)
        tokens = " + ".join("?" if count is None else str(count) for count in counts)
        kind = f"{call.kind} {call.round}" if call.round else call.kind
        cost = "?" if call.cost is None else f"${call.cost:.4f}"
        model = one_line(f"{call.provider}/{call.model}", 60)
        time = f"{call.latency_ms / 1000:.1f} s"
        rows.append((kind, one_line(call.agent, 30), model, tokens, cost, time, one_line(call.error, 80)))
    return columns((spent_on(calls), "agent", "model", "tokens", "cost", "time", ""), rows)


def _drafts(drafts: Sequence[Draft]) -> list[str]:
    """Every draft with its author, indented; escape sequences cannot act."""
    lines: list[str] = []
    for draft in drafts:
        round_ = f" (round {draft.round})" if draft.round else ""
        lines.append(f"{draft.kind} by {one_line(draft.agent, 60)}{round_}")
        lines += [f"  {line}".rstrip() for line in plain(draft.content).splitlines()]
    return lines
