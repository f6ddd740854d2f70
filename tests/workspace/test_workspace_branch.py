from __future__ import annotations

import os
import subprocess
import threading

import pytest

from maabarium.errors import WorkspaceError
from maabarium.records import FileEdit
from maabarium.workspace.private import home_of
from maabarium.workspace.target import find_target

BRANCH = "maabarium/speed"


def winner(repository, parent=None, content=b"better\n"):
    parent = parent or repository.base_commit
    tree = repository.tree_with(
        repository.tree_of(parent), [FileEdit(path="src/a.py", operation="modify", content=content)]
    )
    return repository.commit(tree, parent, "better", {"Maabarium-Run": "run1"})


def test_absent_branch_starts_at_head(repository):
    assert repository.branches.start_point(BRANCH) == (repository.base_commit, None)


def test_branch_behind_head_starts_at_head(checkout, open_repository):
    old = checkout.git("rev-parse", "HEAD")
    checkout.git("branch", BRANCH)
    head = checkout.commit("further", x_py="x")
    assert open_repository(checkout.top).branches.start_point(BRANCH) == (head, old)


def test_branch_ahead_is_continued(repository):
    commit = winner(repository)
    repository.branches.promote(BRANCH, commit, None)
    assert repository.branches.start_point(BRANCH) == (commit, commit)


@pytest.mark.parametrize("choice", [0, 1])
def test_diverged_branch_shows_two_commands_that_work(checkout, repository, open_repository, choice):
    repository.branches.promote(BRANCH, winner(repository), None)
    checkout.commit("further", x_py="x")
    again = open_repository(checkout.top)
    with pytest.raises(WorkspaceError, match="diverged") as caught:
        again.branches.start_point(BRANCH)
    commands = [line.strip() for line in str(caught.value).splitlines() if line.startswith("  git ")]
    assert len(commands) == 2
    command = commands[choice].split("   ")[0]
    subprocess.run(
        command.replace("git ", "git -c user.name=u -c user.email=e ", 1), shell=True, cwd=checkout.top, check=True
    )
    fixed = open_repository(checkout.top)
    assert fixed.branches.start_point(BRANCH)[0] == fixed.base_commit == checkout.git("rev-parse", "HEAD")


def test_promotion_moves_the_branch_and_nothing_else(checkout, repository):
    status, head = checkout.git("status", "--porcelain"), checkout.git("rev-parse", "HEAD")
    first = winner(repository)
    repository.branches.promote(BRANCH, first, None)
    second = winner(repository, first, b"best\n")
    repository.branches.promote(BRANCH, second, first)
    assert checkout.git("rev-parse", BRANCH) == second
    assert checkout.git("show", f"{BRANCH}:src/a.py") == "best"
    assert (checkout.git("status", "--porcelain"), checkout.git("rev-parse", "HEAD")) == (status, head)
    assert checkout.git("for-each-ref", "--format=%(refname)").splitlines() == [
        f"refs/heads/{BRANCH}", "refs/heads/main",
    ]  # fmt: skip
    assert checkout.git("fsck", "--no-dangling") == ""


def test_users_commit_on_the_branch_is_never_lost(checkout, repository):
    first = winner(repository)
    repository.branches.promote(BRANCH, first, None)
    checkout.git("checkout", "-q", BRANCH)
    users = checkout.commit("by the user", mine_py="x")
    checkout.git("checkout", "-q", "main")
    said = rf"somebody else moved {BRANCH}: it is at {users[:12]} \(.+: commit: by the user\)"
    with pytest.raises(WorkspaceError, match=said):
        repository.branches.promote(BRANCH, winner(repository, first, b"best\n"), first)
    assert checkout.git("rev-parse", BRANCH) == users


def test_users_commits_on_their_branch_do_not_matter(checkout, repository):
    users = checkout.commit("meanwhile", src__a_py="a = 99\n")
    repository.branches.promote(BRANCH, winner(repository), None)
    assert checkout.git("rev-parse", "main") == users


def test_only_forward(checkout, repository):
    first = winner(repository)
    repository.branches.promote(BRANCH, first, None)
    with pytest.raises(WorkspaceError, match="would drop commits"):
        repository.branches.promote(BRANCH, winner(repository, content=b"sideways\n"), first)
    assert repository.branches.tip(BRANCH) == first


def test_branch_that_should_not_exist_yet(checkout, repository):
    checkout.git("branch", BRANCH)
    with pytest.raises(WorkspaceError, match="expected absent"):
        repository.branches.promote(BRANCH, winner(repository), None)


def test_checked_out_branch_is_refused(checkout, repository, tmp_path):
    checkout.git("worktree", "add", "-q", "-b", BRANCH, str(tmp_path / "linked"))
    with pytest.raises(WorkspaceError, match=r"is checked out in .*linked"):
        repository.branches.promote(BRANCH, winner(repository), repository.base_commit)
    assert repository.branches.tip(BRANCH) == repository.base_commit


def test_branch_named_like_the_folder_of_ours(checkout, repository):
    checkout.git("branch", "maabarium")
    with pytest.raises(WorkspaceError, match="git cannot move"):
        repository.branches.promote(BRANCH, winner(repository), None)


@pytest.mark.parametrize("name", ["", "a b", "-x", "x..y", "x.lock", "a\nb"])
def test_names_that_are_no_branch(repository, name):
    with pytest.raises(WorkspaceError, match="is no name for a branch"):
        repository.branches.promote(name, repository.base_commit, None)


@pytest.mark.parametrize("isolation", ["auto", "snapshot"])
def test_of_concurrent_promotions_one_wins(checkout, open_repository, isolation):
    one = open_repository(checkout.top, isolation=isolation)
    commits = [winner(one, content=b"%d\n" % number) for number in range(6)]
    start, failures, done = threading.Barrier(6), [], []

    def promote(commit):
        start.wait()
        try:
            one.branches.promote(BRANCH, commit, None)
            done.append(commit)
        except WorkspaceError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=promote, args=(commit,)) for commit in commits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(done), len(failures)) == (1, 5)
    assert one.branches.tip(BRANCH) == done[0]


def test_pin_keeps_the_base_from_being_collected(checkout, repository):
    base = repository.base_commit
    repository.branches.pin("run1")
    checkout.git("commit", "-q", "--amend", "-m", "rewritten")
    checkout.git("reflog", "expire", "--expire=now", "--all")
    checkout.git("gc", "-q", "--prune=now")
    assert checkout.git("rev-parse", "refs/maabarium/run1") == base
    assert repository.view(repository.base_tree).read("src/a.py") == b"a = 1\n"
    repository.branches.unpin("run1")
    repository.branches.unpin("run1")
    assert checkout.git("for-each-ref", "refs/maabarium") == ""


def test_snapshot_has_its_branch_in_its_own_repository(checkout, open_repository, cache):
    repository = open_repository(checkout.top, isolation="snapshot")
    commit = winner(repository)
    repository.branches.promote(BRANCH, commit, None)
    assert repository.branches.start_point(BRANCH) == (commit, commit)
    assert checkout.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert repository.handle.git_dir.parent.parent == home_of(find_target(checkout.top, "snapshot"), cache)


def test_lock_that_a_killed_git_left_is_waited_for_and_removed(checkout, repository):
    for ref in ("refs/maabarium/run1", f"refs/heads/{BRANCH}"):
        lock = checkout.top / ".git" / f"{ref}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        os.utime(lock, (1, 1))
    commit = winner(repository)
    repository.branches.pin("run1")
    repository.branches.promote(BRANCH, commit, None)
    assert checkout.git("rev-parse", BRANCH) == commit
    assert not list((checkout.top / ".git" / "refs").rglob("*.lock"))


def test_a_branch_that_moved_is_told_without_a_reflog_too(checkout, repository):
    first = winner(repository)
    repository.branches.promote(BRANCH, first, None)
    moved = checkout.git("commit-tree", f"{BRANCH}^{{tree}}", "-p", first, "-m", "elsewhere")
    checkout.git("update-ref", f"refs/heads/{BRANCH}", moved)
    log = checkout.top / ".git/logs/refs/heads" / BRANCH
    for content in (b"", b"no such line\n", None):
        if content is None:
            log.unlink()
        else:
            log.write_bytes(content)
        with pytest.raises(WorkspaceError, match=f"it is at {moved[:12]}, but was expected"):
            repository.branches.promote(BRANCH, winner(repository, first, b"more\n"), first)
