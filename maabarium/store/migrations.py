"""Lifting a database to the current schema, one numbered step at a time. Knows the scripts, not the tables.

The number lives in `user_version`; the table `migrations` says when each step was taken.
"""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database

from maabarium.errors import StoreError
from maabarium.store.connection import prepare_writing, timestamp, transaction, translated
from maabarium.store.schema import APPLICATION_ID, SCRIPTS

__all__ = ["VERSION", "migrate", "require_current"]

VERSION = len(SCRIPTS)


def migrate(db: Database, path: Path) -> None:
    """Prepare for writing and take all missing steps, each in its own transaction.

    StoreError when the database is not ours, newer than we are, or cannot be written.
    """
    with translated(path):
        _refuse_strangers(db, path)
        _refuse_newer(path, _version(db))
        prepare_writing(db)
        for version in range(1, VERSION + 1):
            if _version(db) >= version:
                continue
            with transaction(db):
                # Somebody else may have taken the step while we waited for the lock.
                if _version(db) < version:
                    _step(db, version)


def require_current(db: Database, path: Path) -> None:
    """Check a database that is only read: StoreError when its schema is not exactly ours."""
    with translated(path):
        found = _version(db)
        _refuse_strangers(db, path)
        _refuse_newer(path, found)
        if found < VERSION:
            raise StoreError(f"{path} has schema {found or 'none'}; start a run with it once to lift it to {VERSION}")


def _version(db: Database) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _step(db: Database, version: int) -> None:
    db.executescript(SCRIPTS[version - 1])
    db.table("migrations").insert({"version": version, "applied_at": timestamp()})
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {version}")


def _refuse_newer(path: Path, found: int) -> None:
    if found > VERSION:
        raise StoreError(
            f"{path} has schema {found}, this version of Maabarium knows {VERSION}; "
            "upgrade Maabarium, or name another database"
        )


def _refuse_strangers(db: Database, path: Path) -> None:
    """Other programs count their schemas too, so tables without our mark are never touched."""
    # The mark is read last: another process may be making the database, and tables and mark appear together.
    names, version = set(db.table_names()), _version(db)
    ours = int(db.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION_ID
    if ours or not (names or version):
        return
    if {"experiments", "metrics", "proposals"} <= names:
        raise StoreError(f"{path} was written by the original Maabarium; name another database for this one")
    raise StoreError(f"{path} belongs to another program; name another database")
