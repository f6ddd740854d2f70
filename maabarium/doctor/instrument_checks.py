"""What measurements can tell apart here: a small program beside itself, by sessions as those of a run.

Nothing of a blueprint is used but its level of isolation, and nothing stays: the program lies in a temporary folder.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maabarium.acceptance.calibration import Calibration, calibrate, calibration_line
from maabarium.blueprint.schema import Acceptance
from maabarium.doctor.findings import Finding, failed, passed, warned
from maabarium.errors import MaabariumError
from maabarium.plugins.manager import PluginManager, contributions
from maabarium.plugins.processes import Sandbox
from maabarium.records import Evaluation
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.safe_text import one_line
from maabarium.sandbox.selection import describe, select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository

__all__ = ["Seen", "check_instrument", "verdicts"]

SOURCE = "score:rate"
PROGRAM = """\
def work():
    total = 0
    for number in range(1_200_000):
        total += number * number % 7
    return total
"""
RULE = """\
import program


def test_rate(score):
    with score.timer("rate"):
        program.work()
"""
BLUEPRINT = """\
[blueprint]
name = "doctor"
version = "1"
description = "A tenth of a second of work, beside itself."
[domain]
repo_path = "."
target_files = ["program.py"]
language = "python"
[constraints]
max_iterations = 1
timeout_seconds = 10
require_tests_pass = true
min_improvement = 0
[metrics]
[[metrics.metrics]]
name = "rate"
weight = 1.0
direction = "maximize"
source = "score:rate"
[evaluator]
rules = ["rules"]
args = ["-p", "no:anyio", "-p", "no:benchmark", "-p", "no:hypothesispytest", "-p", "no:pytest_cov", "-p", "no:xdist"]
[sandbox]
level = "{level}"
"""
PAIRS, LEAST_PAIRS = 12, 4
SECONDS = 10.0
"""After which no further pair is begun."""
TRUSTED = "nothing is measured side by side at the level trusted, where both sides share ports and files"
COLD = "each session costs a start of pytest, so that experiments take longer; see docs/warm.md for the reason"


@dataclass(frozen=True)
class Seen:
    """What came of the pairs. `overhead`: seconds of a session beside the timed work, the least that was seen."""

    sessions: str
    overhead: float
    log_ratios: tuple[float, ...]
    seconds: tuple[float, ...]
    problem: str = ""
    lasted: tuple[float, ...] = ()
    """CPU seconds of a side of each."""


def check_instrument(plugins: PluginManager, level: str | None) -> Iterator[Finding]:
    """Findings about sessions, cores and pairs; takes about 10 seconds. `level`: of isolation, None for the best."""
    yield _one_core()
    if level == "trusted":
        yield passed("instrument", "pairs", TRUSTED)
        return
    with tempfile.TemporaryDirectory(prefix="maabarium-doctor-", ignore_cleanup_errors=True) as folder:
        try:
            place = Path(folder).resolve()
            blueprint = _write(place, level or "auto")
            binding = bind_blueprint(blueprint, plugins, keys=False)
            cancel = threading.Event()
            sandbox = select(binding.bound.blueprint.sandbox, contributions(plugins, "sandboxes"), cancel)
            if sandbox.level == "trusted":
                yield passed("instrument", "pairs", TRUSTED)
                return
            repository = Repository.create(binding.target, "doctor", place / "cache")
            worker = Worker(worker_setup(binding, blueprint, repository.handle, sandbox), cancel, plugins)
            try:
                seen = _pairs(worker, repository.base_tree)
            except KeyboardInterrupt:
                cancel.set()
                raise
            finally:
                worker.close()
                repository.close()
        except MaabariumError as error:
            yield failed("instrument", "pairs", one_line(str(error), 400), "see the findings about the sandbox")
            return
    yield from verdicts(seen, binding.bound.blueprint.acceptance, sandbox)


def _write(place: Path, level: str) -> Path:
    """The program, its rule and its blueprint, whose path is the answer."""
    blueprint = BLUEPRINT.format(level=level)
    for name, text in {"program.py": PROGRAM, "rules/test_rate.py": RULE, "blueprint.toml": blueprint}.items():
        path = place / "target" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def _one_core() -> Finding:
    """Whether a process can be kept on one core, where both sides of a pair run."""
    try:
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cores)})
        os.sched_setaffinity(0, cores)
    except (AttributeError, OSError) as error:
        said = f"a process cannot be kept on one core ({error}), so that the sides of a pair may run on different ones"
        return warned("instrument", "one core", said, "measure on Linux where gains are small")
    return passed("instrument", "one core", "both sides of a pair can be kept on one")


def _pairs(worker: Worker, tree: str) -> Seen:
    """The program measured beside itself, as often as there is time for."""
    began = time.monotonic()
    first = run_measurement(worker, _job("baseline", tree, 0, None))
    baseline = first.candidate
    if baseline is None or baseline.failed_gate is not None:
        return Seen(
            "", 0.0, (), (), first.problem or str(baseline and baseline.failed_gate and baseline.failed_gate.detail)
        )
    ratios, seconds, overheads, spent = [], [], [], []
    for number in range(PAIRS):
        before = time.monotonic()
        if number >= LEAST_PAIRS and before - began > SECONDS:
            break
        pair = run_measurement(worker, _job("calibrate", tree, number, baseline))
        sides = [side for side in (pair.candidate, pair.champion) if side is not None and side.failed_gate is None]
        if len(sides) < 2:
            gate = pair.candidate and pair.candidate.failed_gate
            return Seen(baseline.sessions, 0.0, (), (), pair.problem or (gate.detail if gate else "a side failed"))
        values = [side.values()[SOURCE] for side in sides]
        ratios.append(math.log(values[0] / values[1]))
        seconds.append(time.monotonic() - before)
        overheads.append(seconds[-1] - sum(1 / value for value in values))
        spent.append(1 / values[1])
    return Seen(baseline.sessions, max(0.0, min(overheads)), tuple(ratios), tuple(seconds), lasted=tuple(spent))


def _job(stage: str, tree: str, number: int, baseline: Evaluation | None) -> MeasureJob:
    """A job as the engine makes it; side by side is what a CPU clock reads."""
    sources = frozenset({SOURCE})
    facts = {"number": 0, "stage": stage, "tree": tree, "seed": 1, "timeout": 30.0, "sources": sources, "pair": number}
    if baseline is not None:
        facts |= {"champion_tree": tree, "baseline": baseline, "baseline_tree": tree, "side_by_side": sources}
    return MeasureJob.model_validate(facts | {"exclusive": True})


def verdicts(seen: Seen, rules: Acceptance, sandbox: Sandbox) -> Iterator[Finding]:
    """The findings that follow from what was seen."""
    where = f" in {describe(sandbox)}"
    if seen.problem:
        advice = "see the findings about the sandbox, and report what is said here"
        yield failed(
            "instrument",
            "pairs",
            f"a small program could not be measured{where}: {one_line(seen.problem, 400)}",
            advice,
        )
        return
    said = f"{seen.sessions}; a pair costs {seen.overhead * 1e3:.0f} ms beside the timed work"
    if seen.sessions.startswith("forked"):
        yield passed("instrument", "sessions", said)
    else:
        yield warned("instrument", "sessions", said, COLD)
    yield _resolution(calibrate(seen.log_ratios, seen.seconds, rules, seen.lasted))


def _resolution(found: Calibration) -> Finding:
    """What such pairs can tell apart."""
    said = f"{calibration_line(found)}; {found.pairs} pairs of a program of 0.1 s with itself"
    if found.biased:
        return warned(
            "instrument", "pairs", f"equal programs do not look equal here: {said}", "end other work, then try again"
        )
    if any(one.pairs is None for one in found.finds):
        return warned("instrument", "pairs", said, "end other work, or measure longer work in one timed block")
    return passed("instrument", "pairs", said)
