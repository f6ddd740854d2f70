"""What earlier experiments say to the next one: attempts as text, advice, and what would be a repetition. Pure.

- Replies that cannot be used, again and again: show less and ask for less (`narrow`), a little cooler.
- Repetitions of what was tried: hotter.
- No promotion for longer than this run lets expect: hotter, and another agent leads; after twice as long, also show
  more of the tree (`wide`). Unusable replies speak before a plateau.

Summaries, reasons and test ids are untrusted: each is put on one line, and the attempts are to be shown as data.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median
from typing import Literal

from maabarium.proposers.tokens import estimate_tokens, fitting
from maabarium.records import Attempt, FileEdit, MetricEffect
from maabarium.safe_text import one_line

__all__ = [
    "DIGEST", "Advice", "AdviceScope", "advice_on", "alike", "attempts_text", "edits_digest", "idea_of",
    "plateau_length", "was_tried",
]  # fmt: skip

DIGEST = "edits_digest"
"""The key in `Proposal.data` under which a proposer leaves the digest of its edits."""

_WORD = re.compile(r"[^\W_]+")
_EMPTY = frozenset(
    {
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on",
        "or", "so", "that", "the", "then", "this", "to", "use", "using", "with",
    }
)  # fmt: skip
_OURS = frozenset({"provider_failed", "budget_spent", "interrupted", "internal", "exhausted", "promotion_failed"})
_SHORTEST, _LONGEST, _UNKNOWN = 4, 20, 6
"""Bounds of the length of a plateau in attempts, and what it is before anything was kept."""
_UNUSABLE: dict[str, str] = {
    "unparseable": "could not be read; keep to the form exactly",
    "does_not_apply": "did not fit the files; copy the old lines exactly as they are shown",
    "out_of_bounds": "touched files that may not change; keep to the files that are shown as changeable",
}
"""Reason codes of replies that could not be used, and what is said of them."""
_COOLEST, _HOTTEST = -0.3, 0.6
AdviceScope = Literal["normal", "narrow", "wide"]
"""How much of the tree is shown."""
_IDS = 5


def idea_of(summary: str) -> frozenset[str]:
    """The words of a summary that carry it; a plural counts as its singular."""
    words = _WORD.findall(one_line(summary, 2000).casefold())
    return frozenset(word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _EMPTY)


def alike(one: frozenset[str], two: frozenset[str]) -> bool:
    """Whether two ideas share at least four of five words; one without words is like no other."""
    return bool(one) and bool(two) and len(one & two) >= 0.8 * len(one | two)


def _is_ours(attempt: Attempt) -> bool:
    """Whether an attempt failed, or was cut off, on our side: it says nothing about its idea."""
    return attempt.outcome.verdict in ("error", "cancelled") or attempt.outcome.reason_code in _OURS


def edits_digest(edits: Iterable[FileEdit]) -> str:
    """SHA-256 over paths, operations, modes and contents; the order of the edits does not matter."""
    rows = sorted(f"{edit.path}\0{edit.operation}\0{edit.mode or 0}\0{edit.digest}" for edit in edits)
    return hashlib.sha256("\1".join(rows).encode("utf-8", "surrogatepass")).hexdigest()


def was_tried(summary: str, edits: Sequence[FileEdit], history: Iterable[Attempt], champion_number: int) -> bool:
    """Whether the same edits, or the same idea for the same files, were tried on this champion.

    An idea that was kept is no repetition (more of it may help again), nor is a reply that did not apply.
    """
    idea, paths, digest = idea_of(summary), {edit.path for edit in edits}, edits_digest(edits)
    for attempt in history:
        if _is_ours(attempt) or attempt.outcome.parent != champion_number:
            continue
        judged = attempt.outcome.verdict in ("rejected", "tampered") and bool(attempt.paths)
        same_idea = judged and paths == set(attempt.paths) and alike(idea, idea_of(attempt.outcome.summary))
        if same_idea or attempt.data.get(DIGEST) == digest:
            return True
    return False


@dataclass(frozen=True)
class Advice:
    """What to do differently in the next experiment."""

    temperature_delta: float = 0.0
    """To be added to each model's temperature; -0.3 to 0.6."""
    lead: int = 0
    """Index of the agent that goes first."""
    scope: AdviceScope = "normal"
    note: str = ""
    """A sentence or two for the prompt, in our own words; may be empty."""


def advice_on(history: Sequence[Attempt], agents: int, seed: int) -> Advice:
    """The advice after these attempts, for so many agents. Attempts that broke on our side do not count."""
    counted = [attempt for attempt in history if not _is_ours(attempt)]
    last = max((index for index, each in enumerate(counted) if each.outcome.verdict == "promoted"), default=-1)
    since = counted[last + 1 :]
    waited = len(since) // plateau_length(counted)
    invalid = len(list(takewhile(lambda attempt: attempt.outcome.reason_code in _UNUSABLE, reversed(since))))
    repeated = _repeated(since)
    delta, notes = 0.15 * min(waited, 2), []
    scope: AdviceScope = "wide" if waited >= 2 else "normal"
    if waited:
        notes.append(
            f"Nothing was kept in the last {len(since)} attempts: try another kind of change than those listed"
            + (", and other places." if waited >= 2 else ".")
        )
    if repeated >= 2:  # a single one is an accident
        delta += 0.1 * min(repeated, 3)
        notes.append("The last proposals repeated earlier ones. Propose something that is not in the list of ideas.")
    if invalid >= 2:
        delta -= 0.1 * min(invalid, 3)
        scope = "narrow"
        how = _UNUSABLE[since[-1].outcome.reason_code]
        notes.append(f"The last {invalid} replies {how}. Change a few lines of one file only.")
    others = list(range(1, agents))
    random.Random(seed).shuffle(others)
    order = [0, *others]  # the first agent until a plateau, then the others, then the first again
    return Advice(
        temperature_delta=round(min(max(delta, _COOLEST), _HOTTEST), 2),
        lead=order[waited % len(order)],
        scope=scope,
        note=" ".join(notes),
    )


def plateau_length(history: Sequence[Attempt]) -> int:
    """After how many attempts without a promotion a plateau begins: twice the usual distance between two of them."""
    kept = [index for index, attempt in enumerate(history) if attempt.outcome.verdict == "promoted"]
    if not kept:
        return _UNKNOWN
    distances = [later - earlier for earlier, later in zip([-1, *kept], kept, strict=False)]
    return max(_SHORTEST, min(_LONGEST, round(2 * median(distances))))


def _repeated(since: Sequence[Attempt]) -> int:
    """How many of the last few attempts had been tried on the same champion before."""
    count = 0
    for index in range(max(0, len(since) - 6), len(since)):
        attempt = since[index]
        own = idea_of(attempt.outcome.summary)
        before = (each for each in since[:index] if each.outcome.parent == attempt.outcome.parent)
        same = attempt.outcome.reason_code in ("duplicate", "no_effect")
        count += same or any(alike(own, idea_of(each.outcome.summary)) for each in before)
    return count


def attempts_text(history: Sequence[Attempt], champion_number: int, *, tokens: int = 2000) -> str:
    """The last attempts, newest last, and the ideas already tried on the champion; empty when there are none.

    At most eight are told in detail, older ones in a line each, and whatever does not fit `tokens` is counted in a
    line of its own: the newest attempts and the ideas tried on this champion are kept longest. Attempts that broke
    on our side are left out.
    """
    told = [attempt for attempt in history if not _is_ours(attempt)]
    if not told:
        return ""
    left = tokens - 30  # headings and what is left out
    lines, left = _attempts(told, left, int(left * 0.35))  # which is kept for the ideas
    cut = len(told) - len(lines)
    ideas, missing = _ideas(told, champion_number, told[cut:], left)
    if cut:
        lines.insert(0, f"({cut} older {'attempt is' if cut == 1 else 'attempts are'} not shown)")
    if ideas:
        lines += ["", f"Other ideas already tried on the present version (#{champion_number}):", *ideas]
        lines += [f"({missing} more)"] if missing else []
    text = "\n".join(lines)
    return text if estimate_tokens(text) <= tokens else ""


def _attempts(told: Sequence[Attempt], left: int, reserved: int) -> tuple[list[str], int]:
    """Details of the last attempts and lines for those before, oldest first; and the tokens left."""
    found: list[str] = []
    in_detail = True
    for attempt in reversed(told):
        in_detail = in_detail and len(found) < 8
        for text in (_detail(attempt), _line(attempt)) if in_detail else (_line(attempt),):
            cost = estimate_tokens(text) + 1
            if cost <= left - reserved:
                break
        else:
            break
        in_detail = in_detail and "\n" in text
        found.append(text)
        left -= cost
    return found[::-1], left


def _ideas(told: Sequence[Attempt], champion: int, shown: Sequence[Attempt], left: int) -> tuple[list[str], int]:
    """Summaries of attempts on the champion that are not shown already, newest last, and how many do not fit."""
    known = set(map(_summary, shown))
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
    if failing := [one_line(id, 120) for id in outcome.failing if id not in outcome.held_out]:
        more = f" and {len(failing) - _IDS} more" if len(failing) > _IDS else ""
        more += f"; {outcome.not_run} tests were not run after it" if outcome.not_run else ""
        lines.append("  failing: " + ", ".join(failing[:_IDS]) + more)
    if outcome.held_out:
        lines.append(f"  {len(outcome.held_out)} of the rules that are not shown failed")
    return "\n".join(lines)


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
