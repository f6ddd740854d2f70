"""The lines that introduce a run: what is about to run, and what its baseline showed. Knows no terminal."""

from __future__ import annotations

from maabarium.blueprint.binding import describe
from maabarium.engine.run_state import RunState
from maabarium.events import RunRecord
from maabarium.run.binding import Binding

__all__ = ["baseline_lines", "header_lines", "rough_time"]


def header_lines(binding: Binding, run_id: str, sandbox: str, proposer: str, *, resumed: bool) -> tuple[str, ...]:
    """Name, target and run; what proposes and in which sandbox; what is measured."""
    target, blueprint = binding.target, binding.bound.blueprint
    place = blueprint.domain.repo_path if target.kind == "folder" else str(target.top.name)
    kind = "snapshot" if target.kind == "folder" else (target.branch or "detached HEAD")
    again = " resumed" if resumed else ""
    lines = [
        f"maabarium: {blueprint.name} · {place} ({kind}, {binding.scope}) · run {run_id}{again}",
        f"  proposer   {f'{blueprint.proposer_kind} ({proposer})':<25} sandbox    {sandbox}",
    ]
    return (*lines, *(f"  {line}" for line in describe(binding.bound)))


def baseline_lines(record: RunRecord, state: RunState, workers: int) -> list[str]:
    """Where it starts if not at HEAD; tests, flaky ones and rules, an estimate of the time to go, and what is noisy."""
    evaluation = state.baseline
    rules = sum(test.role != "suite" for test in evaluation.tests)
    tests, flaky = len(evaluation.tests) - rules, len(evaluation.flaky)
    each = evaluation.session_seconds or evaluation.duration
    estimate = f"about {rough_time(each * record.max_iterations / workers)} to go"
    lines = []
    if record.start_commit != record.base_commit:
        kept = f"{record.branch} ({record.start_commit[:8]})"
        lines.append(f"start: {kept}, which has winners that HEAD ({record.base_commit[:8]}) lacks")
    lines.append(f"grader: {tests} tests, {flaky} flaky, {rules} rules · {estimate} before confirmations")
    if state.noisy:
        lines.append(f"noisy: {', '.join(sorted(state.noisy))} (a gain must be confirmed by pairs)")
    return lines


def rough_time(seconds: float) -> str:
    """An estimate, with no more digits than it deserves: `6 min`, `15 s`."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"
