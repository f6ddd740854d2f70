from __future__ import annotations

import os

import pytest

from maabarium.errors import WorkspaceError
from maabarium.records import FileEdit
from maabarium.workspace import snapshot
from maabarium.workspace.lock import remove_snapshot, snapshots


@pytest.fixture
def folder(tmp_path):
    top = tmp_path / "plain"
    for path, content in {
        "a.py": b"a\r\n", "sub/b.bin": bytes(range(256)), "sub/.gitignore": b"*.log\n!keep.log\n",
        "sub/x.log": b"", "sub/keep.log": b"",
        ".gitignore": b"build/\n/only-top\n", "build/x": b"", "sub/only-top": b"", "only-top": b"",
        "__pycache__/a.pyc": b"",
        "venv/x": b"", ".git-not": b"", "node_modules/x/y.js": b"", "sub/old.pyc": b"",
        os.fsdecode(b"caf\xe9"): b"latin",
    }.items():  # fmt: skip
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content)
    (top / "a.py").chmod(0o755)
    (top / "link").symlink_to("../elsewhere")
    os.mkfifo(top / "fifo")
    return top


EXPECTED = sorted([
    ".git-not", ".gitignore", "a.py", "caf\udce9", "link", "sub/.gitignore", "sub/b.bin", "sub/keep.log",
    "sub/only-top",
])  # fmt: skip


def test_plain_folder(folder, open_repository):
    repository = open_repository(folder)
    view = repository.view(repository.base_tree)
    assert list(view.paths()) == EXPECTED
    assert view.read("a.py") == b"a\r\n" and view.modes()["a.py"] == 0o100755
    assert view.read("link") == b"../elsewhere" and view.modes()["link"] == 0o120000
    assert view.read("caf\udce9") == b"latin"
    assert open_repository(folder, "run2").base_commit == repository.base_commit


def test_nothing_appears_in_the_folder(folder, open_repository):
    before = sorted(folder.rglob("*"))
    repository = open_repository(folder)
    worktree = repository.worktree(0)
    worktree.reset(repository.base_tree)
    worktree.remove()
    assert sorted(folder.rglob("*")) == before


def test_inside_a_repository_takes_tracked_and_not_ignored(checkout, make_checkout, open_repository):
    inner = make_checkout("inner")
    inner.commit("first", a_py="a")
    checkout.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "src/lib")
    checkout.commit("more", **{".gitignore": "*.secret\n", "src/tracked.secret": "x"})
    for path in ("src/new.py", "src/x.secret", "src/__pycache__/a.pyc"):
        checkout.write(path, "x")
    checkout.git("add", "-f", "src/tracked.secret")
    (checkout.top / "src/b.py").unlink()
    checkout.write("src/a.py", "modified")
    repository = open_repository(checkout.top / "src", isolation="snapshot")
    view = repository.view(repository.base_tree)
    assert list(view.paths()) == ["a.py", "lib/a.py", "new.py", "tracked.secret"]
    assert view.read("a.py") == b"modified"
    assert repository.handle.prefix == ""


def test_ignored_folder_of_a_repository_is_a_plain_folder(checkout, open_repository):
    checkout.commit("ignore", **{".gitignore": "work/\n"})
    checkout.write("work/a.py", "x")
    repository = open_repository(checkout.top / "work", isolation="snapshot")
    assert list(repository.view(repository.base_tree).paths()) == ["a.py"]


def test_too_large_is_a_sentence(folder, open_repository, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_FILES", 3)
    with pytest.raises(WorkspaceError, match="too large for a snapshot"):
        open_repository(folder)


@pytest.mark.usefixtures("obeys_permissions")
def test_unreadable_file_is_a_sentence(folder, open_repository):
    (folder / "a.py").chmod(0)
    with pytest.raises(WorkspaceError, match="permission denied"):
        open_repository(folder)


def test_winner_survives_for_another_process_and_goes_when_told(folder, open_repository, cache):
    repository = open_repository(folder)
    tree = repository.tree_with(repository.base_tree, [FileEdit(path="a.py", operation="modify", content=b"better")])
    commit = repository.commit(tree, repository.base_commit, "x", {})
    repository.branches.promote("maabarium/x", commit, None)
    (folder / "a.py").write_text("the user goes on")
    again = open_repository(folder, base_commit=repository.base_commit)
    assert again.branches.start_point("maabarium/x") == (commit, commit)
    assert again.base_tree == repository.base_tree
    assert snapshots(cache) == {"run1": repository.handle.git_dir}
    assert remove_snapshot(cache, "run1") == repository.handle.git_dir
    assert snapshots(cache) == {} and remove_snapshot(cache, "run1") is None
