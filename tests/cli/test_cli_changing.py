"""apply and prune: what changes a checkout, refs, the cache or the database."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_runs import StoredRun, age_run, git, store_run

from maabarium.state_paths import state_paths_of
from maabarium.store import Store
from maabarium.workspace.lock import run_lock, snapshots
from maabarium.workspace.target import find_target


def test_apply_fast_forwards_and_says_how_to_undo(cli: Any, stored: StoredRun) -> None:
    old = git(stored.top, "rev-parse", "HEAD")
    result = cli("apply")
    assert result.exit_code == 0, result.stderr
    head, *paths, undo = result.stdout.splitlines()
    assert head.startswith(f"fast-forward: main {old[:12]} -> {stored.commits[3][:12]}, 2 files")
    assert paths == ["  src/a.py", "  src/b.py"] and undo == f"undo   git reset --keep {old}"
    assert git(stored.top, "rev-parse", "HEAD") == stored.commits[3]
    assert "nothing was changed" in cli("apply").stdout


def test_apply_merges_by_name_with_an_empty_cache(cli: Any, stored: StoredRun) -> None:
    shutil.rmtree(state_paths_of(stored.top).cache)
    (stored.top / "more.py").write_text("x = 1\n")
    git(stored.top, "add", "more.py")
    git(stored.top, "commit", "-q", "-m", "more")
    assert cli("apply").stdout.startswith("merge: main ")
    assert git(stored.top, "log", "-1", "--format=%s") == "Merge maabarium/demo"
    gone = cli("diff")
    assert gone.exit_code == 1 and "is gone" in gone.stderr and gone.stderr.startswith("error: ")
    assert "+ promoted" in cli("show", "last", 1).stdout, "what needs no repository is still shown"


def test_apply_one_winner_as_json(cli: Any, stored: StoredRun) -> None:
    found = json.loads(cli("apply", stored.run_id, "--number", 1, "--json").stdout)
    assert (found["how"], found["number"], found["paths"]) == ("fast-forward", 1, ["src/a.py"])
    assert git(stored.top, "rev-parse", "HEAD") == stored.commits[1]


def test_apply_refuses_a_dirty_tree(cli: Any, stored: StoredRun) -> None:
    (stored.top / "src/b.py").write_text("mine\n")
    result = cli("apply")
    assert result.exit_code == 1 and "uncommitted changes (src/b.py)" in result.stderr
    assert (stored.top / "src/b.py").read_text() == "mine\n"


def test_apply_to_a_plain_folder(cli: Any, folder: Path) -> None:
    store_run(folder)
    result = cli("apply")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("files: ") and "undo   cp -a " in result.stdout
    assert (folder / "src/a.py").read_text() == "a = 2\n"


def refs(top: Path) -> set[str]:
    return set(git(top, "for-each-ref", "--format=%(refname)").split())


def test_prune_lists_first_and_keeps_unmerged_winners(cli: Any, stored: StoredRun) -> None:
    assert "nothing to remove" in cli("prune").stderr
    age_run(stored.database, stored.run_id, 100)
    before = refs(stored.top)
    listed = cli("prune", "--older-than", "3m")
    assert listed.exit_code == 0 and "--yes" in listed.stderr
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == ["pin", "run"]
    assert "kept branch maabarium/demo: its winners are not merged" in listed.stderr
    assert refs(stored.top) == before and len(cli("history").stdout.splitlines()) == 6
    done = cli("prune", "--older-than", "90d", "--yes")
    assert done.exit_code == 0, done.stderr
    assert refs(stored.top) == {"refs/heads/main", "refs/heads/maabarium/demo"}
    assert cli("status", "--json").stdout.strip() == "[]"


def test_prune_deletes_merged_branches(cli: Any, stored: StoredRun) -> None:
    git(stored.top, "merge", "-q", "maabarium/demo")
    age_run(stored.database, stored.run_id, 100)
    assert cli("prune", "--yes", "--keep-branches").exit_code == 0
    assert "refs/heads/maabarium/demo" in refs(stored.top)


def test_prune_force_and_merged(cli: Any, stored: StoredRun) -> None:
    git(stored.top, "merge", "-q", "maabarium/demo")
    other = store_run(stored.top, "aaaa0001", branch="maabarium/other")
    for run_id in (stored.run_id, other.run_id):
        age_run(stored.database, run_id, 2)
    plan = json.loads(cli("prune", "--older-than", "1d", "--json").stdout)
    assert not plan["done"]
    assert [each["name"] for each in plan["remove"] if each["kind"] == "branch"] == ["maabarium/demo"]
    assert [each["name"] for each in plan["keep"]] == ["maabarium/other"]
    assert cli("prune", "--older-than", "1d", "--yes", "--force").exit_code == 0
    assert refs(stored.top) == {"refs/heads/main"}


def test_prune_leaves_the_checked_out_branch_and_one_that_a_younger_run_uses(cli: Any, stored: StoredRun) -> None:
    younger = store_run(stored.top, "bbbb0002", kept=False)
    age_run(stored.database, stored.run_id, 100)
    cli("prune", "--yes", "--force")
    assert refs(stored.top) >= {"refs/heads/maabarium/demo", f"refs/maabarium/{younger.run_id}"}
    git(stored.top, "switch", "-q", "maabarium/demo")
    age_run(stored.database, younger.run_id, 100)
    result = cli("prune", "--yes", "--force")
    assert "kept branch maabarium/demo: it is checked out" in result.stderr
    assert "refs/heads/maabarium/demo" in refs(stored.top)


def test_prune_keeps_what_a_living_run_needs(cli: Any, stored: StoredRun) -> None:
    age_run(stored.database, stored.run_id, 100)
    cache = state_paths_of(stored.top).cache
    with run_lock(find_target(stored.top), "maabarium/demo", stored.run_id, cache):
        result = cli("prune", "--yes")
        assert f"kept run {stored.run_id}: it is under way" in result.stderr
    with Store.open(stored.database, readonly=True) as store:
        assert len(store.runs(9)) == 1


def test_prune_sweeps_folders_of_dead_runs(cli: Any, stored: StoredRun) -> None:
    cache = state_paths_of(stored.top).cache
    dead = next(cache.glob("*")) / "runs" / "dead0001"
    dead.mkdir(parents=True)
    (dead / "alive").write_text("4711")
    assert str(dead) in cli("prune").stdout and dead.exists()
    assert (dead / "alive").exists(), "listing changes nothing"
    assert cli("prune", "--yes").exit_code == 0 and not dead.exists()


def test_prune_snapshots_only_when_applied_or_forced(cli: Any, folder: Path) -> None:
    run = store_run(folder)
    cache = state_paths_of(folder).cache
    age_run(run.database, run.run_id, 100)
    assert "winners are not in the folder" in cli("prune", "--yes").stderr
    assert run.run_id in snapshots(cache)
    cli("apply")
    result = cli("prune", "--yes")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["snapshot", "run"]
    assert snapshots(cache) == {}


@pytest.mark.parametrize("age", ["", "soon", "-1d", "1e9d", "999y", "٣d"])
def test_prune_refuses_odd_ages(cli: Any, age: str) -> None:
    result = cli("prune", f"--older-than={age}")
    assert result.exit_code == 4 and result.stderr.startswith("error: ")


def test_the_winner_that_stands_is_taken_also_when_it_is_not_the_last_number(cli: Any, stored: StoredRun) -> None:
    """As with several workers: number 3 was kept first, then number 1 on top of it."""
    with Store.open(stored.database) as store:
        store._db.execute("BEGIN")
        for number, parent, total in ((1, 3, 0.9), (3, 0, 0.6)):
            store._db.execute(
                "UPDATE events SET payload = json_set(payload, '$.outcome.parent', ?, '$.outcome.total', ?) "
                "WHERE type = 'decided' AND json_extract(payload, '$.outcome.number') = ?",
                [parent, total, number],
            )
        store._db.commit()
    net = cli("diff").stdout
    assert "src/a.py" in net and "src/b.py" not in net, "the fixture's commit of number 1 holds its own change only"
    assert "up to experiment 1 of run" in cli("apply").stdout
