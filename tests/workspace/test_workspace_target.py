from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maabarium.errors import WorkspaceError
from maabarium.workspace.git import Git, trusted_folders
from maabarium.workspace.target import find_target


def test_repository(checkout):
    target = find_target(checkout.top, "auto")
    assert (target.kind, target.top, target.prefix) == ("git", checkout.top, "")
    assert target.git_dir == checkout.top / ".git"
    assert (target.head, target.branch) == (checkout.git("rev-parse", "HEAD"), "main")
    assert (target.dirty, target.shallow, target.filters, target.submodules) == ((), False, (), ())


def test_folder_inside_repository_has_prefix(checkout):
    target = find_target(checkout.top / "src", "worktree")
    assert (target.top, target.prefix) == (checkout.top, "src")


def test_dirty_is_modified_tracked_files_only(checkout):
    checkout.write("untracked.py", "x")
    assert find_target(checkout.top).dirty == ()
    checkout.write("src/a.py", "a = 2\n")
    (checkout.top / "src/b.py").unlink()
    assert find_target(checkout.top).dirty == ("src/a.py", "src/b.py")


def test_touched_file_is_not_dirty_and_index_is_left_alone(checkout):
    os.utime(checkout.top / "src/a.py", (1, 1))
    before = (checkout.top / ".git/index").read_bytes()
    assert find_target(checkout.top).dirty == ()
    assert (checkout.top / ".git/index").read_bytes() == before


def test_detached_head(checkout):
    checkout.git("checkout", "-q", "--detach")
    assert find_target(checkout.top).branch is None


def test_shallow_clone(checkout, tmp_path):
    checkout.commit("second")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{checkout.top}", tmp_path / "clone"], check=True)
    assert find_target(tmp_path / "clone").shallow


def test_linked_worktree(checkout, tmp_path):
    checkout.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    target = find_target(tmp_path / "linked")
    assert (target.top, target.git_dir, target.branch) == (tmp_path / "linked", checkout.top / ".git", "side")


def test_many_files_feature(checkout):
    checkout.git("config", "feature.manyFiles", "true")
    checkout.git("update-index", "--index-version", "4")
    checkout.write("src/a.py", "changed")
    assert find_target(checkout.top).dirty == ("src/a.py",)


def test_sha256(make_checkout):
    checkout = make_checkout("other", "--object-format=sha256")
    checkout.commit("first", a_py="a")
    target = find_target(checkout.top)
    assert target.object_format == "sha256" and len(target.head) == 64


def test_filters_and_submodules_are_named(checkout, make_checkout):
    inner = make_checkout("inner")
    inner.commit("first", a_py="a")
    checkout.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "vendor/inner")
    checkout.write(".gitattributes", "*.bin filter=lfs\n*.txt filter=unused\n")
    checkout.commit("more", **{"data.bin": b"x"})
    target = find_target(checkout.top)
    assert target.filters == ("lfs",)
    assert target.submodules == ("vendor/inner",)


def test_plain_folder(tmp_path):
    target = find_target(tmp_path, "auto")
    assert (target.kind, target.top, target.git_dir, target.head) == ("folder", tmp_path, None, None)


def test_snapshot_of_a_repository_is_a_folder(checkout):
    target = find_target(checkout.top / "src", "snapshot")
    assert (target.kind, target.top, target.prefix) == ("folder", checkout.top / "src", "")


def test_called_from_a_hook(checkout, make_checkout, monkeypatch):
    other = make_checkout("other")
    other.commit("first", a_py="a")
    monkeypatch.setenv("GIT_DIR", str(other.top / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.top / ".git/index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.top))
    target = find_target(checkout.top)
    assert (target.top, target.git_dir, target.dirty) == (checkout.top, checkout.top / ".git", ())


def test_strange_names(make_checkout):
    checkout = make_checkout("a b\nc ")
    name = os.fsdecode(b"caf\xe9.py")
    checkout.write(name, "x")
    checkout.git("add", "-A")
    checkout.git("commit", "-q", "-m", "x")
    checkout.write(name, "changed")
    target = find_target(checkout.top)
    assert target.top == checkout.top
    assert target.dirty == (name,)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text("x"), "is not a folder"),
        (lambda path: subprocess.run(["git", "init", "-q", path], check=True), "no commits yet"),
        (lambda path: subprocess.run(["git", "init", "-q", "--bare", path], check=True), "bare repository"),
        (lambda path: path.mkdir(), "not in a git repository"),
    ],
    ids=["missing", "file", "empty", "bare", "plain"],
)
def test_what_cannot_be_a_target(tmp_path, make, says):
    make(tmp_path / "here")
    with pytest.raises(WorkspaceError, match=says):
        find_target(tmp_path / "here", "worktree")


def test_inside_git_folder(checkout):
    with pytest.raises(WorkspaceError, match=r"bare repository|inside a \.git folder"):
        find_target(checkout.top / ".git")


def test_folder_that_head_lacks(checkout):
    (checkout.top / "new").mkdir()
    with pytest.raises(WorkspaceError, match="not in its last commit"):
        find_target(checkout.top / "new")


def test_git_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorkspaceError, match="git is not installed"):
        find_target(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository away")
def test_dubious_ownership_and_the_command_that_helps(checkout, monkeypatch):
    if subprocess.run(["chown", "-R", "12345", checkout.top], capture_output=True).returncode:
        pytest.skip("changing owners is not allowed here")
    with pytest.raises(WorkspaceError, match=r"safe\.directory .*project") as caught:
        find_target(checkout.top)
    command = str(caught.value).splitlines()[-1].strip()
    subprocess.run(command, shell=True, check=True)
    assert find_target(checkout.top).kind == "git"
    assert Path(os.environ["GIT_CONFIG_GLOBAL"]).read_text()


# --- git itself ---


def test_git_is_started_without_gitpython_and_without_inherited_variables(checkout, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    assert Git(None, folder=checkout.top, safe=("*",)).line("rev-parse", "--is-inside-work-tree") == "true"
    source = (
        "import sys; from pathlib import Path; from maabarium.workspace.target import find_target\n"
        "print(find_target(Path(sys.argv[1])).kind, 'git' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source, checkout.top], capture_output=True, text=True, check=True)
    assert done.stdout == "git False\n"


def test_an_empty_safe_directory_takes_back_what_was_trusted(tmp_path, monkeypatch):
    file = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    file.write_text("[safe]\n\tdirectory = *\n\tdirectory =\n\tdirectory = /mine\n")
    assert trusted_folders() == ("*", "", "/mine")
    file.write_text("")
    assert trusted_folders() == ()
