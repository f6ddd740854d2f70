from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maabarium.errors import WorkspaceError
from maabarium.records import FileEdit
from maabarium.workspace import worktree as module
from maabarium.workspace.trees import FILE, FOLDER, Entry


def state(folder: Path) -> dict[str, object]:
    """Everything in a folder: links by target, files by bytes and executable bit, folders by name."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = (path.read_bytes(), oct(path.stat().st_mode))
        else:
            found[name] = "folder" if path.is_dir() else "odd"
    return found


@pytest.fixture
def worktree(checkout, open_repository, tmp_path):
    (checkout.top / "src/inside").symlink_to("a.py")
    (checkout.top / "outside").symlink_to(tmp_path / "secret")
    checkout.write("run.sh", "x")
    (checkout.top / "run.sh").chmod(0o755)
    checkout.commit("links")
    repository = open_repository(checkout.top)
    made = repository.worktree(0)
    made.reset(repository.base_tree)
    yield made
    if made.path.exists():
        made.remove()


def test_holds_exactly_the_tree(worktree, checkout, tmp_path):
    assert state(worktree.path) == {k: v for k, v in state(checkout.top).items() if not k.startswith(".git")}
    assert worktree.root == worktree.path
    assert sorted(path.name for path in worktree.scratch.rglob("*")) == ["home"]
    assert not any(path.name == ".git" for path in worktree.path.parents)


def keep_times(path: Path, content: bytes) -> None:
    info = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def same_size(path: Path) -> None:
    keep_times(path / "src/a.py", b"a = 2\n")


def replaced(path: Path) -> None:
    info = (path / "src/a.py").stat()
    (path / "new").write_bytes(b"a = 2\n")
    os.utime(path / "new", ns=(info.st_atime_ns, info.st_mtime_ns))
    (path / "new").rename(path / "src/a.py")


def hard_link(path: Path) -> None:
    os.link(path / "src/a.py", path.parent / "outside-link")


def folder_to_link(path: Path) -> None:
    victim = path.parent / "victim"
    victim.mkdir(exist_ok=True)
    (victim / "a.py").write_text("precious")
    shutil.rmtree(path / "src")
    (path / "src").symlink_to(victim)


def file_to_link(path: Path) -> None:
    (path.parent / "precious").write_text("precious")
    (path / "src/a.py").unlink()
    (path / "src/a.py").symlink_to(path.parent / "precious")


def nested_repository(path: Path) -> None:
    shutil.copytree(path / "src", path / "nested/.git/objects", symlinks=True)
    (path / ".git").mkdir()


def locked_folder(path: Path) -> None:
    (path / "deep/er").mkdir(parents=True)
    (path / "deep/er/file").write_text("x")
    for folder in ("deep/er", "deep", "src"):
        (path / folder).chmod(0o500)


def odd_files(path: Path) -> None:
    os.mkfifo(path / "fifo")
    os.mkfifo(path / "src/fifo")
    (path / "empty/folder").mkdir(parents=True)
    (path / "src/__pycache__").mkdir()
    (path / "run.sh").unlink()
    (path / "run.sh").mkdir()


def modes(path: Path) -> None:
    (path / "src/a.py").chmod(0o777)
    (path / "run.sh").chmod(0o000)


def top_is_gone(path: Path) -> None:
    shutil.rmtree(path)


def top_is_link(path: Path) -> None:
    path.rename(path.parent / "moved")
    path.symlink_to(path.parent / "moved")


def other_link(path: Path) -> None:
    (path / "src/inside").unlink()
    (path / "src/inside").symlink_to("/etc/passwd")


TAMPERINGS = [
    same_size, replaced, hard_link, folder_to_link, file_to_link, nested_repository, locked_folder, odd_files, modes,
    top_is_gone, top_is_link, other_link,
]  # fmt: skip


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_reset_undoes_tampering(worktree, tamper):
    before = state(worktree.path)
    for pause in (0.0, 0.06):  # at once, and when the reset no longer looks at the bytes
        time.sleep(pause)
        worktree.reset(worktree.tree)
        tamper(worktree.path)
        worktree.reset(worktree.tree)
        assert state(worktree.path) == before
        for precious in (worktree.path.parent / "victim/a.py", worktree.path.parent / "precious"):
            assert not precious.exists() or precious.read_text() == "precious"
        for left in ("moved", "victim"):
            shutil.rmtree(worktree.path.parent / left, ignore_errors=True)
        (worktree.path.parent / "outside-link").unlink(missing_ok=True)


def test_write_in_the_very_same_tick_is_found(worktree):
    """Right after a reset, sixty times: a file system's clock need not have moved between the two writes."""
    for number in range(60):
        keep_times(worktree.path / "src/a.py", b"a = %d\n" % (number % 10))
        worktree.reset(worktree.tree)
        assert (worktree.path / "src/a.py").read_bytes() == b"a = 1\n"


def test_clock_too_coarse_to_tell_two_writes_apart(worktree, monkeypatch):
    """Kernels without fine-grained change times: the bytes are compared as long as the recorded time is young."""
    fine = module.stamp
    monkeypatch.setattr(module, "stamp", lambda info: fine(info)[:-1])
    worktree.reset(worktree.tree)
    inode = (worktree.path / "src/a.py").stat().st_ino
    worktree.reset(worktree.tree)
    assert (worktree.path / "src/a.py").stat().st_ino == inode
    (worktree.path / "src/a.py").unlink()
    worktree.reset(worktree.tree)
    keep_times(worktree.path / "src/a.py", b"a = 2\n")
    worktree.reset(worktree.tree)
    assert (worktree.path / "src/a.py").read_bytes() == b"a = 1\n"


def test_untouched_files_are_not_written_again(worktree):
    time.sleep(0.05)
    before = (worktree.path / "src/a.py").stat()
    worktree.reset(worktree.tree)
    worktree.reset(worktree.tree)
    after = (worktree.path / "src/a.py").stat()
    assert (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)


def test_switches_between_trees_and_back(worktree, repository):
    base = worktree.tree
    expected = state(worktree.path)
    other = repository.tree_with(
        base,
        [
            FileEdit(path="src/a.py", operation="delete"),
            FileEdit(path="src/a.py/inner", operation="create", content=b"x"),
            FileEdit(path="run.sh", operation="modify", content=b"y", mode=0o100644),
        ],
    )
    worktree.reset(other)
    assert (worktree.path / "src/a.py/inner").read_bytes() == b"x"
    assert state(worktree.path)["run.sh"] == (b"y", oct(0o100644))
    worktree.reset(base)
    assert state(worktree.path) == expected


def test_scratch_is_emptied(worktree):
    (worktree.scratch / "home/.cache").mkdir()
    (worktree.scratch / "home").chmod(0o000)
    (worktree.scratch / "tmp").symlink_to(worktree.path)
    (worktree.scratch / "link").symlink_to(worktree.path / "src")
    before = worktree.scratch.stat().st_ino, (worktree.scratch / "home").stat().st_ino
    worktree.reset(worktree.tree)
    assert sorted(path.name for path in worktree.scratch.rglob("*")) == ["home"]
    assert (worktree.scratch / "home").is_dir()
    assert (worktree.scratch.stat().st_ino, (worktree.scratch / "home").stat().st_ino) == before
    assert (worktree.path / "src/a.py").exists()


def test_remove_leaves_nothing(worktree):
    locked_folder(worktree.path)
    folder = worktree.scratch.parent.parent
    worktree.remove()
    assert list(folder.iterdir()) == []


def test_two_processes_do_not_share_a_slot(worktree, repository):
    other = repository.worktree(0)
    assert other.path != worktree.path
    other.remove()


def test_submodule_is_an_empty_folder(checkout, make_checkout, open_repository):
    inner = make_checkout("inner")
    inner.commit("first", a_py="a")
    checkout.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "vendor/inner")
    checkout.commit("submodule")
    repository = open_repository(checkout.top)
    assert "vendor/inner" not in repository.view(repository.base_tree).paths()
    made = repository.worktree(0)
    made.reset(repository.base_tree)
    (made.path / "vendor/inner/x").write_text("left behind")
    made.reset(repository.base_tree)
    assert state(made.path / "vendor") == {"inner": "folder"}
    made.remove()


def test_copies_are_frozen_and_come_back(checkout, open_repository):
    checkout.write(".gitignore", "data/\nsecret.env\nbuilt.so\n")
    checkout.commit("ignore")
    for path in ("data/x.bin", "data/deep/y.bin", "data/z.txt", "secret.env"):
        checkout.write(path, path)
    checkout.write("tool.sh", "#!")
    (checkout.top / "tool.sh").chmod(0o755)
    repository = open_repository(checkout.top, copy_files=["data/**/*.bin", "tool.sh", "src/*.py"])
    made = repository.worktree(0)
    made.reset(repository.base_tree)
    assert (made.path / "data/deep/y.bin").read_bytes() == b"data/deep/y.bin"
    assert os.access(made.path / "tool.sh", os.X_OK)
    assert not (made.path / "data/z.txt").exists() and not (made.path / "secret.env").exists()
    before = state(made.path)
    checkout.write("data/x.bin", "the user goes on")
    keep_times(made.path / "data/x.bin", b"DATA/x.bin")
    made.reset(repository.base_tree)
    assert state(made.path) == before
    made.remove()


def test_copy_that_is_missing(checkout, open_repository):
    with pytest.raises(WorkspaceError, match=r'copy names "data\.bin"'):
        open_repository(checkout.top, copy_files=["data.bin"])


def test_root_is_the_prefix(checkout, open_repository):
    repository = open_repository(checkout.top / "src")
    made = repository.worktree(0)
    made.reset(repository.base_tree)
    assert made.root == made.path / "src"
    gone = repository.tree_with(
        repository.base_tree, [FileEdit(path=f"src/{name}.py", operation="delete") for name in ("a", "b")]
    )
    made.reset(gone)
    assert list(made.root.iterdir()) == []
    made.reset(repository.base_tree)
    assert (made.root / "a.py").exists()
    made.remove()


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT"])
def test_tree_made_to_escape_is_refused(repository, name):
    trees = repository.trees
    blob = repository.objects.write("blob", b"x")
    bad = trees.store_folder({"inner": Entry(FOLDER, trees.store_folder({name: Entry(FILE, blob)}))})
    made = repository.worktree(0)
    with pytest.raises(WorkspaceError, match="git refuses to check out"):
        made.reset(bad)
    made.remove()


STEPS = st.lists(st.tuples(st.sampled_from(range(len(TAMPERINGS))), st.booleans()), max_size=4)


@given(steps=STEPS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_tamperings(worktree, repository, steps):
    base = worktree.tree
    edited = repository.tree_with(base, [FileEdit(path="src/a.py", operation="modify", content=b"a = 9\n")])
    worktree.reset(base)
    plain = state(worktree.path)
    for index, switch in steps:
        try:
            TAMPERINGS[index](worktree.path)
        except OSError:
            continue  # an earlier one stands in its way
        worktree.reset(edited if switch else base)
        shutil.rmtree(worktree.path.parent / "moved", ignore_errors=True)
        (worktree.path.parent / "outside-link").unlink(missing_ok=True)
        expected = plain | ({"src/a.py": (b"a = 9\n", oct(0o100644))} if switch else {})
        assert state(worktree.path) == expected
