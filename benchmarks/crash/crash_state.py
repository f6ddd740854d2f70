"""What a run left behind, written so that two runs can be compared; and what it must not leave.

Not compared, because no two runs share them: times (`TIMES`, and the keys `TIMED` inside of JSON), the run's id, and
the printed output in `log`, which tells times; of a measurement in seconds, which is stored whether or not a metric
asks for it, the value. Ids of commits contain times too: each commit and tree id is replaced
by a digest of the files that it holds, the user's own notes left out. The stage's folder is written as `<root>`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crash_stage import Stage, git

__all__ = ["TIMED", "TIMES", "State", "harm", "has_run", "state"]

TIMES = {
    "migrations": {"applied_at"},
    "runs": {"started_at", "finished_at"},
    "events": {"time"},
    "experiments": {"created_at", "duration_ms"},
    "proposals": {"created_at"},
    "phases": {"seconds"},
    "attempts": {"created_at", "duration"},
    "tests": {"duration"},
}
"""Columns that are times, by table. All other columns of all tables are compared."""
TIMED = {"duration", "planning_seconds", "session_seconds", "log"}
"""Keys of JSON that are times or tell of times. Of `phases` the names are compared."""
_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")

State = dict[str, Any]


def has_run(stage: Stage) -> bool:
    """Whether a run got as far as its row."""
    return bool(_query(stage, "SELECT 1 FROM sqlite_master WHERE name = 'runs'")) and bool(
        _query(stage, "SELECT 1 FROM runs")
    )


def state(stage: Stage) -> State:
    """All tables, the branch and the champion of a finished run."""
    reader = _Reader(stage)
    names = [name for (name,) in _query(stage, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found: State = {name: list(reader.rows(name)) for name in names}
    start = _query(stage, "SELECT start_commit FROM runs")[0][0]
    trailer = "%(trailers:key=Maabarium-Experiment,valueonly,separator=%x2C)"
    moved = git(stage.target, "branch", "--list", "maabarium/stall")
    span = f"{start}..maabarium/stall" if moved else f"{start}..{start}"
    log = git(stage.target, "log", "--reverse", f"--format=%T %s {trailer}", span)
    found["the branch"] = [reader.plain(line) for line in log.splitlines()]
    champion = _query(
        stage, "SELECT number, tree FROM experiments WHERE promotion_outcome = 'promoted' ORDER BY number DESC LIMIT 1"
    )
    found["the champion"] = [[number, reader.plain(tree)] for number, tree in champion]
    return found


def _query(stage: Stage, sql: str) -> list[Any]:
    if not stage.database.exists():
        return []
    connection = sqlite3.connect(stage.database, timeout=30)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


class _Reader:
    """Reads the database of one stage without what differs by nature."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.run_id = _query(stage, "SELECT run_id FROM runs")[0][0]
        self.private = Path(_query(stage, "SELECT repository FROM runs")[0][0])
        self._known: dict[str, str] = {}

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table in their order."""
        columns = [row[1] for row in _query(self.stage, f"PRAGMA table_info({table})")]
        for row in _query(self.stage, f"SELECT * FROM {table}"):
            yield {
                column: self._cell(table, column, value)
                for column, value in zip(columns, row, strict=True)
                if column not in TIMES.get(table, set())
            }

    def _cell(self, table: str, column: str, value: Any) -> Any:
        if column == "payload":
            text = zlib.decompress(value).decode() if table == "evaluations" else value
            return self._untimed(json.loads(text))
        return self.plain(value) if isinstance(value, str) else value

    def _untimed(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("unit") == "s" and "clock" in value:
                value = {**value, "value": "a time", "seconds": "a time"}
            return {
                key: sorted(inner) if key == "phases" else self._untimed(inner)
                for key, inner in value.items()
                if key not in TIMED
            }
        if isinstance(value, list):
            return [self._untimed(inner) for inner in value]
        return self.plain(value) if isinstance(value, str) else value

    def plain(self, text: str) -> str:
        """Text without the run's id, folder, commits and trees."""
        text = text.replace(str(self.stage.root), "<root>").replace(self.run_id, "<run>")
        text = re.sub(r"/target-[0-9a-f]{16}/", "/<home>/", text)
        return _COMMIT.sub(lambda match: self._meaning(match[0]), text)

    def _meaning(self, name: str) -> str:
        """A digest of the files that a commit or tree holds; other hashes stay."""
        if name not in self._known:
            command = ["git", "-C", str(self.private), "ls-tree", "-r", name]
            done = subprocess.run(command, capture_output=True, check=False)
            lines = [line for line in done.stdout.splitlines() if not line.endswith(b"\tnotes.txt")]
            digest = hashlib.sha256(b"\n".join(lines)).hexdigest()[:12]
            self._known[name] = name if done.returncode else f"<files {digest}>"
        return self._known[name]


def harm(stage: Stage) -> list[str]:
    """What is not as it must be after a run, whatever happened during it; empty when all is well."""
    target = stage.target
    found = stage.left_processes()
    if git(target, "rev-parse", "main").strip() != stage.commits[-1] or set(stage.commits) - set(
        git(target, "rev-list", "main").split()
    ):
        found.append("the user's branch is not what they committed")
    if git(target, "worktree", "list", "--porcelain").count("worktree ") != 1:
        found.append("a worktree is registered in the user's repository")
    found += [f"git status: {line}" for line in git(target, "status", "--porcelain").splitlines()]
    refs = git(target, "for-each-ref", "--format=%(refname)").split()
    (run_id,) = _query(stage, "SELECT run_id FROM runs")[0]
    expected = {"refs/heads/main", "refs/heads/maabarium/stall", f"refs/maabarium/{run_id}"}
    found += [f"ref {name} is too much or missing" for name in sorted(set(refs) ^ expected)]
    for place in (target, *(stage.root / "cache").glob("maabarium/*/repository.git")):
        done = subprocess.run(["git", "-C", str(place), "fsck"], capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        said = [line for line in lines if not line.startswith(("dangling", "notice"))]
        found += [f"git fsck: {line}" for line in said or ([f"status {done.returncode}"] if done.returncode else [])]
    found += [f"lock {path}" for path in (target / ".git").rglob("*.lock")]
    cache = stage.root / "cache" / "maabarium"
    left = cache.glob("*/runs/*")
    return found + [f"left in the cache: {path.relative_to(cache)}" for path in left]
