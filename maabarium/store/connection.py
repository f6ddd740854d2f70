"""Opening the database file, and what SQLite says of it as sentences that name the file and a way out."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from maabarium.errors import StoreError

__all__ = ["connect", "insert", "prepare_writing", "timestamp", "transaction", "translated"]

BUSY_SECONDS = 30.0
"""How long one process waits for another one's transaction; ours take milliseconds."""

_SENTENCES = {
    sqlite3.SQLITE_FULL: "there is no room left for {path}; free some space, then resume the run",
    sqlite3.SQLITE_IOERR: "{path} could not be read or written ({error}); check the disk and its free space",
    sqlite3.SQLITE_READONLY: "{path} cannot be written; make it and its folder writable, or name another database",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened; make its folder writable, or name another database",
    sqlite3.SQLITE_PERM: "{path} cannot be opened; check its permissions",
    sqlite3.SQLITE_AUTH: "{path} cannot be opened; check its permissions",
    sqlite3.SQLITE_NOTADB: "{path} is not an SQLite database; name another one, or move the file away",
    sqlite3.SQLITE_CORRUPT: "{path} is damaged ({error}); move it away, or restore it from a copy",
    sqlite3.SQLITE_BUSY: "{path} is kept locked by another process; try again when that one has ended",
    sqlite3.SQLITE_LOCKED: "{path} is kept locked by another process; try again when that one has ended",
    sqlite3.SQLITE_TOOBIG: "a file of this proposal is too large for {path}; SQLite stores at most 1 GB in one place",
}


def timestamp() -> str:
    """The time now: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn any sqlite3.Error inside the block into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bytes hold the extended code
        sentence = _SENTENCES.get(primary, "{path} could not be used: {error}")
        raise StoreError(sentence.format(path=path, error=error)) from error


def insert(db: Database, table: str, row: Mapping[str, object], *, replace: bool = False) -> int:
    """Insert one row and return its id. In plain SQL: the library looks at the schema each time."""
    columns, places = ", ".join(row), ", ".join("?" * len(row))
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    return int(db.execute(f"{verb} INTO {table} ({columns}) VALUES ({places})", list(row.values())).lastrowid or 0)


@contextmanager
def transaction(db: Database, *, durable: bool = True) -> Iterator[None]:
    """Run the block in one transaction that holds the write lock from its start.

    `durable`: with all before it, it has reached the disk when the block is left. Otherwise, which wants a WAL, a
    killed process loses nothing, a power cut perhaps the latest transactions; the database is sound in any case.

    A deferred transaction (`atomic()` alone) that reads before it writes fails at once, busy timeout or not,
    when another process commits in between. Within this one, `atomic()` blocks nest as savepoints.
    """
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.commit()
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have ended the transaction already
            db.rollback()
        raise


def connect(path: Path, *, readonly: bool = False) -> Database:
    """Open the file without changing it, making it and its folder when it is to be written. Raises StoreError."""
    try:
        if path.is_dir():
            raise StoreError(f"{path} is a folder; name a file for the database")
        if readonly:
            return _connect_readonly(path)
        _make_folder(path.parent)
    except OSError as error:  # a folder on the way that may not be entered, a name too long
        raise StoreError(f"{path} cannot be reached: {error.strerror}; name another database") from error
    with translated(path):
        return _open(path, "mode=rwc")


def prepare_writing(db: Database) -> None:
    """Set up a database that is known to be ours, or empty. Raises sqlite3.Error when it cannot be written."""
    # So that pruning gives room back; has an effect only before the first page is written.
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    with transaction(db):
        pass  # a read-only file says so here
    db.execute("PRAGMA foreign_keys = ON")
    # A rollback journal is as safe as a WAL, only slower: some network file systems offer nothing else, and
    # when several processes get here at once the others find the mode changed.
    with suppress(sqlite3.OperationalError):
        db.enable_wal()


def _connect_readonly(path: Path) -> Database:
    """Open for queries only, also where the folder is read-only and SQLite cannot make its side files."""
    if not path.exists():
        raise StoreError(f"there is no database at {path}; start a run first, or name the right one")
    with translated(path):
        try:
            return _open(path, "mode=ro")
        except sqlite3.OperationalError:
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise  # ignoring the WAL would show an old state
            return _open(path, "mode=ro&immutable=1")


def _open(path: Path, query: str) -> Database:
    uri = f"{path.absolute().as_uri()}?{query}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        db = Database(connection, execute_plugins=False)  # plug-ins of sqlite-utils have no business in ours
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first statement is what opens the file
        return db
    except BaseException:
        connection.close()
        raise


def _make_folder(folder: Path) -> None:
    """Make the folder; one that we made ourselves keeps out of git by a `.gitignore` of its own."""
    if folder.is_dir():
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In one step: a kill between folder and file would leave a folder that nobody keeps out of git.
        fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
        fresh.mkdir(exist_ok=True)
        (fresh / ".gitignore").write_text("*\n", encoding="utf-8")
        try:
            fresh.rename(folder)
        except OSError:
            shutil.rmtree(fresh)
            if not folder.is_dir():
                raise
    except OSError as error:
        raise StoreError(f"the folder {folder} cannot be made: {error.strerror}; name another database") from error
