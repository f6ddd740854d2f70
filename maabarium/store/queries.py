"""Questions about runs that commands, reports and consoles ask. Reads tables; writes requests only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field
from sqlite_utils import Database

from maabarium.errors import StoreError, UsageProblem
from maabarium.events import Decided, Proposed, RunStarted, RunView, Sample, Transition
from maabarium.records import Call, Draft, Evaluation, Experiment, Outcome, Proposal, Record
from maabarium.store.payloads import cell
from maabarium.suggestions import nearest

__all__ = ["Request", "RequestKind", "RunSummary", "StoredView"]

RequestKind = Literal["pause", "stop", "approve"]
_SUMMARY = """
SELECT r.run_id, r.blueprint_name, r.state, r.started_at, r.finished_at, r.branch, r.target, r.isolation, r.repository,
    sum(e.number > 0 AND e.promotion_outcome != 'unknown') AS experiments,
    sum(e.promotion_outcome = 'promoted') AS promoted, sum(e.promotion_outcome = 'rejected') AS rejected,
    sum(e.promotion_outcome = 'invalid') AS invalid, sum(e.promotion_outcome = 'tampered') AS tampered,
    sum(e.promotion_outcome = 'error') AS errors, sum(e.promotion_outcome = 'cancelled') AS cancelled,
    max(CASE WHEN e.promotion_outcome IN ('baseline', 'promoted') THEN e.weighted_total END) AS best_total
FROM runs r LEFT JOIN experiments e ON e.run_id = r.run_id
WHERE ? IS NULL OR r.blueprint_name = ?
GROUP BY r.run_id ORDER BY r.started_at DESC, r.rowid DESC LIMIT ?
"""


class RunSummary(Record):
    """One line of a list of runs. Counts are of decided experiments; the baseline is not one of them."""

    run_id: str
    blueprint_name: str
    state: str
    started_at: str
    """RFC 3339, UTC."""
    finished_at: str | None
    experiments: int
    promoted: int
    rejected: int
    invalid: int
    tampered: int
    errors: int
    cancelled: int
    best_total: float | None
    """The highest total among baseline and promoted; None before the baseline."""
    branch: str
    target: str
    isolation: str
    repository: str
    """The private one."""


class Request(Record):
    """What somebody asked of a run while it was under way."""

    id: int
    run_id: str
    kind: RequestKind
    created_at: str


class StoredView(RunView):
    """A view with what only the database knows of each experiment, by number."""

    ids: dict[int, int] = Field(default_factory=dict)
    """`experiments.id`."""
    created: dict[int, str] = Field(default_factory=dict)
    """RFC 3339, UTC."""
    database: Path | None = None
    """The file that it was read from."""


def resolve(db: Database, run: str, blueprint_name: str | None) -> str:
    """See `Store.resolve`."""
    known = [
        str(row[0])
        for row in db.execute(
            "SELECT run_id FROM runs WHERE ? IS NULL OR blueprint_name = ? ORDER BY started_at DESC, rowid DESC",
            [cell(blueprint_name), cell(blueprint_name)],
        ).fetchall()
    ]
    of_blueprint = f" of {blueprint_name}" if blueprint_name else ""
    if not known:
        raise UsageProblem(f"there is no run{of_blueprint} in the database yet")
    if run == "last":
        return known[0]
    if run in known:
        return run
    matching = [name for name in known if run and name.startswith(run.lower())]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageProblem(f"{run} is the start of {len(matching)} runs: {_listed(matching)}; give more characters")
    close = nearest(run, known, most=3, cutoff=0.5)
    hint = f"did you mean {_listed(close)}?" if close else f"the latest are {_listed(known)}"
    raise UsageProblem(f'there is no run{of_blueprint} "{run}"; {hint}')


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def summaries(db: Database, limit: int, blueprint_name: str | None) -> list[RunSummary]:
    """See `Store.runs`."""
    name = cell(blueprint_name)
    counts = ("experiments", "promoted", "rejected", "invalid", "tampered", "errors", "cancelled")
    return [
        RunSummary.model_validate({**row, **{count: row[count] or 0 for count in counts}})
        for row in db.query(_SUMMARY, [name, name, limit])
    ]


def view(db: Database, run_id: str, facts: Iterable[Transition], baseline: Evaluation | None) -> StoredView:
    """Put a view together from a run's small events; `baseline` is the evaluation of its experiment 0."""
    run: Any = None
    experiments: dict[int, Experiment] = {}
    proposals: dict[int, Proposal] = {}
    calls: dict[int, tuple[Call, ...]] = {}
    drafts: dict[int, tuple[Draft, ...]] = {}
    outcomes: dict[int, Outcome] = {}
    for fact in facts:
        match fact:
            case RunStarted():
                run = fact.run
            case Proposed(experiment=experiment):
                experiments[experiment.number] = experiment
                proposals.pop(experiment.number, None)
                calls[experiment.number], drafts[experiment.number] = fact.calls, fact.drafts
                if fact.proposal is not None:
                    proposals[experiment.number] = fact.proposal
            case Decided(outcome=outcome):
                outcomes[outcome.number] = outcome
    row = next(db.query("SELECT state, reason, started_at, finished_at FROM runs WHERE run_id = ?", [cell(run_id)]))
    known = db.execute("SELECT number, id, created_at FROM experiments WHERE run_id = ?", [cell(run_id)]).fetchall()
    return StoredView(
        run=run,
        outcomes=tuple(outcomes[number] for number in sorted(outcomes)),
        experiments=experiments,
        proposals=proposals,
        calls=calls,
        drafts=drafts,
        samples=tuple(_samples(db, run_id)),
        baseline=baseline,
        ids={number: identity for number, identity, _ in known},
        created={number: created for number, _, created in known},
        **row,
    )


def _samples(db: Database, run_id: str) -> Iterable[Sample]:
    found = db.query(
        "SELECT e.number, s.pair, s.side, s.candidate_first, s.source, s.clock, s.value FROM samples s"
        " JOIN experiments e ON e.id = s.experiment_id WHERE e.run_id = ?"
        " ORDER BY e.number, s.pair, s.side, s.source",
        [cell(run_id)],
    )
    for row in found:
        # SQLite keeps NaN as NULL
        yield Sample.model_validate({**row, "value": math.nan if row["value"] is None else row["value"]})


def baseline_evaluation(db: Database, run_id: str) -> int | None:
    """The id of the latest evaluation of a run's baseline, if it was measured."""
    found = db.execute(
        "SELECT v.id FROM evaluations v JOIN experiments e ON e.id = v.experiment_id"
        " WHERE e.run_id = ? AND v.stage = 'baseline' ORDER BY v.id DESC LIMIT 1",
        [cell(run_id)],
    ).fetchone()
    return None if found is None else int(found[0])


def spent(db: Database, run_id: str) -> tuple[int, float]:
    """See `Store.spent`."""
    tokens, cost = db.execute(
        "SELECT sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), sum(cost)"
        " FROM llm_calls WHERE run_id = ?",
        [cell(run_id)],
    ).fetchone()
    return int(tokens or 0), float(cost or 0.0)


def add_request(db: Database, run_id: str, kind: RequestKind, time: str) -> int:
    """See `Store.request`."""
    if kind not in get_args(RequestKind):
        raise StoreError(f'"{kind}" cannot be asked of a run; there is: {", ".join(get_args(RequestKind))}')
    if db.execute("SELECT 1 FROM runs WHERE run_id = ?", [cell(run_id)]).fetchone() is None:
        raise StoreError(f"run {run_id} is not in the database, so nothing can be asked of it")
    row = {"run_id": cell(run_id), "kind": kind, "created_at": time}
    return int(db.table("requests").insert(row).last_rowid or 0)


def pending_requests(db: Database, run_id: str) -> tuple[Request, ...]:
    """See `Store.pending_requests`."""
    found = db.query(
        "SELECT id, run_id, kind, created_at FROM requests WHERE run_id = ? AND handled_at IS NULL ORDER BY id",
        [cell(run_id)],
    )
    return tuple(Request.model_validate(row) for row in found)


def handle_request(db: Database, request_id: int, time: str) -> None:
    """See `Store.handle`."""
    if db.execute("SELECT 1 FROM requests WHERE id = ?", [request_id]).fetchone() is None:
        raise StoreError(f"there is no request {request_id}")
    db.execute("UPDATE requests SET handled_at = ? WHERE id = ? AND handled_at IS NULL", [time, request_id])
