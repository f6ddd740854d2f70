"""Attempts for the tests of what a proposer learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maabarium.records import Attempt, Outcome

REASONS = {"promoted": "kept", "invalid": "does_not_apply", "error": "internal", "cancelled": "interrupted"}


def make_attempt(
    number: int,
    verdict: str = "rejected",
    summary: str | None = None,
    *,
    paths: Sequence[str] = (),
    data: Mapping[str, str] | None = None,
    **fields: object,
) -> Attempt:
    known = {
        "number": number,
        "verdict": verdict,
        "reason_code": REASONS.get(verdict, "worse"),
        "reason": "",
        "summary": f"word{number} alone{number}" if summary is None else summary,
    }
    return Attempt(outcome=Outcome.model_validate(known | fields), paths=tuple(paths), data=dict(data or {}))


def history_of(letters: str) -> list[Attempt]:
    """`+` promoted, `-` rejected, `i` invalid, `d` duplicate, `e` error, `c` cancelled; each on its day's champion."""
    found: list[Attempt] = []
    champion = 0
    verdicts = {"+": "promoted", "-": "rejected", "i": "invalid", "d": "rejected", "e": "error", "c": "cancelled"}
    for number, letter in enumerate(letters, 1):
        fields = {"reason_code": "duplicate"} if letter == "d" else {}
        found.append(make_attempt(number, verdicts[letter], parent=champion, **fields))  # type: ignore[arg-type]
        champion = number if letter == "+" else champion
    return found
