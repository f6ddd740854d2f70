"""Plug-ins that break in the middle of a run, and journals that somebody changed: named, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engine_fakes import (
    COUNT,
    FakeTrees,
    MemoryJournal,
    answer_job,
    change,
    drive,
    evaluation,
    make_blueprint,
    make_engine,
)

from maabarium import hookimpl
from maabarium.engine.engine import Engine
from maabarium.errors import ReplayError
from maabarium.plugins.protocols import ProposalRequest
from maabarium.records import Evaluation, Measured, Outcome, Proposal
from maabarium.worker.job import MeasureJob

HEAT = {"name": "heat", "direction": "minimize", "source": "heat", "role": "guard", "noisy": True}


def propose(request: ProposalRequest) -> Proposal | None:
    return change("a.py", str(request.number)) if request.number <= 2 else None


def measuring(trees: FakeTrees) -> Any:
    """Experiment n is worth n."""
    return lambda job: answer_job(job, lambda tree: evaluation({"score:count": float(trees.files[tree]["a.py"])}))


def run(plugin: object, store: MemoryJournal | None = None) -> tuple[Engine, list[Outcome]]:
    trees = FakeTrees()
    engine = make_engine(trees, store or MemoryJournal(), None, plugin)
    return engine, drive(engine, propose, measuring(trees))


def answering(hook: str, answer: Any) -> object:
    """A plug-in that gives this answer to one hook, or raises it."""

    def function(self: Any, request: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    function.__name__ = hook
    return type("Foreign", (), {hook: hookimpl(function), "__name__": "foreign"})()


BROKEN = ValueError("of no use")


class BrokenLater:
    """As a generator that raises: nothing is wrong before it is looked into."""

    def __iter__(self) -> Iterator[str]:
        raise BROKEN


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (BROKEN, "ValueError: of no use"), (BrokenLater(), "ValueError: of no use"), (SystemExit(3), "SystemExit: 3"),
        (7, "with 7, which is no sequence"), ("no", "with 'no', which is no sequence"),
    ],
)  # fmt: skip
def test_a_check_of_proposals_that_breaks_is_an_error_of_the_experiment(answer: Any, said: str) -> None:
    engine, outcomes = run(answering("maabarium_check_proposal", answer))
    assert [(o.verdict, o.reason_code) for o in outcomes[1:]] == [("error", "internal")] * 2
    assert all("the plug-in foreign" in o.reason and said in o.reason for o in outcomes[1:])
    assert engine.finish().state == "completed"


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN, SystemExit(3), 7, "rejected", (), ("rejected", "worse"), ("lost", "worse", "x"),
        ("rejected", "ugly", "x"), ("rejected", "worse", None), ("baseline", "baseline", "x"),
        ("cancelled", "interrupted", "x"),
    ],
)  # fmt: skip
def test_a_decision_that_breaks_or_makes_no_sense_keeps_nothing(answer: Any) -> None:
    engine, outcomes = run(answering("maabarium_decide", answer))
    assert [(o.verdict, o.reason_code) for o in outcomes[1:]] == [("error", "internal")] * 2
    assert all("the plug-in foreign" in o.reason and "maabarium_decide" in o.reason for o in outcomes[1:])
    assert engine.state.promoted == 0
    assert engine.finish().state == "completed"


def test_a_decision_that_makes_sense_counts() -> None:
    _, outcomes = run(answering("maabarium_decide", ["rejected", "policy_objection", "not on a Friday"]))
    assert [(o.verdict, o.reason) for o in outcomes[1:]] == [("rejected", "not on a Friday")] * 2
    _, outcomes = run(answering("maabarium_decide", ("promoted", "kept", "fine")))
    assert [o.verdict for o in outcomes[1:]] == ["promoted"] * 2


def test_a_condition_to_stop_that_breaks_ends_the_run_as_failed() -> None:
    engine, outcomes = run(answering("maabarium_should_stop", BROKEN))
    assert [o.verdict for o in outcomes] == ["baseline", "promoted"]
    end = engine.finish()
    assert (end.state, end.reason_code) == ("failed", "internal")
    assert end.reason == "the plug-in foreign failed in maabarium_should_stop: ValueError: of no use"


# --- resuming compares what is stored with what is decided now ---


@pytest.mark.parametrize(
    ("number", "change_to", "said"),
    [
        (
            1,
            {"verdict": "rejected", "reason_code": "worse"},
            "rejected (worse), but .* it is promoted (kept)",
        ),
        (2, {"verdict": "promoted", "reason_code": "kept"}, "promoted (kept), but .* it is rejected (worse)"),
        (2, {"reason_code": "undecided"}, "rejected (undecided), but .* it is rejected (worse)"),
        (0, {"reason_code": "gate_failed"}, "baseline (gate_failed), but .* it is baseline (baseline)"),
    ],
)
def test_a_run_that_would_be_decided_otherwise_today_is_not_resumed(
    number: int, change_to: dict[str, str], said: str
) -> None:
    trees, store = FakeTrees(), MemoryJournal()
    values = {0: "5", 1: "9", 2: "1"}

    def answer(request: ProposalRequest) -> Proposal | None:
        return change("a.py", values[request.number]) if request.number in values else None

    drive(make_engine(trees, store), answer, measuring(trees))
    events = list(store.journal("3f9c01aa"))
    at = next(n for n, one in enumerate(events) if one.type == "decided" and one.outcome.number == number)
    event = events[at]
    assert event.type == "decided"
    store.lines[at] = event.model_copy(update={"outcome": event.outcome.model_copy(update=change_to)}).model_dump_json()
    pattern = "experiment {} is stored as {}".format(number, said.replace("(", r"\(").replace(")", r"\)"))
    with pytest.raises(ReplayError, match=pattern):
        make_engine(trees, store).start()


def test_a_winner_that_was_not_let_through_is_resumed() -> None:
    for plugin in (answering("maabarium_decide", ("rejected", "worse", "no")), answering("maabarium_decide", 7)):
        store = MemoryJournal()
        run(plugin, store)
        assert len(make_engine(FakeTrees(), store, None, plugin).start()) == 3


# --- what is not noisy is audited, whatever is noisy beside it ---


def test_an_exact_objective_is_audited_also_beside_a_noisy_guard() -> None:
    trees = FakeTrees()
    stages: list[str] = []

    def measure(job: MeasureJob) -> Measured:
        stages.append(job.stage)

        def value(tree: str) -> Evaluation:
            count = float(trees.files[tree]["a.py"]) + (job.stage == "audit")  # it is not what it was any more
            return evaluation({"heat": 1.0} if job.stage == "pair" else {"score:count": count, "heat": 1.0})

        return answer_job(job, value)

    engine = make_engine(trees, MemoryJournal(), make_blueprint(COUNT, HEAT), max_iterations=1)
    outcomes = drive(engine, propose, measure)
    assert stages[-1] == "audit" and "pair" in stages
    assert (outcomes[1].verdict, outcomes[1].reason_code) == ("rejected", "undecided")
    assert "count gave 1, then 2" in outcomes[1].reason
