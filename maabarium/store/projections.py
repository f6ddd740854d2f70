"""The rows that each transition leaves in the relational tables, and whether they are as they must be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from sqlite_utils import Database

from maabarium.errors import StoreError
from maabarium.events import Decided, Journal, MeasuredEvent, Proposed, RunFinished, RunRecord, Transition
from maabarium.records import PAIRED, Evaluation, Origin, Outcome, Proposal
from maabarium.store.connection import insert
from maabarium.store.payloads import Side, cell, dump_evaluation, dumps, outcome_columns, unpack

__all__ = ["Rows", "damage", "disagreements"]

INLINE_LIMIT = 64 * 1024
"""Bytes up to which a proposal's text is repeated in `file_patches_json`; the whole is in `blobs` anyway."""


_METRIC_COLUMNS = {"raw": "raw_value", "baseline": "baseline_value", "champion": "champion_value"}


class Rows:
    """Writes the rows of one run's transitions, all stamped with one time."""

    def __init__(self, db: Database, run_id: str, time: str) -> None:
        self._db = db
        self._run_id = run_id
        self._time = time

    def start(self, run: RunRecord) -> None:
        """The run's own row."""
        row = {**run.model_dump(exclude={"rules"}), "seed": str(run.seed), "state": "running", "started_at": self._time}
        self._insert("runs", row)

    def measured(self, event: MeasuredEvent) -> dict[Side, int]:
        """The rows of one measure job; returns the ids of its evaluations."""
        measured = event.measured
        experiment = self._experiment(measured.number)
        sides: dict[Side, tuple[Evaluation | None, str]] = {
            "candidate": (measured.candidate, event.tree),
            "champion": (measured.champion, event.champion_tree),
        }
        attempt = self._insert("attempts", {
            "experiment_id": experiment, "stage": measured.stage, "pair": measured.pair,
            "candidate_first": measured.candidate_first, "problem": measured.problem, "created_at": self._time,
            "duration": sum(evaluation.duration for evaluation, _ in sides.values() if evaluation),
        })  # fmt: skip
        ids: dict[Side, int] = {}
        for side, (evaluation, tree) in sides.items():
            if evaluation is None:
                continue
            ids[side] = self._insert("evaluations", {
                "experiment_id": experiment, "attempt_id": attempt, "tree": tree, "grader": evaluation.grader,
                "environment": evaluation.environment, "stage": measured.stage, "side": side,
                "payload": dump_evaluation(evaluation),
            })  # fmt: skip
            for measurement in evaluation.measurements if measured.stage in PAIRED else ():
                self._insert("samples", {
                    "experiment_id": experiment, "pair": measured.pair, "side": side,
                    "candidate_first": measured.candidate_first, "source": measurement.source,
                    "clock": measurement.clock or "", "value": measurement.value,
                }, replace=True)  # fmt: skip
        if measured.candidate is not None and measured.stage in ("baseline", "screen"):
            self._tests(experiment, measured.candidate)
        if event.tree:
            self._db.execute(
                "UPDATE experiments SET tree = ? WHERE id = ? AND tree = ''", [cell(event.tree), experiment]
            )
        self._add_phases(experiment, measured.phases)
        return ids

    def other(self, transition: Transition) -> None:
        """The rows of all but `start` and `measured`, if there are any; the run's row must exist."""
        match transition:
            case Proposed():
                self._proposed(transition)
            case Decided(outcome=outcome):
                self._decided(outcome)
            case RunFinished():
                self._run(transition.state, transition.reason_code, transition.reason, self._time)

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
        self._clear(identity, "proposals", "llm_calls", "drafts")
        if proposal is not None:
            self._insert("proposals", _proposal(proposal, identity, self._time))
        if event.planning_seconds:
            self._add_phases(identity, {"planning": event.planning_seconds})
        common = {"experiment_id": identity, "created_at": self._time}
        for call in event.calls:
            row = call.model_dump() | common | {"run_id": self._run_id, "error": call.error or None}
            self._insert("llm_calls", row)
        for draft in event.drafts:
            self._insert("drafts", draft.model_dump() | common)

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
        self._clear(identity, "metrics", "gates")
        for metric in outcome.metrics:
            row = {_METRIC_COLUMNS.get(name, name): value for name, value in metric.model_dump().items()}
            self._insert("metrics", {"experiment_id": identity, **row})
        for position, gate in enumerate(outcome.gates):
            self._insert("gates", {"experiment_id": identity, "position": position, **gate.model_dump()})
        if outcome.phases:  # the outcome knows the whole times; what was added up on the way is replaced
            self._clear(identity, "phases")
            self._add_phases(identity, outcome.phases)

    def _tests(self, experiment: int, evaluation: Evaluation) -> None:
        self._clear(experiment, "tests")
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
        return self._insert("experiments", {
            "iteration": number, "number": number, "blueprint_name": name[0], "run_id": self._run_id,
            "created_at": self._time,
        })  # fmt: skip

    def _update(self, experiment: int, row: Mapping[str, object]) -> None:
        columns = ", ".join(f"{column} = ?" for column in row)
        self._db.execute(
            f"UPDATE experiments SET {columns} WHERE id = ?", [*(cell(value) for value in row.values()), experiment]
        )

    def _insert(self, table: str, row: Mapping[str, object], *, replace: bool = False) -> int:
        """Insert a row and return its id."""
        return insert(self._db, table, {column: cell(value) for column, value in row.items()}, replace=replace)

    def _clear(self, experiment: int, *tables: str) -> None:
        """Take out what was said of an experiment before."""
        for table in tables:
            self._db.execute(f"DELETE FROM {table} WHERE experiment_id = ?", [experiment])


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
