"""How the sides of a pair are run: at once or in turn, how often, in which order.

Real worktrees; an evaluator of ours, which starts no process and therefore needs no sandbox.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engine_fakes import FakeTrees, MemoryJournal, change, drive, make_blueprint, make_engine

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.hookspecs import hookimpl
from maabarium.plugins.manager import build_plugins
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, FileEdit, Gate, Measured, Measurement
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker, WorkerSetup
from maabarium.workspace.repository import Repository
from maabarium.workspace.target import find_target

CPU, WALL = frozenset({"cpu"}), frozenset({"wall"})


@dataclass(frozen=True)
class Seen:
    """One evaluation: of which side, where, what for, and whether it was to meet the other."""

    side: str
    place: Path
    sources: frozenset[str]
    met: bool
    clean: bool


@dataclass
class Watch:
    """Measures `cpu` and `wall`, and keeps what it was asked."""

    bare_sources = True
    sources = CPU | WALL
    seen: list[Seen] = field(default_factory=list)
    gate: Callable[[Sequence[Seen]], bool] = lambda seen: True
    """Whether the latest of these passes."""
    misses: Callable[[str, int], bool] = lambda side, count: False
    """Whether this side stays away at its so manieth evaluation."""
    lock: Any = field(default_factory=threading.Lock)

    def __call__(self, options: object) -> Watch:
        return self

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        path = request.workspace.path
        side, left = (path / "who").read_text(), path / "left"
        with self.lock:
            self.seen.append(Seen(side, path, request.sources, request.meeting is not None, not left.exists()))
            count = sum(one.side == side for one in self.seen)
            passed = self.gate(self.seen)
        left.write_text("by this evaluation")
        if request.meeting is not None and not self.misses(side, count):
            released = threading.Event()
            request.meeting.arrive("x", released.set)
            assert released.wait(30)
        work = 100.0 if side == "candidate" else 50.0
        found = [Measurement(source=s, value=work, clock="cpu", seconds=0.01 * count) for s in sorted(request.sources)]
        return Evaluation(measurements=tuple(found), gates=(Gate(name="soft", passed=passed, detail=side),))

    @property
    def order(self) -> list[str]:
        return [one.side for one in self.seen]


class Contribution:
    """The plug-in that offers it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @hookimpl
    def maabarium_evaluators(self) -> dict[str, Watch]:
        return {"watch": self._watch}

    @hookimpl
    def maabarium_sandboxes(self) -> dict[str, Callable[..., object]]:
        return {"unused": lambda options, cancel: None}


class Pairs:
    """A repository with both sides, and a worker that has `watch` as its evaluator."""

    def __init__(self, folder: Path, level: str) -> None:
        (folder / "target").mkdir()
        (folder / "target" / "who").write_text("champion")
        target = find_target(folder / "target", "snapshot")
        self.repository = Repository.create(target, "run", folder / "cache")
        self.watch = Watch()
        plugins = build_plugins(Contribution(self.watch))
        metrics = [{"name": "cpu", "weight": 1.0, "direction": "maximize", "source": "cpu"}]
        blueprint = Blueprint.model_validate(
            {
                "blueprint": {"name": "t", "version": "1", "description": ""},
                "domain": {"repo_path": ".", "target_files": ["who"], "language": "python"},
                "constraints": {
                    "max_iterations": 3, "timeout_seconds": 30, "require_tests_pass": True, "min_improvement": 0,
                },
                "metrics": {"metrics": metrics},
                "sandbox": {"level": level},
            }
        )  # fmt: skip
        setup = WorkerSetup("run", blueprint, folder, self.repository.handle, ("watch",), "unused")
        self.worker = Worker(setup, threading.Event(), plugins)
        edit = FileEdit(path="who", operation="modify", content=b"candidate")
        self.tree = self.repository.tree_with(self.repository.base_tree, [edit])

    def measure(self, **asked: Any) -> Measured:
        fields = {"number": 1, "stage": "pair", "pair": 1, "seed": 1, "timeout": 0.8, "sources": CPU}
        trees = {"tree": self.tree, "champion_tree": self.repository.base_tree}
        measured = run_measurement(self.worker, MeasureJob.model_validate(fields | trees | asked))
        assert measured.problem == ""
        return measured

    def close(self) -> None:
        self.worker.close()
        self.repository.close()


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[Pairs]:
    made = Pairs(tmp_path, "standard")
    yield made
    made.close()


def values(measured: Measured) -> tuple[dict[str, float], dict[str, float]]:
    assert measured.candidate is not None and measured.champion is not None
    return measured.candidate.values(), measured.champion.values()


def test_what_no_cpu_clock_takes_runs_in_turn_the_first_side_also_last(pairs: Pairs) -> None:
    orders = set[str]()
    for number in range(12):
        pairs.watch.seen.clear()
        measured = pairs.measure(sources=WALL, pair=number)
        first, second = ("candidate", "champion") if measured.candidate_first else ("champion", "candidate")
        assert pairs.watch.order == [first, second, second, first]
        assert not any(one.met for one in pairs.watch.seen)
        assert measured.apart == ""
        orders.add(first)
    assert orders == {"candidate", "champion"}


def test_what_a_cpu_clock_takes_runs_at_once_and_again(pairs: Pairs) -> None:
    measured = pairs.measure(side_by_side=CPU, repeats=8)
    seen = pairs.watch.seen
    assert sorted(pairs.watch.order) == ["candidate"] * 8 + ["champion"] * 8
    assert all(one.met and one.clean for one in seen), "no repetition finds what the one before it wrote"
    assert len({one.place for one in seen if one.side == "candidate"}) == 2, "a coin says which worktree"
    assert values(measured) == (pytest.approx({"cpu": 100.0}), pytest.approx({"cpu": 50.0}))
    assert measured.candidate is not None
    assert measured.candidate.measurements[0].seconds == pytest.approx(0.36), "of all sessions"


def test_each_kind_of_source_is_asked_of_its_own_sessions(pairs: Pairs) -> None:
    measured = pairs.measure(sources=CPU | WALL, side_by_side=CPU, repeats=2)
    at_once, in_turn = pairs.watch.seen[:4], pairs.watch.seen[4:]
    assert {(one.met, one.sources) for one in at_once} == {(True, CPU)}
    assert {(one.met, one.sources) for one in in_turn} == {(False, WALL)} and len(in_turn) == 4
    candidate, champion = values(measured)
    assert candidate == pytest.approx({"cpu": 100.0, "wall": 100.0})
    assert champion == pytest.approx({"cpu": 50.0, "wall": 50.0})


def test_without_walls_between_the_sides_all_is_in_turn(tmp_path: Path) -> None:
    """At `trusted` both might want the same port: A B B A, as often as makes up for the repetitions."""
    pairs = Pairs(tmp_path, "trusted")
    pairs.measure(side_by_side=CPU, repeats=5)
    assert len(pairs.watch.seen) == 12 and not any(one.met for one in pairs.watch.seen)
    for start in (0, 4, 8):
        first, second, third, last = pairs.watch.order[start : start + 4]
        assert first == last != second == third
    pairs.close()


@pytest.mark.parametrize("side_by_side", [CPU, frozenset[str]()])
@pytest.mark.parametrize("broken", ["candidate", "champion"])
def test_a_failed_gate_ends_a_pair_when_both_sides_were_seen(
    pairs: Pairs, side_by_side: frozenset[str], broken: str
) -> None:
    pairs.watch.gate = lambda seen: seen[-1].side != broken
    measured = pairs.measure(side_by_side=side_by_side, repeats=5, sources=CPU | WALL if side_by_side else CPU)
    assert sorted(set(pairs.watch.order)) == ["candidate", "champion"] and len(pairs.watch.seen) <= 3
    for name, side in (("candidate", measured.candidate), ("champion", measured.champion)):
        assert side is not None
        assert (side.failed_gate is not None) == (name == broken)


def test_a_gate_that_fails_in_a_later_repetition_is_the_answer(pairs: Pairs) -> None:
    pairs.watch.gate = lambda seen: seen[-1].side == "champion" or len(seen) < 5
    measured = pairs.measure(side_by_side=CPU, repeats=20)
    assert len(pairs.watch.seen) == 6
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    assert measured.champion is not None and measured.champion.failed_gate is None


def test_a_pair_that_was_not_together_is_made_once_more(pairs: Pairs) -> None:
    pairs.watch.misses = lambda side, count: side == "candidate" and count == 2
    measured = pairs.measure(side_by_side=CPU, repeats=3)
    assert len(pairs.watch.seen) == 8
    assert measured.apart == "" and measured.candidate is not None and measured.candidate.failed_gate is None
    assert measured.candidate.measurements[0].seconds == pytest.approx(0.01 * (1 + 3 + 4)), "the lone one is dropped"


@pytest.mark.parametrize("away", ["candidate", "champion"])
def test_a_pair_that_is_never_together_shows_nothing(pairs: Pairs, away: str) -> None:
    pairs.watch.misses = lambda side, count: side == away
    measured = pairs.measure(side_by_side=CPU, sources=CPU | WALL, repeats=4)
    assert len(pairs.watch.seen) == 4
    assert "did not begin x together" in measured.apart
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    assert measured.candidate.failed_gate.reason_code == "undecided"
    assert measured.champion is not None and measured.champion.failed_gate is None


def test_what_the_engine_asks_of_a_pair() -> None:
    """CPU times side by side, what waits in turn, and short blocks as often as it takes."""
    sources = {"score:fast": ("cpu", 0.03), "score:nap": ("wall", 0.001), "score:loose": (None, None)}
    weights = (0.5, 0.25, 0.25)
    metrics = [
        {"name": name[6:], "weight": weight, "direction": "maximize", "source": name, "noisy": True}
        for name, weight in zip(sources, weights, strict=True)
    ]
    jobs: list[MeasureJob] = []

    def measured(job: MeasureJob) -> Measured:
        jobs.append(job)
        better = 2.0 if job.tree != trees.start_tree else 1.0
        sides = [
            Evaluation.model_validate(
                {
                    "measurements": [
                        {"source": name, "value": value, "clock": clock, "seconds": seconds}
                        for name, (clock, seconds) in sources.items()
                    ]
                }
            )
            for value in (better, 1.0)
        ]
        champion = sides[1] if job.champion_tree else None
        return Measured(number=job.number, stage=job.stage, pair=job.pair, candidate=sides[0], champion=champion)

    trees = FakeTrees()
    engine = make_engine(trees, MemoryJournal(), make_blueprint(*metrics))
    drive(engine, lambda request: change("a.py", "1") if request.number == 1 else None, measured)
    pairs = [job for job in jobs if job.stage == "pair"]
    assert pairs
    for job in pairs:
        assert (job.sources, job.side_by_side) == (frozenset(sources), {"score:fast"})
    assert [(job.repeats, job.precise) for job in pairs] == [(4, True)] + [(1, False)] * (len(pairs) - 1)
    for job in jobs:
        if not job.champion_tree:
            assert (job.side_by_side, job.repeats) == (frozenset(), 1)
