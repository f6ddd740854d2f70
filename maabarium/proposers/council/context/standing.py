"""Where the measurements stand: baseline and present version, in our own words. Knows records only."""

from __future__ import annotations

from maabarium.plugins.protocols import ProposalRequest
from maabarium.safe_text import one_line

__all__ = ["standing_text"]


def standing_text(request: ProposalRequest) -> str:
    """One line for each metric that was measured, and how many tests pass; empty when nothing is known."""
    evaluation = request.champion.evaluation
    now, before = evaluation.values(), request.baseline.values()
    possible = {m.source: m.possible for m in evaluation.measurements if m.possible is not None}
    lines = []
    for metric in request.blueprint.metrics.metrics:
        source = str(metric.source or metric.name)
        if source not in now:
            continue
        of = f" of {possible[source]:.6g}" if source in possible else ""
        unit = f" {one_line(metric.unit, 20)}" if metric.unit else ""
        since = f" (at first {before[source]:.6g})" if source in before and before[source] != now[source] else ""
        wish = "must not get worse" if metric.role == "guard" else f"{metric.direction}"
        lines.append(f"- {one_line(metric.name, 60)}: {now[source]:.6g}{of}{unit}{since}, {wish}")
    if evaluation.tests:
        passed = sum(test.outcome in ("passed", "xpassed") for test in evaluation.tests)
        lines.append(f"- tests: {passed} of {len(evaluation.tests)} pass")
    return "The present version measures:\n" + "\n".join(lines) if lines else ""
