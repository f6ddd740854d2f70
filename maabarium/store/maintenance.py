"""Pruning old runs and checking that the database is sound. Reads and deletes rows; writes none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from sqlite3 import OperationalError

from sqlite_utils import Database

from maabarium.events import Decided, Journal
from maabarium.store.payloads import cell, unpack

__all__ = ["damage", "delete_runs", "disagreements", "runs_older_than", "shrink"]

_COUNTED = ("runs", "experiments", "evaluations", "events", "blobs")


def runs_older_than(db: Database, days: float) -> list[str]:
    """See `Store.runs_older_than`."""
    limit = datetime.now(UTC) - timedelta(days=days)
    found = db.execute(
        "SELECT r.run_id FROM runs r JOIN events e ON e.run_id = r.run_id GROUP BY r.run_id"
        " HAVING max(e.time) < ? ORDER BY r.started_at, r.rowid",
        [limit.isoformat(timespec="milliseconds").replace("+00:00", "Z")],
    )
    return [str(row[0]) for row in found.fetchall()]


def delete_runs(db: Database, ids: Sequence[str]) -> dict[str, int]:
    """See `Store.delete_runs`; inside a transaction."""
    before = {table: db.table(table).count for table in _COUNTED}
    for run_id in ids:
        db.execute("DELETE FROM runs WHERE run_id = ?", [cell(run_id)])  # the rest follows by its foreign keys
    db.execute("DELETE FROM blobs WHERE sha256 NOT IN (SELECT sha256 FROM event_blobs)")
    return {table: count - db.table(table).count for table, count in before.items()}


def shrink(db: Database) -> None:
    """Give the room of deleted rows back to the file system, as far as other processes let us."""
    with suppress(OperationalError):
        db.executescript("PRAGMA incremental_vacuum;")  # execute() stops after the first page
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


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
