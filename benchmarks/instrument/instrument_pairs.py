"""Pairs of real measurements: worker, sandbox and evaluator as a run uses them, judged by the engine's judge."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from instrument_program import SOURCE, files

from maabarium.acceptance.calibration import PAIRS as CALIBRATION_PAIRS
from maabarium.acceptance.judge import Judge
from maabarium.acceptance.steadiness import LEAST_SECONDS, Steadiness, lasted
from maabarium.blueprint.schema import Blueprint, SandboxOptions
from maabarium.plugins.manager import build_plugins, contributions
from maabarium.records import Champion, Evaluation, FileEdit, Measured, Measurement
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.sandbox.selection import describe, select
from maabarium.scoring import weighted_total
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.repetition import repeats_needed
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository

__all__ = ["Instrument", "Pair", "judge_of", "opened"]


@dataclass(frozen=True)
class Pair:
    """What one pair gave: both speeds, and the process that both sides were forked from (empty: none)."""

    server: str
    champion: float
    candidate: float
    lasted: float = 0.0
    """CPU seconds of a side."""

    @property
    def log_ratio(self) -> float:
        """Above 0: the candidate is faster."""
        return math.log(self.candidate / self.champion)

    def measured(self, number: int) -> Measured:
        """As the judge is told it."""
        sides = {
            name: Evaluation(measurements=(Measurement(source=SOURCE, value=value, clock="cpu"),))
            for name, value in (("champion", self.champion), ("candidate", self.candidate))
        }
        return Measured(number=1, stage="pair", pair=number, server=self.server, **sides)


@dataclass
class Instrument:
    """Measures pairs of trees of one repository."""

    worker: Worker
    repository: Repository
    blueprint: Blueprint
    sandbox: str
    baseline: Evaluation
    """Of the repository's first tree."""
    steadiness: Steadiness = field(default_factory=Steadiness)

    def tree(self, text: str) -> str:
        """The first tree with another program."""
        edit = FileEdit(path="work.py", operation="modify", content=text.encode())
        return self.repository.tree_with(self.repository.base_tree, [edit])

    def calibrate(self) -> None:
        """As at the start of a run: what pairs of the first tree with itself tell of the noise here and now."""
        tree, self.steadiness = self.repository.base_tree, Steadiness()
        pairs = list(islice(self.pairs(tree, tree), CALIBRATION_PAIRS))
        self.steadiness.add([pair.log_ratio for pair in pairs], [pair.lasted for pair in pairs], 0.0)

    def pairs(self, champion: str, candidate: str, *, in_turn: bool = False) -> Iterator[Pair]:
        """Pairs of these trees without end, each one measured when it is asked for; their sides are as long as the
        engine would make them after those before."""
        made: list[Pair] = []
        job = MeasureJob(
            number=1, stage="pair", tree=candidate, champion_tree=champion, seed=time.time_ns() % 2**32, timeout=60,
            baseline=self.baseline, sources=frozenset({SOURCE}), exclusive=True,
            side_by_side=frozenset() if in_turn else frozenset({SOURCE}),
        )  # fmt: skip
        number = 0
        while True:
            number += 1
            seconds = self.steadiness.wanted([pair.log_ratio for pair in made], [pair.lasted for pair in made])
            repeats = repeats_needed(self.baseline, [SOURCE], LEAST_SECONDS if in_turn else seconds)
            measured = run_measurement(self.worker, job.model_copy(update={"pair": number, "repeats": repeats}))
            if measured.apart:
                print(f"  pair {number} was apart: {measured.apart}", flush=True)
                continue
            sides = (sound(measured, measured.champion), sound(measured, measured.candidate))
            values = (side.values()[SOURCE] for side in sides)
            made.append(Pair(measured.server, *values, lasted(measured.champion, [SOURCE])))
            yield made[-1]


def sound(measured: Measured, evaluation: Evaluation | None) -> Evaluation:
    """One side of what was measured; the benchmark ends when a gate of it failed."""
    if evaluation is None or evaluation.failed_gate is not None:
        raise SystemExit(measured.problem or f"a gate failed: {evaluation and evaluation.failed_gate}")
    return evaluation


def judge_of(blueprint: Blueprint, baseline: Evaluation, deviation: float = 0.0) -> Judge:
    """The engine's judge in a run whose champion is its baseline; `deviation`: what its calibration found."""
    total = weighted_total(blueprint.objectives, baseline.values(), baseline)
    champion = Champion(number=0, commit="", tree="", evaluation=baseline, total=total)
    return Judge(blueprint, baseline, champion, frozenset({SOURCE}), deviation)


@contextmanager
def opened(folder: Path, units: int, min_effect: float) -> Iterator[Instrument]:
    """The program with this much work in a repository, and a worker that measures it in this machine's best sandbox."""
    target = folder / "target"
    for name, text in files(units, min_effect).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    plugins, cancel = build_plugins(), threading.Event()
    binding = bind_blueprint(target / "blueprint.toml", plugins)
    sandbox = select(SandboxOptions(), contributions(plugins, "sandboxes"), cancel)
    repository = Repository.create(binding.target, "run", folder / "cache")
    setup = worker_setup(binding, target / "blueprint.toml", repository.handle, sandbox)
    worker = Worker(setup, cancel, plugins)
    try:
        tree, wanted = repository.base_tree, frozenset({SOURCE})
        first = run_measurement(
            worker, MeasureJob(number=0, stage="baseline", tree=tree, seed=1, timeout=180, sources=wanted)
        )
        yield Instrument(worker, repository, binding.bound.blueprint, describe(sandbox), sound(first, first.candidate))
    finally:
        worker.close()
        repository.close()
