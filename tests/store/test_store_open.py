"""What `Store.open` makes, refuses and says."""

from __future__ import annotations

import os
import sqlite3

import pytest
from store_records import RUN, journal

from maabarium.errors import StoreError
from maabarium.store import Store
from maabarium.store.schema import VERSION


def test_the_folder_is_made_and_keeps_out_of_git(tmp_path):
    with Store.open(tmp_path / "deep" / "data" / "m.db") as store:
        assert store.integrity() == []
    assert (tmp_path / "deep" / "data" / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "deep" / ".gitignore").exists()


def test_an_existing_folder_gets_no_gitignore(tmp_path):
    Store.open(tmp_path / "m.db").close()
    assert not (tmp_path / ".gitignore").exists()


def test_opening_again_changes_nothing(tmp_path):
    path = tmp_path / "m.db"
    Store.open(path).close()
    with sqlite3.connect(path) as plain:
        schema = plain.execute("SELECT sql FROM sqlite_master").fetchall()
    plain.close()
    with Store.open(path) as store:
        assert store._db.execute("SELECT sql FROM sqlite_master").fetchall() == schema
        assert store._db.execute("SELECT version FROM migrations").fetchall() == [(n + 1,) for n in range(VERSION)]
        pragmas = {name: store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("foreign_keys", "auto_vacuum")}
        assert pragmas == {"foreign_keys": 1, "auto_vacuum": 2}


def test_tables_of_the_original_keep_their_columns_and_indexes(tmp_path):
    with Store.open(tmp_path / "m.db") as store:
        columns = {table: set(store._db.table(table).columns_dict) for table in store._db.table_names()}
        indexes = {row[0] for row in store._db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        autoincrement = "sqlite_sequence" in columns
    assert columns["experiments"] >= {
        "id", "iteration", "blueprint_name", "proposal_summary", "weighted_total", "duration_ms", "error",
        "promotion_outcome", "promoted_branch_name", "promoted_commit_oid", "promoted_target_branch_name",
        "created_at",
    }  # fmt: skip
    assert columns["metrics"] >= {"id", "experiment_id", "name", "value", "weight"}
    assert columns["proposals"] >= {"id", "experiment_id", "summary", "file_patches_json", "created_at"}
    assert columns["research_sources"] == {
        "id", "experiment_id", "url", "final_url", "host", "label", "title", "citation_count", "verified",
        "status_code", "fetch_error",
    }  # fmt: skip
    assert columns["research_citations"] == {
        "id", "experiment_id", "file_path", "source_url", "label", "line_number", "snippet"
    }  # fmt: skip
    assert columns["research_query_traces"] == {
        "id", "experiment_id", "provider", "query_text", "result_count", "top_urls_json", "latency_ms",
        "executed_at", "error",
    }  # fmt: skip
    assert columns["lora_artifacts"] == {"experiment_id", "metadata_json"}
    assert indexes >= {
        "idx_experiments_blueprint_success_score", "idx_experiments_blueprint_id", "idx_metrics_experiment_id",
        "idx_proposals_experiment_id", "idx_research_sources_experiment_id", "idx_research_citations_experiment_id",
        "idx_research_query_traces_experiment_id",
    }  # fmt: skip
    assert not autoincrement


def not_a_database(path):
    path.write_bytes(b"Dear diary, " * 500)


def a_folder(path):
    path.mkdir()


def of_another_program(path):
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE songs (title TEXT)")
        plain.execute("PRAGMA user_version = 12")
    plain.close()


def of_the_original(path):
    with sqlite3.connect(path) as plain:
        for table in ("experiments", "metrics", "proposals"):
            plain.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    plain.close()


def of_the_future(path):
    Store.open(path).close()
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA user_version = 99")
    plain.close()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (not_a_database, "is not an SQLite database"),
        (a_folder, "is a folder"),
        (of_another_program, "belongs to another program"),
        (of_the_original, "was written by the original Maabarium"),
        (of_the_future, "has schema 99.*upgrade Maabarium"),
    ],
)
@pytest.mark.parametrize("readonly", [False, True])
def test_what_cannot_be_used_is_refused_and_left_alone(tmp_path, make, sentence, readonly):
    path = tmp_path / "m.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError, match=sentence):
        Store.open(path, readonly=readonly)
    assert (path.read_bytes() if path.is_file() else b"") == before
    left = {entry.name for entry in tmp_path.iterdir()} - {"m.db"}
    assert left <= ({"m.db-wal", "m.db-shm"} if readonly else set())  # SQLite's own, empty


def test_a_damaged_database_is_a_sentence(tmp_path):
    path = tmp_path / "m.db"
    with Store.open(path) as store:
        for transition in journal():
            store.append(RUN, transition)
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = os.urandom(len(content) - 4096 * 2)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"m\.db is damaged .*restore it from a copy"), Store.open(path) as store:
        store.journal(RUN)


def test_reading_only_needs_a_database(tmp_path):
    with pytest.raises(StoreError, match="there is no database at"):
        Store.open(tmp_path / "m.db", readonly=True)
    (tmp_path / "m.db").touch()
    with pytest.raises(StoreError, match="has schema none"):
        Store.open(tmp_path / "m.db", readonly=True)


def test_reading_only_sees_what_a_writer_has_not_folded_in_yet_and_cannot_write(tmp_path):
    whole = journal()
    with Store.open(tmp_path / "m.db") as writer:
        for transition in whole[:4]:
            writer.append(RUN, transition)
        with Store.open(tmp_path / "m.db", readonly=True) as reader:
            assert reader.journal(RUN) == tuple(whole[:4])
            with pytest.raises(StoreError, match="cannot be written"):
                reader.append(RUN, whole[4])
            writer.append(RUN, whole[4])
            assert reader.journal(RUN) == tuple(whole[:5])


def test_a_parent_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        Store.open(tmp_path / "file" / "data" / "m.db")


@pytest.mark.parametrize("readonly", [False, True])
def test_a_path_that_cannot_be_reached_is_a_sentence(tmp_path, readonly):
    with pytest.raises(StoreError, match="cannot be reached: File name too long"):
        Store.open(tmp_path / ("x" * 300), readonly=readonly)


def test_names_that_mean_something_in_a_uri(tmp_path):
    path = tmp_path / os.fsdecode(b"a?mode=memory#%41\xff.db")
    Store.open(path).close()
    assert path.stat().st_size > 0
