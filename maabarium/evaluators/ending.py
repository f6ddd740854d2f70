"""Ends of a process that are no answer: each a failed gate of the candidate, because the baseline got through. Pure."""

from __future__ import annotations

from maabarium.plugins.protocols import Completed
from maabarium.records import Gate, ReasonCode
from maabarium.safe_text import one_line

__all__ = ["ended_badly"]


def ended_badly(completed: Completed, seconds: float, who: str) -> Gate | None:
    """The gate that fails because a process did not end by itself with status 0; None when it did."""
    found = _reason(completed, seconds)
    if found is None:
        return None
    code, said = found
    return Gate(name="answer", passed=False, reason_code=code, detail=f"{who} {said}{_last_words(completed)}")


def _reason(completed: Completed, seconds: float) -> tuple[ReasonCode, str] | None:
    if completed.interrupted:
        return "interrupted", "was interrupted"
    if completed.flooded:
        return "output_flood", "printed more than sandbox.output_mb allows"
    if completed.timed_out:
        return "timeout", f"did not end within {seconds:.3g} s"
    if completed.out_of_memory:
        return "out_of_memory", "was killed for lack of memory"
    if completed.returncode:
        return "crashed", f"ended with status {completed.returncode}"
    return None


def _last_words(completed: Completed) -> str:
    lines = [line for line in completed.output.splitlines() if line.strip()]
    return f": {one_line(lines[-1], 300)}" if lines else ""
