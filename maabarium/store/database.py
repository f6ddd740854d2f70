"""The store of runs: appends transitions and gives them back.

One transition is one transaction: its event and all rows that follow from it are there, or nothing is. Any
number of processes may write runs of their own into one database; one run has one writer. Any thread may call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from sqlite3 import OperationalError
from typing import Self, get_args

from maabarium.errors import StoreError
from maabarium.events import MeasuredEvent, Promoting, RunFinished, RunStarted, Transition
from maabarium.plugins.hookspecs import Event
from maabarium.store.connection import connect, insert, timestamp, transaction, translated
from maabarium.store.payloads import Taken, cell, dump_payload, encode, number_of, pack
from maabarium.store.projections import Rows
from maabarium.store.reader import RequestKind, StoreReader
from maabarium.store.schema import migrate, require_current

__all__ = ["Store"]

_COUNTED = ("runs", "experiments", "evaluations", "events", "blobs")


class Store(StoreReader):
    """All runs of one database file. Made by `open`; a context manager that closes it."""

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False) -> Self:
        """Open, and unless `readonly` make or lift, the database. StoreError says what is wrong with it."""
        db = connect(path, readonly=readonly)
        try:
            (require_current if readonly else migrate)(db, path)
        except BaseException:
            db.close()
            raise
        return cls(db, path)

    def append(self, run_id: str, transition: Transition) -> Event:
        """Store one transition with all that follows from it, and return it; all or nothing. Raises StoreError."""
        time = timestamp()
        # A power cut must not lose the intent to promote when the branch has moved already; what it may lose of the
        # rest is measured again.
        durable = isinstance(transition, RunStarted | Promoting | RunFinished)
        with self._writing(durable=durable):
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

    def request(self, run_id: str, kind: RequestKind) -> int:
        """Ask the engine of a run for something; returns the id of the request."""
        if kind not in get_args(RequestKind):
            raise StoreError(f'"{kind}" cannot be asked of a run; there is: {", ".join(get_args(RequestKind))}')
        with self._writing():
            if not self._state(run_id):
                raise StoreError(f"run {run_id} is not in the database, so nothing can be asked of it")
            row = {"run_id": cell(run_id), "kind": kind, "created_at": timestamp()}
            return insert(self._db, "requests", row)

    def handle(self, request_id: int) -> None:
        """Mark a request as handled; the first time counts."""
        with self._writing():
            if self._db.execute("SELECT 1 FROM requests WHERE id = ?", [request_id]).fetchone() is None:
                raise StoreError(f"there is no request {request_id}")
            update = "UPDATE requests SET handled_at = ? WHERE id = ? AND handled_at IS NULL"
            self._db.execute(update, [timestamp(), request_id])

    def delete_runs(self, ids: Sequence[str]) -> dict[str, int]:
        """Delete runs with all that only they need; returns the rows deleted by table, and gives the room back."""
        with self._writing():
            before = {table: self._db.table(table).count for table in _COUNTED}
            for run_id in ids:  # the rest follows by its foreign keys
                self._db.execute("DELETE FROM runs WHERE run_id = ?", [cell(run_id)])
            self._db.execute("DELETE FROM blobs WHERE sha256 NOT IN (SELECT sha256 FROM event_blobs)")
            counts = {table: count - self._db.table(table).count for table, count in before.items()}
        with self._lock, translated(self.path), suppress(OperationalError):  # as far as other processes let us
            self._db.executescript("PRAGMA incremental_vacuum;")  # execute() stops after the first page
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return counts

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
        insert(self._db, "events", {**row, "payload": dump_payload(taken.payload)})
        for digest, content in taken.blobs.items():
            if self._db.execute("SELECT 1 FROM blobs WHERE sha256 = ?", [digest]).fetchone() is None:
                insert(self._db, "blobs", {"sha256": digest, "size": len(content), "data": pack(content)})
            insert(self._db, "event_blobs", {"run_id": run, "sequence": sequence, "sha256": digest})
        return Event(run_id=run_id, sequence=sequence, type=transition.type, number=number, payload=taken.payload)

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[None]:
        with self._lock, translated(self.path), transaction(self._db, durable=durable or not self._has_wal):
            yield

    @cached_property
    def _has_wal(self) -> bool:
        """Nobody can take it away while we have the file open; without one, every transaction has to be durable."""
        return bool(self._db.journal_mode == "wal")
