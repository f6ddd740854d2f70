"""What a run with a noisy objective measures: itself first, pairs, an audit; and runs that earlier rules began."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from engine_fakes import (
    RUN,
    FakeTrees,
    MemoryJournal,
    answer_job,
    change,
    drive,
    evaluation,
    make_blueprint,
    make_engine,
)  # fmt: skip

from maabarium.acceptance.judge import RULES
from maabarium.errors import ReplayError
from maabarium.events import Decided, MeasuredEvent, Promoting, RunStarted, Transition
from maabarium.records import Gate, Measured
from maabarium.worker.job import MeasureJob

TIME = {"name": "time", "weight": 1, "direction": "minimize", "source": "time", "noisy": True}
LOST = Gate(name="tests", passed=False, reason_code="tests_lost", detail="a test fails")


class Timed:
    """Measures the fake trees: 1 / (1 + the digit in a.py); keeps what was asked."""

    def __init__(self, trees: FakeTrees, change: Callable[[MeasureJob, Measured], Measured] = lambda job, made: made):
        self.trees, self.change = trees, change
        self.jobs: list[MeasureJob] = []

    def __call__(self, job: MeasureJob) -> Measured:
        self.jobs.append(job)
        made = answer_job(job, lambda tree: evaluation({"time": 1 / (1 + float(self.trees.files[tree]["a.py"]))}))
        return self.change(job, made)


def run(store: MemoryJournal, *digits: str, measure: Any = None, trees: FakeTrees | None = None, **record: Any) -> Any:
    trees = trees or FakeTrees()
    timed = measure or Timed(trees)
    timed.trees = trees
    engine = make_engine(trees, store, make_blueprint(TIME), max_iterations=len(digits), **record)
    outcomes = drive(engine, lambda request: change("a.py", digits[request.number - 1]), timed)
    return engine, outcomes, timed


def test_a_run_measures_its_start_beside_itself_first() -> None:
    engine, outcomes, timed = run(MemoryJournal(), "1")
    first = timed.jobs[:13]
    assert [job.stage for job in first] == ["baseline", *["calibrate"] * 12]
    assert all((job.number, job.tree, job.exclusive) == (0, job.champion_tree, True) for job in first[1:])
    assert [job.pair for job in first[1:]] == list(range(1, 13)) and len({job.candidate_first for job in first}) == 2
    assert all(job.baseline is not None and job.sources == {"time"} for job in first[1:])
    assert (outcomes[0].verdict, outcomes[0].reason_code, outcomes[0].pairs) == ("baseline", "baseline", 0)
    assert engine.state.calibration.pairs == 12 and engine.state.calibration.deviation == 0


def test_exact_objectives_need_no_calibration() -> None:
    trees = FakeTrees()
    timed = Timed(trees)
    exact = make_blueprint({**TIME, "noisy": False})
    drive(make_engine(trees, MemoryJournal(), exact, max_iterations=1), lambda request: change("a.py", "1"), timed)
    assert [job.stage for job in timed.jobs] == ["baseline", "screen", "audit"]


def test_a_start_that_does_not_look_like_itself_ends_the_run() -> None:
    def biased(job: MeasureJob, made: Measured) -> Measured:
        faster = evaluation({"time": 0.95})
        return made.model_copy(update={"candidate": faster}) if job.stage == "calibrate" else made

    store = MemoryJournal()
    engine, outcomes, timed = run(store, "1", measure=Timed(FakeTrees(), biased))
    assert [(o.verdict, o.reason_code) for o in outcomes] == [("baseline", "biased")]
    assert sum(job.stage == "calibrate" for job in timed.jobs) == 24
    assert "equal programs do not look equal" in outcomes[0].reason and engine.finish().state == "failed"


@pytest.mark.parametrize("side", ["candidate", "champion"])
def test_a_start_that_fails_beside_itself_ends_the_run(side: str) -> None:
    def failing(job: MeasureJob, made: Measured) -> Measured:
        return made.model_copy(update={side: evaluation({"time": 1.0}, LOST)}) if job.pair == 3 else made

    _, outcomes, timed = run(MemoryJournal(), "1", measure=Timed(FakeTrees(), failing))
    assert [(o.verdict, o.reason_code) for o in outcomes] == [("baseline", "tests_lost")] and len(timed.jobs) == 4


def test_a_winner_is_screened_paired_and_audited_and_gives_its_share_back() -> None:
    engine, outcomes, timed = run(MemoryJournal(), "1", "3", "7")
    assert [outcome.verdict for outcome in outcomes] == ["baseline", "promoted", "promoted", "promoted"]
    for number in (1, 2, 3):
        stages = [job.stage for job in timed.jobs if job.number == number]
        assert stages == ["screen", *["pair"] * 8, "audit"], "each had the first share"
    audit = timed.jobs[-1]
    assert audit.sources == {"time"} and audit.champion_tree and not audit.exclusive
    assert engine.state.budget.take() == 1


def test_a_candidate_that_is_not_promising_costs_two_pairs_and_no_share() -> None:
    _, outcomes, _ = run(MemoryJournal(), "00", "0.0001", "1")
    assert [outcome.verdict for outcome in outcomes[1:]] == ["rejected", "rejected", "promoted"]
    assert [outcome.pairs for outcome in outcomes[1:]] == [2, 2, 8]


def test_a_winner_whose_audit_fails_is_rejected() -> None:
    def failing(job: MeasureJob, made: Measured) -> Measured:
        return made.model_copy(update={"candidate": evaluation({"time": 0.5}, LOST)}) if job.stage == "audit" else made

    trees = FakeTrees()
    engine, outcomes, _ = run(MemoryJournal(), "1", measure=Timed(trees, failing), trees=trees)
    assert (outcomes[1].verdict, outcomes[1].reason_code, outcomes[1].pairs) == ("rejected", "tests_lost", 8)
    assert trees.branch is None and engine.state.budget.take() == 2, "its share is spent"


# --- runs that began when one sample decided who was confirmed ---


def of_earlier_rules(*digits: str) -> tuple[FakeTrees, list[Transition]]:
    """The journal of a run as version 1 of the rules left it: no calibration, no audit, seven pairs for a winner."""
    trees, store = FakeTrees(), MemoryJournal()
    run(store, *digits, trees=trees)
    events: list[Transition] = []
    for event in store.journal(RUN):
        if isinstance(event, RunStarted):
            event = event.model_copy(update={"run": event.run.model_copy(update={"rules": 1})})
        measured = event.measured if isinstance(event, MeasuredEvent) else None
        if measured is None or (measured.stage in ("baseline", "screen", "pair") and measured.pair < 8):
            events.append(event)
    return trees, events


def lines(events: list[Transition]) -> list[str]:
    return [event.model_dump_json() for event in events]


def test_what_earlier_rules_decided_stands_and_the_rest_is_decided_by_todays() -> None:
    trees, events = of_earlier_rules("1", "00", "3")
    cut = next(place for place, event in enumerate(events) if getattr(event, "measured", None) and
               event.measured.number == 3 and event.measured.pair == 2)  # type: ignore[union-attr]  # fmt: skip
    left = lines(events[: cut + 1])
    with pytest.raises(ReplayError, match="cannot be resumed with this version"):
        run(MemoryJournal(left), "1", "00", "3", trees=trees, rules=RULES)
    trees.branch = next(event.outcome.commit for event in events if isinstance(event, Decided) and event.outcome.number)
    engine, outcomes, timed = run(MemoryJournal(left), "1", "00", "3", trees=trees, rules=1)
    assert [(o.number, o.verdict, o.pairs) for o in outcomes] == [
        (0, "baseline", 0), (1, "promoted", 8), (2, "rejected", 2), (3, "promoted", 10),
    ]  # fmt: skip
    assert [job.stage for job in timed.jobs] == [*["pair"] * 8, "audit"]
    assert engine.state.calibration is None and trees.branch == outcomes[-1].commit


@pytest.mark.parametrize("moved", [False, True])
def test_what_was_being_promoted_by_earlier_rules_is_promoted(moved: bool) -> None:
    trees, events = of_earlier_rules("1")
    intent = next(event for event in events if isinstance(event, Promoting))
    left = lines(events[: events.index(intent) + 1])
    trees.branch = intent.new if moved else None
    _, outcomes, timed = run(MemoryJournal(left), "1", trees=trees, rules=1)
    assert [(o.number, o.verdict, o.commit) for o in outcomes[1:]] == [(1, "promoted", intent.new)]
    assert trees.branch == intent.new and not timed.jobs
    assert outcomes[1].effect == pytest.approx(2.0)
