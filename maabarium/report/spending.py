"""What models were asked for and what it cost, in one line. Unknown counts and prices stay unknown."""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.records import Call
from maabarium.report.phrases import counted, number

__all__ = ["spent_on"]


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
