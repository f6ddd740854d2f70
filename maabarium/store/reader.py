"""The reading half of the store: what commands, reports, consoles and a resumed run ask. Changes no row."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field
from sqlite_utils import Database

from maabarium.errors import StoreError, UsageProblem
from maabarium.events import Decided, Journal, MeasuredEvent, Proposed, RunStarted, RunView, Sample, Transition
from maabarium.records import Evaluation, Measured, Record
from maabarium.store.connection import translated
from maabarium.store.payloads import cell, decode, load_evaluation, load_payload, unpack
from maabarium.store.projections import damage, disagreements
from maabarium.suggestions import nearest

__all__ = ["Request", "RequestKind", "RunSummary", "StoreReader", "StoredView"]

_LATEST = 300  # rejected experiments of earlier runs that are looked at for tests that reject
_MOST_TESTS = 200
RequestKind = Literal["pause", "stop", "approve"]
_SUMMARY = """
SELECT r.run_id, r.blueprint_name, r.state, r.started_at, r.finished_at, r.branch, r.target, r.isolation, r.repository,
    count(*) FILTER (WHERE e.number > 0 AND e.promotion_outcome != 'unknown') AS experiments,
    count(*) FILTER (WHERE e.promotion_outcome = 'promoted') AS promoted,
    count(*) FILTER (WHERE e.promotion_outcome = 'rejected') AS rejected,
    count(*) FILTER (WHERE e.promotion_outcome = 'invalid') AS invalid,
    count(*) FILTER (WHERE e.promotion_outcome = 'tampered') AS tampered,
    count(*) FILTER (WHERE e.promotion_outcome = 'error') AS errors,
    count(*) FILTER (WHERE e.promotion_outcome = 'cancelled') AS cancelled,
    max(CASE WHEN e.promotion_outcome IN ('baseline', 'promoted') THEN e.weighted_total END) AS best_total,
    group_concat(CASE WHEN e.promotion_outcome = 'promoted' THEN e.effect END, ' ') AS effects
FROM runs r LEFT JOIN experiments e ON e.run_id = r.run_id
WHERE ? IS NULL OR r.blueprint_name = ?
GROUP BY r.run_id ORDER BY r.started_at DESC, r.rowid DESC LIMIT ?
"""


class RunSummary(Record):
    """One line of a list of runs. Counts are of decided experiments; the baseline is not one of them."""

    run_id: str
    blueprint_name: str
    state: str
    started_at: str  # RFC 3339, UTC
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
    gain: float | None
    """How many times better what was kept is than the baseline: the product of its steps; None without any."""
    branch: str
    target: str
    isolation: str
    repository: str  # the private one


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


class StoreReader:
    """All runs of one database file, for reading; a context manager that closes it. Any thread may call."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._lock = threading.RLock()
        self.path = path

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def journal(self, run_id: str) -> Journal:
        """All transitions of a run in their order, exactly as they were appended; none when it has not started."""
        with self._reading():
            return tuple(self._facts(run_id))

    def evaluation(self, tree: str, grader: str, environment: str) -> Evaluation | None:
        """The latest evaluation of this tree under this grader and environment that was made alone, not in a pair."""
        with self._reading():
            found = self._db.execute(
                "SELECT id FROM evaluations WHERE tree = ? AND grader = ? AND environment = ?"
                " AND stage IN ('baseline', 'screen', 'audit') AND side = 'candidate' ORDER BY id DESC LIMIT 1",
                [cell(tree), cell(grader), cell(environment)],
            ).fetchone()
            return None if found is None else self._evaluation(found[0])

    def rejections(self, target: str, apart_from: str) -> dict[str, int]:
        """How many of the latest rejected candidates each test failed for, over all runs on this target but one."""
        with self._reading():
            found = self._db.execute(
                "SELECT test_id, count(*) FROM tests WHERE outcome IN ('failed', 'error') AND experiment_id IN ("
                " SELECT e.id FROM experiments e JOIN runs r ON r.run_id = e.run_id"
                " WHERE r.target = ? AND r.run_id != ? AND e.number > 0 AND e.promotion_outcome = 'rejected'"
                " ORDER BY e.id DESC LIMIT ?)"
                " GROUP BY test_id ORDER BY count(*) DESC, test_id LIMIT ?",
                [cell(target), cell(apart_from), _LATEST, _MOST_TESTS],
            ).fetchall()
            return {str(test): int(count) for test, count in found}

    def resolve(self, run: str, blueprint_name: str | None = None) -> str:
        """The run id that "last" or a unique prefix means. UsageProblem lists the runs that come near."""
        with self._reading():
            rows = self._db.execute(
                "SELECT run_id FROM runs WHERE ? IS NULL OR blueprint_name = ? ORDER BY started_at DESC, rowid DESC",
                [cell(blueprint_name), cell(blueprint_name)],
            ).fetchall()
        known = [str(row[0]) for row in rows]
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

    def runs(self, limit: int, blueprint_name: str | None = None) -> list[RunSummary]:
        """The latest runs, newest first."""
        name = cell(blueprint_name)
        with self._reading():
            rows = list(self._db.query(_SUMMARY, [name, name, limit]))
        for row in rows:
            steps = [float(step) for step in (row.pop("effects") or "").split()]
            row["gain"] = math.prod(steps) if steps else None
        return [RunSummary.model_validate(row) for row in rows]

    def view(self, run_id: str) -> StoredView:
        """All that reports and commands read of one run."""
        with self._reading():
            facts = list(self._facts(run_id, " AND type IN ('run_started', 'proposed', 'decided')"))
            if not facts:
                raise StoreError(f"run {run_id} is not in {self.path}")
            baseline = self._db.execute(
                "SELECT v.id FROM evaluations v JOIN experiments e ON e.id = v.experiment_id"
                " WHERE e.run_id = ? AND v.stage = 'baseline' ORDER BY v.id DESC LIMIT 1",
                [cell(run_id)],
            ).fetchone()
            query = "SELECT state, reason, started_at, finished_at FROM runs WHERE run_id = ?"
            row = next(self._db.query(query, [cell(run_id)]))
            query = "SELECT number, id, created_at FROM experiments WHERE run_id = ?"
            known = self._db.execute(query, [cell(run_id)]).fetchall()
            return StoredView(
                **_parts(facts),
                **row,
                samples=tuple(self._samples(run_id)),
                baseline=self._evaluation(baseline[0]) if baseline else None,
                calibration=tuple(self._calibration(run_id)),
                ids={number: identity for number, identity, _ in known},
                created={number: created for number, _, created in known},
                database=self.path.absolute(),
            )

    def spent(self, run_id: str) -> tuple[int, float]:
        """Tokens and US dollars of all calls of models in a run, as far as they are known."""
        with self._reading():
            tokens, cost = self._db.execute(
                "SELECT sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), sum(cost)"
                " FROM llm_calls WHERE run_id = ?",
                [cell(run_id)],
            ).fetchone()
        return int(tokens or 0), float(cost or 0.0)

    def pending_requests(self, run_id: str) -> tuple[Request, ...]:
        """What was asked of a run and is not handled yet, oldest first."""
        query = "SELECT id, run_id, kind, created_at FROM requests WHERE run_id = ? AND handled_at IS NULL ORDER BY id"
        with self._reading():
            return tuple(Request.model_validate(row) for row in self._db.query(query, [cell(run_id)]))

    def runs_older_than(self, days: float) -> list[str]:
        """Ids of runs whose last event is older than that, oldest first."""
        limit = datetime.now(UTC) - timedelta(days=days)
        with self._reading():
            found = self._db.execute(
                "SELECT r.run_id FROM runs r JOIN events e ON e.run_id = r.run_id GROUP BY r.run_id"
                " HAVING max(e.time) < ? ORDER BY r.started_at, r.rowid",
                [limit.isoformat(timespec="milliseconds").replace("+00:00", "Z")],
            )
            return [str(row[0]) for row in found.fetchall()]

    def integrity(self) -> list[str]:
        """Everything that is wrong with the database, as sentences; empty when it is sound."""
        with self._reading():
            return [*damage(self._db), *self._unreadable()]

    def _unreadable(self) -> Iterator[str]:
        for (run_id,) in self._db.execute("SELECT run_id FROM runs ORDER BY rowid").fetchall():
            try:
                journal = self.journal(run_id)
            except StoreError as error:
                yield str(error)
            else:
                yield from disagreements(self._db, run_id, journal)

    def _facts(self, run_id: str, which: str = "") -> Iterator[Transition]:
        query = f"SELECT sequence, payload FROM events WHERE run_id = ?{which} ORDER BY sequence"
        for sequence, payload in self._db.execute(query, [cell(run_id)]).fetchall():
            try:
                yield decode(load_payload(payload), self._blob, self._evaluation)
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"event {sequence} of run {run_id} in {self.path} cannot be read: {error}") from error

    def _calibration(self, run_id: str) -> Iterator[Measured]:
        """The pairs of the start with itself; one that was measured twice counts as it was the last time."""
        facts = self._facts(run_id, " AND type = 'measured' AND number = 0")
        pairs = [fact.measured for fact in facts if isinstance(fact, MeasuredEvent)]
        yield from {pair.pair: pair for pair in pairs if pair.stage == "calibrate" and not pair.problem}.values()

    def _blob(self, digest: str) -> bytes:
        found = self._db.execute("SELECT data FROM blobs WHERE sha256 = ?", [digest]).fetchone()
        if found is None:
            raise ValueError(f"the file content {digest} is missing")
        return unpack(found[0])

    def _evaluation(self, identity: int) -> Evaluation:
        found = self._db.execute("SELECT payload FROM evaluations WHERE id = ?", [identity]).fetchone()
        if found is None:
            raise StoreError(f"evaluation {identity} is missing in {self.path}")
        try:
            return load_evaluation(found[0])
        except ValueError as error:  # pydantic's ValidationError is one
            raise StoreError(f"evaluation {identity} in {self.path} cannot be read: {error}") from error

    def _samples(self, run_id: str) -> Iterable[Sample]:
        found = self._db.query(
            "SELECT e.number, s.pair, s.side, s.candidate_first, s.source, s.clock, s.value FROM samples s"
            " JOIN experiments e ON e.id = s.experiment_id WHERE e.run_id = ?"
            " ORDER BY e.number, s.pair, s.side, s.source",
            [cell(run_id)],
        )
        for row in found:
            # SQLite keeps NaN as NULL
            yield Sample.model_validate({**row, "value": math.nan if row["value"] is None else row["value"]})

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the database for all queries of the block."""
        with self._lock, translated(self.path), self._db.atomic():
            yield


def _parts(facts: Sequence[Transition]) -> dict[str, Any]:
    """The fields of a view that a run's small events give; what is said twice counts as it was said last."""
    proposed = {fact.experiment.number: fact for fact in facts if isinstance(fact, Proposed)}
    decided = {fact.outcome.number: fact.outcome for fact in facts if isinstance(fact, Decided)}
    return {
        "run": next((fact.run for fact in facts if isinstance(fact, RunStarted)), None),
        "outcomes": tuple(decided[number] for number in sorted(decided)),
        "experiments": {number: fact.experiment for number, fact in proposed.items()},
        "proposals": {number: fact.proposal for number, fact in proposed.items() if fact.proposal is not None},
        "calls": {number: fact.calls for number, fact in proposed.items()},
        "drafts": {number: fact.drafts for number, fact in proposed.items()},
    }


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
