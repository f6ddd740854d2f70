"""The tables, as SQL: one script per numbered migration (`user_version`), and lifting a database to the current one.

`events` is the truth, with what is too large for it in `evaluations` and `blobs`; the rest are projections. Names
that the original Maabarium has keep their meaning. No AUTOINCREMENT: a killed and resumed run ends with the same ids.
"""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database

from maabarium.errors import StoreError
from maabarium.store.connection import prepare_writing, timestamp, transaction, translated

__all__ = ["APPLICATION_ID", "SCRIPTS", "VERSION", "migrate", "require_current"]

APPLICATION_ID = 0x4D616142
"""Written into the header of the file ("MaaB"), so that another program's database is recognised."""

_RUNS = """
CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL);

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    state TEXT NOT NULL, reason_code TEXT, reason TEXT NOT NULL DEFAULT '',
    started_at TEXT NOT NULL, finished_at TEXT,
    blueprint_name TEXT NOT NULL, blueprint_path TEXT NOT NULL, blueprint_text TEXT NOT NULL,
    blueprint_hash TEXT NOT NULL, grader_hash TEXT NOT NULL,
    seed TEXT NOT NULL, max_iterations INTEGER NOT NULL,
    target TEXT NOT NULL, isolation TEXT NOT NULL, repository TEXT NOT NULL,
    base_commit TEXT NOT NULL, start_commit TEXT NOT NULL, start_tree TEXT NOT NULL,
    branch TEXT NOT NULL, promote INTEGER NOT NULL, version TEXT NOT NULL,
    campaign_id TEXT, task_id TEXT
);
CREATE INDEX idx_runs_started_at ON runs (started_at DESC);

CREATE TABLE events (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    time TEXT NOT NULL, type TEXT NOT NULL, number INTEGER, payload TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
);

CREATE TABLE blobs (sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE event_blobs (
    run_id TEXT NOT NULL, sequence INTEGER NOT NULL, sha256 TEXT NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (run_id, sequence, sha256),
    FOREIGN KEY (run_id, sequence) REFERENCES events (run_id, sequence) ON DELETE CASCADE
);
CREATE INDEX idx_event_blobs_sha256 ON event_blobs (sha256);

CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    kind TEXT NOT NULL, created_at TEXT NOT NULL, handled_at TEXT
);
CREATE INDEX idx_requests_run_id ON requests (run_id);
"""

_EXPERIMENTS = """
CREATE TABLE experiments (
    id INTEGER PRIMARY KEY,
    iteration INTEGER NOT NULL, blueprint_name TEXT NOT NULL, proposal_summary TEXT NOT NULL DEFAULT '',
    weighted_total REAL, duration_ms INTEGER NOT NULL DEFAULT 0, error TEXT,
    promotion_outcome TEXT NOT NULL DEFAULT 'unknown',
    promoted_branch_name TEXT, promoted_commit_oid TEXT, promoted_target_branch_name TEXT,
    created_at TEXT NOT NULL,
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    parent_id INTEGER REFERENCES experiments (id) ON DELETE SET NULL,
    parent_commit TEXT NOT NULL DEFAULT '', origin TEXT NOT NULL DEFAULT '{}', seed TEXT NOT NULL DEFAULT '0',
    tree TEXT NOT NULL DEFAULT '', reason_code TEXT, reason TEXT NOT NULL DEFAULT '',
    effect REAL, interval_low REAL, interval_high REAL, pairs INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run_id, number)
);
CREATE INDEX idx_experiments_blueprint_success_score
    ON experiments (blueprint_name, weighted_total DESC) WHERE error IS NULL;
CREATE INDEX idx_experiments_blueprint_id ON experiments (blueprint_name, id DESC);
CREATE INDEX idx_experiments_parent_id ON experiments (parent_id);

CREATE TABLE metrics (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    name TEXT NOT NULL, value REAL, weight REAL,
    source TEXT NOT NULL, raw_value REAL, unit TEXT NOT NULL, direction TEXT NOT NULL,
    baseline_value REAL, champion_value REAL
);
CREATE INDEX idx_metrics_experiment_id ON metrics (experiment_id);

CREATE TABLE proposals (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    summary TEXT NOT NULL, file_patches_json TEXT NOT NULL DEFAULT '[]', author TEXT NOT NULL DEFAULT '',
    data_json TEXT NOT NULL DEFAULT '{}', created_at TEXT NOT NULL
);
CREATE INDEX idx_proposals_experiment_id ON proposals (experiment_id);

CREATE TABLE gates (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    position INTEGER NOT NULL, name TEXT NOT NULL, passed INTEGER NOT NULL,
    reason_code TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (experiment_id, position)
);

CREATE TABLE phases (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    phase TEXT NOT NULL, seconds REAL,
    PRIMARY KEY (experiment_id, phase)
);
"""

_EVALUATIONS = """
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    stage TEXT NOT NULL, pair INTEGER NOT NULL, candidate_first INTEGER NOT NULL,
    duration REAL, problem TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE INDEX idx_attempts_experiment_id ON attempts (experiment_id);

CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    attempt_id INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    tree TEXT NOT NULL, grader TEXT NOT NULL, environment TEXT NOT NULL,
    stage TEXT NOT NULL, side TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX idx_evaluations_key ON evaluations (tree, grader, environment, stage);
CREATE INDEX idx_evaluations_experiment_id ON evaluations (experiment_id);
CREATE INDEX idx_evaluations_attempt_id ON evaluations (attempt_id);

CREATE TABLE samples (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    pair INTEGER NOT NULL, side TEXT NOT NULL, candidate_first INTEGER NOT NULL,
    source TEXT NOT NULL, clock TEXT NOT NULL, value REAL,
    PRIMARY KEY (experiment_id, pair, side, source)
);

CREATE TABLE tests (
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    test_id TEXT NOT NULL, outcome TEXT NOT NULL, duration REAL,
    PRIMARY KEY (experiment_id, test_id)
) WITHOUT ROWID;
"""

_MODELS_AND_RESEARCH = """
CREATE TABLE llm_calls (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    experiment_id INTEGER REFERENCES experiments (id) ON DELETE CASCADE,
    agent TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    prompt_tokens INTEGER, completion_tokens INTEGER, cost REAL, latency_ms INTEGER,
    error TEXT, created_at TEXT NOT NULL
);
CREATE INDEX idx_llm_calls_run_id ON llm_calls (run_id);
CREATE INDEX idx_llm_calls_experiment_id ON llm_calls (experiment_id);

CREATE TABLE drafts (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    agent TEXT NOT NULL, round INTEGER NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX idx_drafts_experiment_id ON drafts (experiment_id);

CREATE TABLE research_sources (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    url TEXT NOT NULL, final_url TEXT, host TEXT, label TEXT, title TEXT,
    citation_count INTEGER NOT NULL DEFAULT 0, verified INTEGER NOT NULL DEFAULT 0,
    status_code INTEGER, fetch_error TEXT
);
CREATE INDEX idx_research_sources_experiment_id ON research_sources (experiment_id);

CREATE TABLE research_citations (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    file_path TEXT NOT NULL, source_url TEXT NOT NULL, label TEXT, line_number INTEGER NOT NULL,
    snippet TEXT NOT NULL
);
CREATE INDEX idx_research_citations_experiment_id ON research_citations (experiment_id);

CREATE TABLE research_query_traces (
    id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    provider TEXT NOT NULL, query_text TEXT NOT NULL, result_count INTEGER NOT NULL,
    top_urls_json TEXT NOT NULL DEFAULT '[]', latency_ms INTEGER NOT NULL,
    executed_at TEXT NOT NULL, error TEXT
);
CREATE INDEX idx_research_query_traces_experiment_id ON research_query_traces (experiment_id);

CREATE TABLE lora_artifacts (
    experiment_id INTEGER PRIMARY KEY REFERENCES experiments (id) ON DELETE CASCADE,
    metadata_json TEXT NOT NULL
);
"""

_CALLS = """
ALTER TABLE llm_calls ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE llm_calls ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE llm_calls ADD COLUMN cached_tokens INTEGER;
"""

SCRIPTS: tuple[str, ...] = (_RUNS + _EXPERIMENTS + _EVALUATIONS + _MODELS_AND_RESEARCH, _CALLS)
"""`SCRIPTS[n - 1]` lifts a database from version n - 1 to version n. Never edit one that was released."""
VERSION = len(SCRIPTS)


def migrate(db: Database, path: Path) -> None:
    """Prepare for writing and take all missing steps. StoreError: not ours, newer than we are, or cannot be written."""
    with translated(path):
        found = _checked_version(db, path)
        prepare_writing(db)
        for version in range(found + 1, VERSION + 1):
            with transaction(db):
                # Somebody else may have taken the step while we waited for the lock.
                if _version(db) < version:
                    db.executescript(SCRIPTS[version - 1])
                    db.table("migrations").insert({"version": version, "applied_at": timestamp()})
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {version}")


def require_current(db: Database, path: Path) -> None:
    """Check a database that is only read: StoreError when its schema is not exactly ours."""
    with translated(path):
        found = _checked_version(db, path)
        if found < VERSION:
            raise StoreError(f"{path} has schema {found or 'none'}; start a run with it once to lift it to {VERSION}")


def _version(db: Database) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _checked_version(db: Database, path: Path) -> int:
    """The schema of a database of ours that we know. Other programs count theirs too: without our mark it is theirs."""
    # The mark is read last: another process may be making the database, and tables and mark appear together.
    names, version = set(db.table_names()), _version(db)
    ours = int(db.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION_ID
    if ours or not (names or version):
        if version > VERSION:
            raise StoreError(
                f"{path} has schema {version}, this version of Maabarium knows {VERSION}; "
                "upgrade Maabarium, or name another database"
            )
        return version
    if {"experiments", "metrics", "proposals"} <= names:
        raise StoreError(f"{path} was written by the original Maabarium; name another database for this one")
    raise StoreError(f"{path} belongs to another program; name another database")
