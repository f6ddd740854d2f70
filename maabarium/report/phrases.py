"""Numbers, times and costs as people read them, in one place so that terminal and report files agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

from maabarium.records import Call, Outcome

__all__ = [
    "NO_DATA",
    "counted",
    "duration",
    "factor",
    "interval",
    "number",
    "percent",
    "rough",
    "short_source",
    "spent_on",
]

NO_DATA = "no data"
FEW_PAIRS = 6
"""Pairs below which an effect has no interval."""


def number(value: float | None) -> str:
    """A measured value: about four digits, thousands apart (`41 200`); `no data` for none."""
    if value is None:
        return NO_DATA
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", " ")
    if 1000 <= abs(value) < 1e15:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.4g}"


def _digits(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value >= 1e6:
        return f"{value:.3g}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def factor(value: float | None) -> str:
    """An improvement factor: `x1.62`; `no data` for none."""
    return NO_DATA if value is None else f"x{_digits(value)}"


def rough(outcome: Outcome) -> str:
    """An effect as it may be believed: `~x0.97` where noise may be all of it; empty for none."""
    if outcome.effect is None:
        return ""
    few = outcome.verdict != "promoted" and outcome.interval is None and 0 < outcome.pairs < FEW_PAIRS
    return f"{'~' if few else ''}{factor(outcome.effect)}"


def interval(bounds: tuple[float, float] | None) -> str:
    """Both ends of an interval of factors: `x1.55-1.70`; empty for none."""
    return "" if bounds is None else f"x{_digits(bounds[0])}-{_digits(bounds[1])}"


def percent(share: float) -> str:
    """A share of 1 as a percentage without needless digits: `5 %`, `0.25 %`."""
    return f"{share * 100:.2g} %" if share < 1 else f"{share * 100:.0f} %"


def duration(seconds: float) -> str:
    """A time: `0.4 s`, `61 s`, `12 min 5 s`, `3 h 7 min`."""
    if not math.isfinite(seconds) or seconds < 0:
        return NO_DATA
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 error`, `2 errors`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def short_source(source: str) -> str:
    """A source as a label: what a rules file or benchmark called it, else its own name."""
    head, _, tail = source.partition(":")
    return tail if head in ("score", "benchmark") and tail else source


def spent_on(calls: Sequence[Call]) -> str:
    """`9 calls (1 failed), 4 210 tokens, $0.0123`; "at least" where some of the calls do not say."""
    tokens = sum((call.prompt_tokens or 0) + (call.completion_tokens or 0) for call in calls)
    answered = [call for call in calls if not call.error]
    failed = len(calls) - len(answered)
    vague = any(call.prompt_tokens is None or call.completion_tokens is None for call in answered)
    parts = [counted(len(calls), "call") + (f" ({failed} failed)" if failed else "")]
    parts.append(f"{'at least ' if vague else ''}{number(tokens)} tokens" if tokens or not vague else "tokens unknown")
    known = [call.cost for call in answered if call.cost is not None]
    if len(known) < len(answered):
        parts.append(f"at least ${sum(known):.4f}" if any(known) else "cost unknown")
    elif sum(known):
        parts.append(f"${sum(known):.4f}")
    return ", ".join(parts)
