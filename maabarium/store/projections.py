"""The rows that each transition leaves in the relational tables, and whether they are as they must be.

`Rows` is used inside the transaction that appends the event. It is written so that the same journal always gives
the same rows: what a transition says a second time replaces what it said the first time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlite_utils import Database

from maabarium.errors import StoreError
from maabarium.events import (
    Decided,
    Journal,
    MeasuredEvent,
    Promoting,
    Proposed,
    RunFinished,
    RunRecord,
    RunStarted,
    Transition,
)
from maabarium.records import Evaluation, Measured, Origin, Outcome, Proposal
from maabarium.store.payloads import Side, cell, dump_evaluation, dumps, outcome_columns, unpack

__all__ = ["Rows", "damage", "disagreements"]

INLINE_LIMIT = 64 * 1024
"""Bytes up to which a proposal's text is repeated in `file_patches_json`; the whole is in `blobs` anyway."""


class Rows:
    """Writes the rows of one run's transitions, all stamped with one time."""

    def __init__(self, db: Database, run_id: str, time: str) -> None:
        self._db = db
        self._run_id = run_id
        self._time = time

    def start(self, run: RunRecord) -> None:
        """The run's own row."""
        row = {**run.model_dump(), "seed": str(run.seed), "state": "running", "started_at": self._time}
        self._insert("runs", [row])

    def measured(self, event: MeasuredEvent) -> dict[Side, int]:
        """The rows of one measure job; returns the ids of its evaluations."""
        measured = event.measured
        experiment = self._experiment(measured.number)
        attempt = self._insert("attempts", [_attempt(measured, experiment, self._time)])
        ids: dict[Side, int] = {}
        sides: tuple[tuple[Side, Evaluation | None, str], ...] = (
            ("candidate", measured.candidate, event.tree),
            ("champion", measured.champion, event.champion_tree),
        )
        for side, evaluation, tree in sides:
            if evaluation is None:
                continue
            ids[side] = self._insert(
                "evaluations",
                [{
                    "experiment_id": experiment, "attempt_id": attempt, "tree": tree, "grader": evaluation.grader,
                    "environment": evaluation.environment, "stage": measured.stage, "side": side,
                    "payload": dump_evaluation(evaluation),
                }],
            )  # fmt: skip
            if measured.stage == "pair":
                self._insert("samples", _samples(measured, side, evaluation, experiment), replace=True)
        if measured.candidate is not None and measured.stage in ("baseline", "screen"):
            self._tests(experiment, measured.candidate)
        if event.tree:
            self._db.execute(
                "UPDATE experiments SET tree = ? WHERE id = ? AND tree = ''", [cell(event.tree), experiment]
            )
        self._add_phases(experiment, measured.phases)
        return ids

    def other(self, transition: Transition) -> None:
        """The rows of a transition without evaluations; the run's row must exist."""
        match transition:
            case Proposed():
                self._proposed(transition)
            case Decided(outcome=outcome):
                self._decided(outcome)
            case RunFinished():
                self._run(transition.state, transition.reason_code, transition.reason, self._time)
            case RunStarted() | MeasuredEvent() | Promoting():
                pass  # a run starts by `start`, a measurement has `measured`; the intent to promote is an event only

    def resumed(self) -> None:
        """Something happens in a run that had ended: it is under way again."""
        self._run("running", None, "", None)

    def _run(self, state: str, code: str | None, reason: str, finished: str | None) -> None:
        self._db.execute(
            "UPDATE runs SET state = ?, reason_code = ?, reason = ?, finished_at = ? WHERE run_id = ?",
            [state, code, cell(reason), finished, cell(self._run_id)],
        )

    def _proposed(self, event: Proposed) -> None:
        experiment = event.experiment
        identity = self._experiment(experiment.number)
        proposal = event.proposal
        # The proposer knows the origin better than the engine, which may have had to number it beforehand.
        origin = experiment.origin if proposal is None or proposal.origin == Origin() else proposal.origin
        self._update(identity, {
            "parent_id": self._find(experiment.parent) if experiment.parent != experiment.number else None,
            "parent_commit": experiment.parent_commit, "origin": dumps(origin.model_dump()),
            "seed": str(experiment.seed), "tree": experiment.tree,
            "proposal_summary": proposal.summary if proposal is not None else "",
        })  # fmt: skip
        self._db.execute("DELETE FROM proposals WHERE experiment_id = ?", [identity])
        if proposal is not None:
            self._insert("proposals", [_proposal(proposal, identity, self._time)])
        if event.planning_seconds:
            self._add_phases(identity, {"planning": event.planning_seconds})
        for table in ("llm_calls", "drafts"):
            self._db.execute(f"DELETE FROM {table} WHERE experiment_id = ?", [identity])
        common = {"experiment_id": identity, "created_at": self._time}
        calls = [{**call.model_dump(), **common, "run_id": self._run_id} for call in event.calls]
        self._insert("llm_calls", [{**row, "error": row["error"] or None} for row in calls])
        self._insert("drafts", [{**draft.model_dump(), **common} for draft in event.drafts])

    def _decided(self, outcome: Outcome) -> None:
        identity = self._experiment(outcome.number)
        low, high = outcome.interval or (None, None)
        row = outcome_columns(outcome) | {
            "reason_code": outcome.reason_code, "reason": outcome.reason, "effect": outcome.effect,
            "interval_low": low, "interval_high": high, "pairs": outcome.pairs,
        }  # fmt: skip
        row |= {"proposal_summary": outcome.summary} if outcome.summary else {}
        row |= {"tree": outcome.tree} if outcome.tree else {}
        self._update(identity, row)
        for table in ("metrics", "gates"):
            self._db.execute(f"DELETE FROM {table} WHERE experiment_id = ?", [identity])
        self._insert("metrics", _metrics(outcome, identity))
        self._insert("gates", [
            {"experiment_id": identity, "position": position, **gate.model_dump()}
            for position, gate in enumerate(outcome.gates)
        ])  # fmt: skip
        if outcome.phases:  # the outcome knows the whole times; what was added up on the way is replaced
            self._db.execute("DELETE FROM phases WHERE experiment_id = ?", [identity])
            self._add_phases(identity, outcome.phases)

    def _tests(self, experiment: int, evaluation: Evaluation) -> None:
        self._db.execute("DELETE FROM tests WHERE experiment_id = ?", [experiment])
        self._db.conn.executemany(
            "INSERT OR REPLACE INTO tests (experiment_id, test_id, outcome, duration) VALUES (?, ?, ?, ?)",
            ((experiment, cell(test.id), test.outcome, test.duration) for test in evaluation.tests),
        )

    def _add_phases(self, experiment: int, phases: Mapping[Any, float]) -> None:
        for phase, seconds in phases.items():
            self._db.execute(
                "INSERT INTO phases (experiment_id, phase, seconds) VALUES (?, ?, ?)"
                " ON CONFLICT (experiment_id, phase) DO UPDATE SET seconds = seconds + excluded.seconds",
                [experiment, phase, seconds],
            )

    def _find(self, number: int) -> int | None:
        found = self._db.execute(
            "SELECT id FROM experiments WHERE run_id = ? AND number = ?", [cell(self._run_id), number]
        ).fetchone()
        return int(found[0]) if found else None

    def _experiment(self, number: int) -> int:
        """The id of an experiment's row, made at its first mention."""
        found = self._find(number)
        if found is not None:
            return found
        name = self._db.execute("SELECT blueprint_name FROM runs WHERE run_id = ?", [cell(self._run_id)]).fetchone()
        if name is None:
            raise StoreError(f"run {self._run_id} is not in the database; its first transition must be run_started")
        return self._insert(
            "experiments",
            [{
                "iteration": number, "number": number, "blueprint_name": name[0], "run_id": self._run_id,
                "created_at": self._time,
            }],
        )  # fmt: skip

    def _update(self, experiment: int, row: Mapping[str, object]) -> None:
        self._db.table("experiments").update(experiment, {column: cell(value) for column, value in row.items()})

    def _insert(self, table: str, rows: Iterable[Mapping[str, object]], *, replace: bool = False) -> int:
        """Insert rows; returns the id of the last one (0 without rows)."""
        target = self._db.table(table)
        for row in rows:
            target.insert({column: cell(value) for column, value in row.items()}, replace=replace)
        return target.last_rowid or 0


def _attempt(measured: Measured, experiment: int, time: str) -> dict[str, object]:
    evaluations = [side for side in (measured.candidate, measured.champion) if side is not None]
    return {
        "experiment_id": experiment, "stage": measured.stage, "pair": measured.pair,
        "candidate_first": measured.candidate_first, "problem": measured.problem, "created_at": time,
        "duration": sum(evaluation.duration for evaluation in evaluations),
    }  # fmt: skip


def _samples(measured: Measured, side: Side, evaluation: Evaluation, experiment: int) -> list[dict[str, object]]:
    return [
        {
            "experiment_id": experiment, "pair": measured.pair, "side": side,
            "candidate_first": measured.candidate_first, "source": measurement.source,
            "clock": measurement.clock or "", "value": measurement.value,
        }
        for measurement in evaluation.measurements
    ]  # fmt: skip


def _metrics(outcome: Outcome, experiment: int) -> list[dict[str, object]]:
    return [
        {
            "experiment_id": experiment, "name": metric.name, "value": metric.value, "weight": metric.weight,
            "source": metric.source, "raw_value": metric.raw, "unit": metric.unit, "direction": metric.direction,
            "baseline_value": metric.baseline, "champion_value": metric.champion,
        }
        for metric in outcome.metrics
    ]  # fmt: skip


def _proposal(proposal: Proposal, experiment: int, time: str) -> dict[str, object]:
    patches = []
    for edit in proposal.edits:
        text: str | None = None
        if edit.content is not None and len(edit.content) <= INLINE_LIMIT:
            try:
                text = edit.content.decode("utf-8")
            except UnicodeDecodeError:
                text = None
        patches.append({"path": edit.path, "operation": edit.operation, "content": text, "blob": edit.digest or None})
    return {
        "experiment_id": experiment, "summary": proposal.summary, "file_patches_json": dumps(patches),
        "author": proposal.author, "data_json": dumps(proposal.data), "created_at": time,
    }  # fmt: skip


def damage(db: Database) -> Iterator[str]:
    """What SQLite and the checksums find wrong."""
    for (message,) in db.execute("PRAGMA integrity_check").fetchall():
        if message != "ok":
            yield f"SQLite finds the file damaged: {message}"
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check").fetchall():
        yield f"row {row} of {table} refers to a row of {parent} that is missing"
    for digest, size, data in db.execute("SELECT sha256, size, data FROM blobs"):
        try:
            content = unpack(data)
        except ValueError as error:
            yield f"the file content {digest} cannot be read: {error}"
            continue
        if hashlib.sha256(content).hexdigest() != digest or len(content) != size:
            yield f"the file content {digest} is not what was stored"


def disagreements(db: Database, run_id: str, journal: Journal) -> Iterator[str]:
    """Where a run's rows do not say what its journal says."""
    sequences = [row[0] for row in db.execute(
        "SELECT sequence FROM events WHERE run_id = ? ORDER BY sequence", [cell(run_id)]
    ).fetchall()]  # fmt: skip
    if sequences != list(range(1, len(sequences) + 1)):
        yield f"run {run_id} lacks events: it has {len(sequences)}, the last is number {sequences[-1]}"
    decided = {fact.outcome.number: fact.outcome.verdict for fact in journal if isinstance(fact, Decided)}
    rows = dict(
        db.execute("SELECT number, promotion_outcome FROM experiments WHERE run_id = ?", [cell(run_id)]).fetchall()
    )
    for number, verdict in decided.items():
        row = rows.get(number, "missing")
        if row != verdict:
            yield f"experiment {number} of run {run_id} is {verdict} in its journal, {row} in its row"
