"""The store of runs: appends transitions and gives them back. Knows no git, no engine and no proposer.

One transition is one transaction: its event and all rows that follow from it are there, or nothing is. Any
number of processes may write runs of their own into one database; one run has one writer. Any thread may call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlite_utils import Database

from maabarium.errors import StoreError
from maabarium.events import Journal, MeasuredEvent, RunFinished, RunStarted, Transition
from maabarium.plugins.hookspecs import Event
from maabarium.records import Evaluation
from maabarium.store import maintenance, queries
from maabarium.store.connection import connect, timestamp, transaction, translated
from maabarium.store.migrations import migrate, require_current
from maabarium.store.payloads import (
    Taken,
    cell,
    decode,
    dump_payload,
    encode,
    load_evaluation,
    load_payload,
    number_of,
    pack,
    unpack,
)
from maabarium.store.projections import Rows
from maabarium.store.queries import Request, RequestKind, RunSummary, StoredView

__all__ = ["Store"]


class Store:
    """All runs of one database file. Made by `open`; a context manager that closes it."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._lock = threading.RLock()
        self.path = path

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> Self:
        """Open, and unless `readonly` make or lift, the database. StoreError says what is wrong with it.

        Read-only opening changes no row, and works in folders that cannot be written.
        """
        db = connect(path, readonly=readonly)
        try:
            (require_current if readonly else migrate)(db, path)
        except BaseException:
            db.close()
            raise
        return cls(db, path)

    def close(self) -> None:
        """Close the file; the store is of no use afterwards."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, run_id: str, transition: Transition) -> Event:
        """Store one transition with all that follows from it, and return it as stored.

        StoreError when it cannot be written; the database is then as it was before.
        """
        time = timestamp()
        with self._writing():
            rows = Rows(self._db, run_id, time)
            if isinstance(transition, RunStarted):
                self._start(run_id, transition, rows)
            elif not (state := self._state(run_id)):
                raise StoreError(f"run {run_id} is not in {self.path}; its first transition must be run_started")
            elif state != "running" and not isinstance(transition, RunFinished):
                rows.resumed()
            evaluations = rows.measured(transition) if isinstance(transition, MeasuredEvent) else {}
            taken = encode(transition, evaluations)
            event = self._event(run_id, transition, taken, time)
            rows.other(transition)
        return event

    def journal(self, run_id: str) -> Journal:
        """All transitions of a run in their order, exactly as they were appended; none when it has not started."""
        with self._reading():
            stored = self._db.execute(
                "SELECT sequence, payload FROM events WHERE run_id = ? ORDER BY sequence", [cell(run_id)]
            ).fetchall()
            return tuple(self._decode(run_id, sequence, payload) for sequence, payload in stored)

    def evaluation(self, tree: str, grader: str, environment: str) -> Evaluation | None:
        """The latest evaluation of this tree under this grader and environment that was made alone, not in a pair."""
        with self._reading():
            found = self._db.execute(
                "SELECT id FROM evaluations WHERE tree = ? AND grader = ? AND environment = ?"
                " AND stage IN ('baseline', 'screen', 'audit') AND side = 'candidate' ORDER BY id DESC LIMIT 1",
                [cell(tree), cell(grader), cell(environment)],
            ).fetchone()
            return None if found is None else self._evaluation(found[0])

    def resolve(self, run: str, blueprint_name: str | None = None) -> str:
        """The run id that "last" or a unique prefix means. UsageProblem lists the runs that come near."""
        with self._reading():
            return queries.resolve(self._db, run, blueprint_name)

    def runs(self, limit: int, blueprint_name: str | None = None) -> list[RunSummary]:
        """The latest runs, newest first."""
        with self._reading():
            return queries.summaries(self._db, limit, blueprint_name)

    def view(self, run_id: str) -> StoredView:
        """All that reports and commands read of one run."""
        with self._reading():
            return self._view(run_id)

    def spent(self, run_id: str) -> tuple[int, float]:
        """Tokens and US dollars of all calls of models in a run, as far as they are known."""
        with self._reading():
            return queries.spent(self._db, run_id)

    def request(self, run_id: str, kind: RequestKind) -> int:
        """Ask the engine of a run for something; returns the id of the request."""
        with self._writing():
            return queries.add_request(self._db, run_id, kind, timestamp())

    def pending_requests(self, run_id: str) -> tuple[Request, ...]:
        """What was asked of a run and is not handled yet, oldest first."""
        with self._reading():
            return queries.pending_requests(self._db, run_id)

    def handle(self, request_id: int) -> None:
        """Mark a request as handled; the first time counts."""
        with self._writing():
            queries.handle_request(self._db, request_id, timestamp())

    def runs_older_than(self, days: float) -> list[str]:
        """Ids of runs whose last event is older than that, oldest first."""
        with self._reading():
            return maintenance.runs_older_than(self._db, days)

    def delete_runs(self, ids: Sequence[str]) -> dict[str, int]:
        """Delete runs with all that only they need; returns the rows deleted by table, and gives the room back."""
        with self._writing():
            counts = maintenance.delete_runs(self._db, ids)
        with self._lock, translated(self.path):
            maintenance.shrink(self._db)
        return counts

    def integrity(self) -> list[str]:
        """Everything that is wrong with the database, as sentences; empty when it is sound."""
        with self._reading():
            return [*maintenance.damage(self._db), *self._unreadable()]

    def _start(self, run_id: str, transition: RunStarted, rows: Rows) -> None:
        if transition.run.run_id != run_id:
            raise StoreError(f"run {run_id} cannot start with the record of run {transition.run.run_id}")
        if self._state(run_id):
            raise StoreError(f"run {run_id} is in {self.path} already; resume it, or start one with another id")
        rows.start(transition.run)

    def _state(self, run_id: str) -> str:
        found = self._db.execute("SELECT state FROM runs WHERE run_id = ?", [cell(run_id)]).fetchone()
        return "" if found is None else str(found[0])

    def _event(self, run_id: str, transition: Transition, taken: Taken, time: str) -> Event:
        """Write the event itself, and the contents that it refers to, once each."""
        run = cell(run_id)
        (sequence,) = self._db.execute(
            "SELECT coalesce(max(sequence), 0) + 1 FROM events WHERE run_id = ?", [run]
        ).fetchone()
        number = number_of(transition)
        row = {"run_id": run, "sequence": sequence, "time": time, "type": transition.type, "number": cell(number)}
        self._db.table("events").insert({**row, "payload": dump_payload(taken.payload)})
        for digest, content in taken.blobs.items():
            if self._db.execute("SELECT 1 FROM blobs WHERE sha256 = ?", [digest]).fetchone() is None:
                self._db.table("blobs").insert({"sha256": digest, "size": len(content), "data": pack(content)})
            self._db.table("event_blobs").insert({"run_id": run, "sequence": sequence, "sha256": digest})
        return Event(run_id=run_id, sequence=sequence, type=transition.type, number=number, payload=taken.payload)

    def _decode(self, run_id: str, sequence: int, payload: str | bytes) -> Transition:
        try:
            return decode(load_payload(payload), self._blob, self._evaluation)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"event {sequence} of run {run_id} in {self.path} cannot be read: {error}") from error

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

    def _view(self, run_id: str) -> StoredView:
        facts = self._db.execute(
            "SELECT type, sequence, payload FROM events WHERE run_id = ?"
            " AND type IN ('run_started', 'proposed', 'decided') ORDER BY sequence",
            [cell(run_id)],
        ).fetchall()
        if not facts:
            raise StoreError(f"run {run_id} is not in {self.path}")
        journal = [self._decode(run_id, sequence, payload) for _, sequence, payload in facts]
        baseline = queries.baseline_evaluation(self._db, run_id)
        view = queries.view(self._db, run_id, journal, None if baseline is None else self._evaluation(baseline))
        return view.model_copy(update={"database": self.path.absolute()})

    def _unreadable(self) -> Iterator[str]:
        for (run_id,) in self._db.execute("SELECT run_id FROM runs ORDER BY rowid").fetchall():
            try:
                journal = self.journal(run_id)
            except StoreError as error:
                yield str(error)
            else:
                yield from maintenance.disagreements(self._db, run_id, journal)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, translated(self.path), transaction(self._db):
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the database for all queries of the block."""
        with self._lock, translated(self.path), self._db.atomic():
            yield
