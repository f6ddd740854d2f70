from __future__ import annotations

import subprocess

import pytest

from maabarium.errors import WorkspaceError
from maabarium.records import FileEdit
from maabarium.workspace.apply import apply_to_checkout
from maabarium.workspace.target import find_target

BRANCH = "maabarium/x"


def promote(repository, *edits):
    edits = edits or (FileEdit(path="src/a.py", operation="modify", content=b"better\n"),)
    commit = repository.commit(
        repository.tree_with(repository.base_tree, edits), repository.base_commit, "better", {"Maabarium-Run": "run1"}
    )
    repository.branches.promote(BRANCH, commit, None)
    return commit


def undo(checkout, applied):
    subprocess.run(applied.undo, shell=True, check=True, cwd=checkout)


def test_fast_forward_and_undo(checkout, repository):
    commit = promote(repository)
    applied = apply_to_checkout(find_target(checkout.top), BRANCH)
    assert (applied.how, applied.old, applied.new) == ("fast-forward", repository.base_commit, commit)
    assert applied.paths == ("src/a.py",)
    assert (checkout.top / "src/a.py").read_bytes() == b"better\n"
    assert checkout.git("status", "--porcelain") == ""
    assert apply_to_checkout(find_target(checkout.top), BRANCH).how == "nothing"
    undo(checkout.top, applied)
    assert checkout.git("rev-parse", "HEAD") == repository.base_commit
    assert (checkout.top / "src/a.py").read_bytes() == b"a = 1\n"


def test_merge_with_the_users_identity(checkout, repository):
    commit = promote(repository)
    checkout.git("config", "user.name", "Jane")
    users = checkout.commit("meanwhile", x_py="x")
    applied = apply_to_checkout(find_target(checkout.top), commit)
    assert (applied.how, applied.old) == ("merge", users)
    assert checkout.git("log", "-1", "--format=%an|%p|%s").split("|") == [
        "Jane", f"{users[:7]} {commit[:7]}", f"Merge {commit}",
    ]  # fmt: skip
    undo(checkout.top, applied)
    assert checkout.git("rev-parse", "HEAD") == users


def test_conflict_changes_nothing(checkout, repository):
    promote(repository)
    users = checkout.commit("meanwhile", src__a_py="mine\n")
    with pytest.raises(WorkspaceError, match=r"cannot be merged into main.*Nothing was changed"):
        apply_to_checkout(find_target(checkout.top), BRANCH)
    assert checkout.git("rev-parse", "HEAD") == users
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (lambda c: c.write("src/b.py", "dirty"), r"uncommitted changes \(src/b\.py\)"),
        (lambda c: c.git("checkout", "-q", "--detach"), "HEAD is detached"),
        (lambda c: c.git("branch", "-D", BRANCH), "there is no commit or branch"),
    ],
    ids=["dirty", "detached", "missing"],
)
def test_refusals(checkout, repository, before, says):
    promote(repository)
    before(checkout)
    with pytest.raises(WorkspaceError, match=says):
        apply_to_checkout(find_target(checkout.top), BRANCH)


def test_untracked_file_in_the_way(checkout, repository):
    promote(repository, FileEdit(path="new.py", operation="create", content=b"x"))
    checkout.write("new.py", "the user's")
    with pytest.raises(WorkspaceError, match="untracked"):
        apply_to_checkout(find_target(checkout.top), BRANCH)
    assert (checkout.top / "new.py").read_text() == "the user's"


@pytest.fixture
def plain(tmp_path, open_repository):
    top = tmp_path / "plain 'folder'"
    (top / "src").mkdir(parents=True)
    for name in ("a.py", "b.py", "c.py"):
        (top / "src" / name).write_bytes(b"one\r\n")
    repository = open_repository(top)
    promote(
        repository,
        FileEdit(path="src/a.py", operation="modify", content=b"two\r\n", mode=0o100755),
        FileEdit(path="src/b.py", operation="delete"),
        FileEdit(path="new folder/d.py", operation="create", content=b"d"),
    )
    return repository


def test_folder_and_undo(plain):
    top = plain.handle.top
    before = {path: path.read_bytes() for path in top.rglob("*.py")}
    applied = apply_to_checkout(find_target(top), BRANCH, plain)
    assert applied.how == "files"
    assert sorted(applied.paths) == ["new folder/d.py", "src/a.py", "src/b.py"]
    assert (top / "src/a.py").read_bytes() == b"two\r\n" and (top / "src/a.py").stat().st_mode & 0o111
    assert not (top / "src/b.py").exists()
    assert (top / "new folder/d.py").read_bytes() == b"d"
    assert apply_to_checkout(find_target(top), BRANCH, plain).how == "nothing"
    undo(top, applied)
    assert {path: path.read_bytes() for path in top.rglob("*.py")} == before
    assert not (top / "src/a.py").stat().st_mode & 0o111


def test_folder_with_newer_files_is_left_alone(plain):
    top = plain.handle.top
    (top / "src/a.py").write_text("mine")
    (top / "new folder").mkdir()
    (top / "new folder/d.py").write_text("mine too")
    with pytest.raises(WorkspaceError, match=r"(?s)changed since .*new folder/d\.py\n  src/a\.py"):
        apply_to_checkout(find_target(top), BRANCH, plain)
    assert (top / "src/b.py").exists() and (top / "src/a.py").read_text() == "mine"


def test_folder_is_not_written_through_links(plain, tmp_path):
    top = plain.handle.top
    (top / "src").rename(tmp_path / "elsewhere")
    (top / "src").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError, match="changed since"):
        apply_to_checkout(find_target(top), BRANCH, plain)
    assert (tmp_path / "elsewhere/a.py").read_bytes() == b"one\r\n"


def test_folder_needs_its_repository(plain):
    with pytest.raises(WorkspaceError, match="needs the run's snapshot"):
        apply_to_checkout(find_target(plain.handle.top), BRANCH)
