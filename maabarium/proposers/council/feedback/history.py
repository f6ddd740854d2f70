"""Earlier attempts as text for a prompt: what was changed, what it did to each metric, and why it was not kept.

Summaries, reasons and test ids are untrusted: each is put on one line, and the whole is to be shown as data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from maabarium.proposers.council.feedback.advice import is_ours
from maabarium.proposers.tokens import estimate_tokens, fitting
from maabarium.records import Attempt, MetricEffect, Outcome
from maabarium.safe_text import one_line

__all__ = ["attempts_text"]

_DETAILED = 8
_IDEAS_SHARE = 0.35
"""What the list of ideas may take of the tokens, at most."""
_IDS = 5


def attempts_text(history: Sequence[Attempt], champion_number: int, *, tokens: int = 2000) -> str:
    """The last attempts, newest last, and the ideas already tried on the champion; empty when there are none.

    At most eight are told in detail, older ones in a line each, and whatever does not fit `tokens` is counted in a
    line of its own: the newest attempts and the ideas tried on this champion are kept longest. Attempts that broke
    on our side are left out.
    """
    told = [attempt for attempt in history if not is_ours(attempt)]
    if not told:
        return ""
    left = tokens - 30  # headings and what is left out
    details, older, left = _attempts(told, left, int(left * _IDEAS_SHARE))
    shown = {attempt.outcome.number for attempt in told[len(told) - len(details) - len(older) :]}
    ideas, missing = _ideas(told, champion_number, shown, left)
    lines: list[str] = []
    cut = len(told) - len(details) - len(older)
    if cut:
        lines.append(f"({cut} older {'attempt is' if cut == 1 else 'attempts are'} not shown)")
    lines += [*older, *details]
    if ideas:
        lines += ["", f"Other ideas already tried on the present version (#{champion_number}):", *ideas]
        lines += [f"({missing} more)"] if missing else []
    text = "\n".join(lines)
    return text if estimate_tokens(text) <= tokens else ""


def _attempts(told: Sequence[Attempt], left: int, reserved: int) -> tuple[list[str], list[str], int]:
    """Details of the last attempts and lines for those before, oldest first; and the tokens left."""
    details: list[str] = []
    older: list[str] = []
    for attempt in reversed(told):
        text = _detail(attempt) if len(details) < _DETAILED and not older else _line(attempt)
        cost = estimate_tokens(text) + 1
        if text.count("\n") and cost > left - reserved:
            text = _line(attempt)
            cost = estimate_tokens(text) + 1
        if cost > left - reserved:
            break
        (details if "\n" in text and not older else older).append(text)
        left -= cost
    return details[::-1], older[::-1], left


def _ideas(told: Sequence[Attempt], champion: int, shown: set[int], left: int) -> tuple[list[str], int]:
    """Summaries of attempts on the champion that are not shown already, newest last, and how many do not fit."""
    known = {_summary(attempt) for attempt in told if attempt.outcome.number in shown}
    wanted = [
        summary
        for attempt in told
        if attempt.outcome.parent == champion and attempt.outcome.verdict != "promoted"
        and (summary := _summary(attempt)) and summary not in known
    ]  # fmt: skip
    wanted = [f"- {summary}" for summary in dict.fromkeys(reversed(wanted))]
    found, _ = fitting(wanted, left)
    return found[::-1], len(wanted) - len(found)


def _summary(attempt: Attempt) -> str:
    return one_line(attempt.outcome.summary, 140)


def _line(attempt: Attempt) -> str:
    outcome = attempt.outcome
    return f"#{outcome.number} {outcome.verdict} ({outcome.reason_code}): {_summary(attempt) or 'no summary'}"


def _detail(attempt: Attempt) -> str:
    """An attempt in full: verdict and idea, then what it did."""
    outcome = attempt.outcome
    lines = [f"#{outcome.number} on #{outcome.parent}: {_summary(attempt) or 'no summary'}"]
    reason = one_line(outcome.reason, 240)
    lines.append(f"  {outcome.verdict} ({outcome.reason_code})" + (f": {reason}" if reason else ""))
    if attempt.paths:
        more = f" and {len(attempt.paths) - 4} more" if len(attempt.paths) > 4 else ""
        lines.append("  files: " + ", ".join(one_line(path, 100) for path in attempt.paths[:4]) + more)
    lines += [f"  {text}" for effect in outcome.metrics if (text := _effect(effect))]
    if outcome.effect is not None and outcome.pairs:
        lines.append(f"  over {outcome.pairs} pairs: x{outcome.effect:.3g}")
    lines += _failing(outcome)
    return "\n".join(lines)


def _failing(outcome: Outcome) -> list[str]:
    open_ = [one_line(id, 120) for id in outcome.failing if id not in outcome.held_out]
    held = len(outcome.held_out)
    lines = []
    if open_:
        more = f" and {len(open_) - _IDS} more" if len(open_) > _IDS else ""
        lines.append("  failing: " + ", ".join(open_[:_IDS]) + more)
    if held:
        lines.append(f"  {held} of the rules that are not shown failed")
    return lines


def _effect(effect: MetricEffect) -> str:
    """`throughput: 41200 -> 38100 lines/s, worse by 7.5 %`; empty when nothing was measured."""
    before, after = effect.champion, effect.raw
    if after is None:
        return ""
    name = one_line(effect.name, 60)
    unit = f" {one_line(effect.unit, 20)}" if effect.unit else ""
    if before is None:
        return f"{name}: {after:.6g}{unit}"
    if before == after:
        return f"{name}: {after:.6g}{unit}, unchanged"
    better = (after > before) == (effect.direction == "maximize")
    share = abs(after - before) / abs(before) if before and math.isfinite(before) and math.isfinite(after) else None
    by = f" by {share * 100:.3g} %" if share is not None and share < 10 else ""
    return f"{name}: {before:.6g} -> {after:.6g}{unit}, {'better' if better else 'worse'}{by}"
