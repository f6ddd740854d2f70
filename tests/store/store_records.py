"""Hypothesis strategies for transitions with nasty content, a plain journal, and a dump of all rows."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from maabarium import events as e
from maabarium import records as r
from maabarium.store import Store

RUN = "3f9c01aa"
TIMES = {"time", "created_at", "started_at", "finished_at", "handled_at", "executed_at"}

# All characters, also NUL and lone surrogates, which undecodable output leaves behind.
text = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    ["", "\x00", "\x1b[31m", "\udcff\udc80", "\ud83d\ude00", "naïve 測試", '"; DROP TABLE runs; --']
)
floats = st.floats() | st.sampled_from([float("nan"), float("inf"), -0.0])
numbers = st.integers(0, 4)
metric_values = st.none() | floats
scalars = text | st.integers() | floats | st.booleans()


def tuples(items: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=size).map(tuple)


phases = st.dictionaries(st.sampled_from(r.PHASES), floats, max_size=3)
origins = st.builds(r.Origin, agent=text, arm=text, operator=text, site=text)
edits = st.builds(
    r.FileEdit, path=text, operation=st.sampled_from(["create", "modify"]), content=st.binary(max_size=40),
    mode=st.sampled_from([None, 0o100644, 0o100755]),
) | st.builds(r.FileEdit, path=text, operation=st.just("delete"))  # fmt: skip
proposals = st.builds(
    r.Proposal, summary=text, edits=tuples(edits), author=text, origin=origins,
    data=st.dictionaries(text, scalars, max_size=3),
)  # fmt: skip
measurements = st.builds(
    r.Measurement, source=text, value=floats, unit=text, clock=st.sampled_from([None, "cpu", "wall"]),
    possible=metric_values,
)  # fmt: skip
gates = st.builds(
    r.Gate, name=text, passed=st.booleans(), reason_code=st.sampled_from(r.REASON_CODES), detail=text
)  # fmt: skip
tests = st.builds(
    r.TestResult, id=text, outcome=st.sampled_from(["passed", "failed", "skipped"]), duration=floats, detail=text
)  # fmt: skip
lines = st.builds(
    r.LineMap,
    by_test=st.dictionaries(text, st.dictionaries(text, tuples(st.integers(1, 9)), max_size=2), max_size=2),
    hits=st.dictionaries(text, st.dictionaries(st.integers(1, 9), st.integers(0, 9), max_size=2), max_size=2),
)
evaluations = st.builds(
    r.Evaluation, measurements=tuples(measurements), gates=tuples(gates), tests=tuples(tests), grader=text,
    environment=text, log=text, duration=floats, lines=st.none() | lines,
)  # fmt: skip
experiments = st.builds(
    r.Experiment, number=numbers, parent=numbers, parent_commit=text, parent_tree=text, tree=text, origin=origins,
    seed=st.integers(),
)  # fmt: skip
metrics = st.builds(
    r.MetricEffect, name=text, source=text, weight=floats, direction=st.sampled_from(["maximize", "minimize"]),
    unit=text, baseline=metric_values, champion=metric_values, raw=metric_values, value=floats,
)  # fmt: skip
outcomes = st.builds(
    r.Outcome, number=numbers, verdict=st.sampled_from(r.VERDICTS), reason_code=st.sampled_from(r.REASON_CODES),
    reason=text, summary=text, origin=origins, parent=numbers, tree=text, total=metric_values,
    metrics=tuples(metrics), gates=tuples(gates), failing=tuples(text), effect=metric_values,
    interval=st.none() | st.tuples(floats, floats), pairs=numbers, branch=text, commit=text, duration=floats,
    phases=phases,
)  # fmt: skip
measured = st.builds(
    r.Measured, number=numbers, stage=st.sampled_from(["baseline", "screen", "pair", "audit"]),
    candidate=st.none() | evaluations, champion=st.none() | evaluations, pair=numbers,
    candidate_first=st.booleans(), problem=text, phases=phases,
)  # fmt: skip
transitions = st.one_of(
    st.builds(
        e.Proposed, experiment=experiments, proposal=st.none() | proposals,
        reason_code=st.sampled_from([None, *r.REASON_CODES]), reason=text, planning_seconds=floats,
    ),
    st.builds(e.MeasuredEvent, measured=measured, tree=text, champion_tree=text),
    st.builds(e.Promoting, number=numbers, branch=text, old=text, new=text),
    st.builds(e.Decided, outcome=outcomes),
    st.builds(
        e.RunFinished, state=st.sampled_from(["completed", "interrupted", "failed"]),
        reason_code=st.sampled_from(r.REASON_CODES), reason=text,
    ),
)  # fmt: skip


def run_record(run_id: str = RUN, **changes: Any) -> r.Record:
    fields: dict[str, Any] = {
        "run_id": run_id, "blueprint_name": "quickstart", "blueprint_path": "/b/quickstart.toml",
        "blueprint_text": "[blueprint]", "blueprint_hash": "b" * 64, "grader_hash": "9" * 64, "seed": 2**70,
        "max_iterations": 8, "target": "/target", "isolation": "snapshot", "repository": "/cache/repository",
        "base_commit": "c" * 40, "start_commit": "c" * 40, "start_tree": "0" * 40, "branch": "maabarium/quickstart",
    }  # fmt: skip
    return e.RunRecord(**{**fields, **changes})


records_of_runs = st.builds(
    run_record, blueprint_name=text, blueprint_path=text, blueprint_text=text, seed=st.integers(), branch=text,
    campaign_id=st.none() | text,
)  # fmt: skip


def evaluation(number: int, *, value: float = 1.0) -> r.Evaluation:
    results = tuple(
        r.TestResult(id=f"tests/test_it.py::test_{i}", outcome="failed" if i == number else "passed", duration=0.01)
        for i in range(20)
    )
    found = (r.Measurement(source="score:lines", value=value, clock="cpu"), r.Measurement(source="size", value=3.0))
    return r.Evaluation(
        measurements=found, gates=(r.Gate(name="tests", passed=True),), tests=results, grader="g", environment="e",
        log="1 passed\n", duration=0.25,
    )  # fmt: skip


def journal(run_id: str = RUN, experiments: int = 8) -> list[e.Transition]:
    """A whole run: the baseline, winners confirmed by pairs, losers, invalid ones. The same at every call."""
    chance = random.Random(7)
    found: list[e.Transition] = [e.RunStarted(run=run_record(run_id))]
    for number in range(experiments):
        tree, parent = f"{number:040x}", max(number - 1, 0)
        experiment = r.Experiment(number=number, parent=parent, parent_commit="c" * 40, parent_tree="0" * 40, tree=tree)
        content = b"\xff\x00" + chance.randbytes(3000)
        change = r.FileEdit(path="a.py", operation="modify", content=content if number % 2 else b"x = 1\r\n")
        proposal = r.Proposal(summary=f"Try {number}", edits=(change,) if number else (), data={"n": number})
        found.append(e.Proposed(experiment=experiment, proposal=proposal, planning_seconds=0.5))
        stage = "screen" if number else "baseline"
        first = r.Measured(number=number, stage=stage, candidate=evaluation(number), phases={"evaluating": 1.0})
        found.append(e.MeasuredEvent(measured=first, tree=tree))
        winner = number % 3 == 1
        for pair in range(1, 4) if winner else ():
            both = r.Measured(
                number=number, stage="pair", pair=pair, candidate=evaluation(number, value=2.0 + pair),
                champion=evaluation(number), candidate_first=pair % 2 == 0, phases={"confirming": 1.0},
            )  # fmt: skip
            found.append(e.MeasuredEvent(measured=both, tree=tree, champion_tree="0" * 40))
        if winner:
            found.append(e.Promoting(number=number, branch="maabarium/quickstart", old="c" * 40, new=f"{number:040x}"))
        found.append(e.Decided(outcome=_outcome(number, winner, parent, tree)))
    found.append(e.RunFinished(state="completed", reason_code="exhausted", reason="nothing is left to try"))
    return found


def _outcome(number: int, winner: bool, parent: int, tree: str) -> r.Outcome:
    verdict = "promoted" if winner else "rejected" if number else "baseline"
    effect = r.MetricEffect(
        name="speed", source="score:lines", weight=1.0, direction="maximize", baseline=1.0, champion=1.0,
        raw=1.0 + number, value=0.5 + number / 100,
    )  # fmt: skip
    return r.Outcome(
        number=number, verdict=verdict, reason_code="kept" if winner else "worse", reason=f"because {number}",
        summary=f"Try {number}", parent=parent, tree=tree, total=0.5 + number / 100, metrics=(effect,),
        gates=(r.Gate(name="tests", passed=True),), effect=1.0 + number, interval=(1.0, 2.0) if winner else None,
        pairs=3 if winner else 0, branch="maabarium/quickstart" if winner else "", commit=tree if winner else "",
        duration=1.5, phases={"planning": 0.5, "evaluating": 1.0},
    )  # fmt: skip


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables without their times."""
    db = store._db
    found = {}
    for table in sorted(set(db.table_names()) - {"migrations"}):
        columns = [column.name for column in db.table(table).columns if column.name not in TIMES]
        found[table] = db.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(columns)}").fetchall()
    return found
