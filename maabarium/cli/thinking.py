"""What a council said on the way to a proposal, as lines: calls of models, drafts, critiques, votes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.cli.terminal import columns
from maabarium.records import Call, Draft
from maabarium.report.spending import spent_on
from maabarium.safe_text import one_line, plain

__all__ = ["call_lines", "draft_lines"]


def call_lines(calls: Sequence[Call]) -> list[str]:
    """A table of the calls, with their sum as its head."""
    if not calls:
        return []
    rows = [(spent_on(calls), "agent", "model", "tokens", "cost", "time", "")]
    for call in calls:
        counts = (call.prompt_tokens, call.completion_tokens)
        tokens = " + ".join("?" if count is None else str(count) for count in counts)
        kind = f"{call.kind} {call.round}" if call.round else call.kind
        cost = "?" if call.cost is None else f"${call.cost:.4f}"
        model = one_line(f"{call.provider}/{call.model}", 60)
        time = f"{call.latency_ms / 1000:.1f} s"
        rows.append((kind, one_line(call.agent, 30), model, tokens, cost, time, one_line(call.error, 80)))
    return list(columns(rows))


def draft_lines(drafts: Sequence[Draft]) -> list[str]:
    """Every draft with its author, indented; escape sequences cannot act."""
    lines: list[str] = []
    for draft in drafts:
        round_ = f" (round {draft.round})" if draft.round else ""
        lines.append(f"{draft.kind} by {one_line(draft.agent, 60)}{round_}")
        lines += [f"  {line}".rstrip() for line in plain(draft.content).splitlines()]
    return lines
