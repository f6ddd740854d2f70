from __future__ import annotations

import os
import pickle
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError, WorkspaceError
from maabarium.plugins.protocols import TreeView
from maabarium.records import FileEdit
from maabarium.workspace.objects import Objects
from maabarium.workspace.repository import Repository
from maabarium.workspace.target import find_target

EXACT = {
    "crlf.txt": b"a\r\nb\r\n",
    "latin.txt": b"caf\xe9\n",
    "binary": bytes(range(256)) * 10,
    "ident.txt": b"$Id$\n",
    "empty": b"",
    "no-newline": b"x",
    "utf16.txt": "hello\n".encode("utf-16"),
}


def edit(path, content=b"new\n", operation="modify", mode=None):
    return FileEdit(path=path, operation=operation, content=content, mode=mode)


def contents(repository: Repository, tree: str) -> dict[str, bytes]:
    view = repository.view(tree)
    return {path: view.read(path) for path in view.paths()}


def test_view_reads_the_tree(checkout, repository):
    view = repository.view(repository.base_tree)
    assert isinstance(view, TreeView)
    assert list(view.paths()) == ["src/a.py", "src/b.py", "tests/test_a.py"]
    assert view.read("src/a.py") == b"a = 1\n"
    assert view.modes()["src/a.py"] == 0o100644
    for path in ("none", "src", "src/a.py/x"):
        with pytest.raises(KeyError):
            view.read(path)


def test_tree_ids_are_those_of_git(checkout, repository):
    tree = repository.tree_with(repository.base_tree, [edit("src/a.py"), edit("x/y/z", b"z", "create", 0o100755)])
    checkout.write("src/a.py", "new\n")
    checkout.write("x/y/z", "z")
    (checkout.top / "x/y/z").chmod(0o755)
    checkout.commit("by hand")
    assert tree == checkout.git("rev-parse", "HEAD^{tree}")


def test_stored_byte_exact_and_checked_out_as_git_does(checkout, open_repository, tmp_path):
    checkout.write(".gitattributes", "* text=auto eol=crlf ident\n*.txt working-tree-encoding=UTF-16\n")
    name = os.fsdecode(b"caf\xe9.py")
    base = checkout.commit("attributes")
    repository = open_repository(checkout.top)
    tree = repository.tree_with(
        repository.base_tree,
        [*(edit(path, content, "create") for path, content in EXACT.items()), edit(name, b"1", "create")],
    )
    worktree = repository.worktree(0)
    worktree.reset(tree)
    private = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository.handle.git_dir / "objects")}
    env = os.environ | private | {"GIT_INDEX_FILE": str(tmp_path / "index")}
    for words in (["read-tree", tree], ["checkout-index", "-a", f"--prefix={tmp_path}/out/"]):
        subprocess.run(["git", *words], cwd=checkout.top, env=env, check=True, capture_output=True)
    for path, content in {**EXACT, name: b"1"}.items():
        assert repository.view(tree).read(path) == content
        assert (worktree.path / path).read_bytes() == (tmp_path / "out" / path).read_bytes()
    worktree.reset(repository.base_tree)
    worktree.reset(tree)
    assert (worktree.path / name).read_bytes() == b"1"
    assert repository.base_commit == base
    assert not (worktree.path / ".git").exists()
    worktree.remove()


def test_mode_is_kept_unless_named(checkout, open_repository):
    checkout.write("run.sh", "x")
    (checkout.top / "run.sh").chmod(0o755)
    checkout.commit()
    repository = open_repository(checkout.top)
    kept = repository.tree_with(repository.base_tree, [edit("run.sh")])
    assert repository.view(kept).modes()["run.sh"] == 0o100755
    plain = repository.tree_with(kept, [edit("run.sh", mode=0o100644)])
    assert repository.view(plain).modes()["run.sh"] == 0o100644
    assert [e.mode for e in repository.edits_between(kept, plain)] == [0o100644]


def test_losers_leave_nothing_in_the_users_repository(checkout, repository):
    before = set((checkout.top / ".git").rglob("*"))
    tree = repository.tree_with(repository.base_tree, [edit("src/a.py")])
    repository.commit(tree, repository.base_commit, "a loser", {})
    worktree = repository.worktree(0)
    worktree.reset(tree)
    worktree.remove()
    assert set((checkout.top / ".git").rglob("*")) == before


def test_edit_through_a_file_does_not_apply(repository):
    with pytest.raises(ProposalError) as caught:
        repository.tree_with(repository.base_tree, [edit("src/a.py/b", b"", "create")])
    assert caught.value.reason_code == "does_not_apply"


def test_protected_paths_are_restored(repository):
    protected = Globs(["tests/**", "conftest.py"])
    cheat = repository.tree_with(
        repository.base_tree,
        [
            edit("src/a.py"),
            edit("tests/test_a.py"),
            edit("tests/new.py", b"", "create"),
            edit("conftest.py", b"", "create"),
        ],
    )
    honest = repository.tree_with(repository.base_tree, [edit("src/a.py")])
    assert repository.restore_protected(cheat, repository.base_tree, protected) == honest
    assert repository.restore_protected(honest, repository.base_tree, protected) == honest
    gone = repository.tree_with(repository.base_tree, [FileEdit(path="tests/test_a.py", operation="delete")])
    assert repository.restore_protected(gone, repository.base_tree, protected) == repository.base_tree


def test_commit(checkout, repository):
    tree = repository.tree_with(repository.base_tree, [edit("src/a.py")])
    trailers = {"Maabarium-Run": "run1", "Maabarium-Experiment": 7}
    commit = repository.commit(
        tree, repository.base_commit, "fast\x1b[2J\nMaabarium-Run: forged", trailers, when=1_700_000_000
    )
    assert commit == repository.commit(
        tree, repository.base_commit, "fast\x1b[2J\nMaabarium-Run: forged", trailers, when=1_700_000_000
    )
    repository.branches.promote("maabarium/x", commit, None)
    shown = checkout.git("log", "-1", "--format=%an <%ae>|%cn <%ce>|%s|%at|%(trailers:only)", "maabarium/x")
    author, committer, subject, when, said = shown.split("|")
    assert author == committer == "Maabarium <maabarium@localhost>"
    assert subject == "fast [2J Maabarium-Run: forged"
    assert said.splitlines() == ["Maabarium-Run: run1", "Maabarium-Experiment: 7"]
    assert when == "1700000000"
    assert checkout.git("fsck", "--strict", "--no-dangling") == ""


def test_diff_and_patch(checkout, repository):
    tree = repository.tree_with(repository.base_tree, [edit("src/a.py", b"caf\xe9\n"), edit("bin", b"\0\1", "create")])
    assert "-a = 1\n+caf\N{REPLACEMENT CHARACTER}\n" in repository.diff(repository.base_tree, tree)
    patch = repository.patch(repository.base_tree, tree)
    subprocess.run(["git", "apply", "--index", "-"], cwd=checkout.top, input=patch, check=True)
    assert checkout.git("write-tree") == tree


BASE = b"".join(b"line %d\n" % number for number in range(20))


def test_rebase_three_ways(checkout, open_repository):
    checkout.commit("lines", **{"f.txt": BASE, "bin": b"\0base"})
    repository = open_repository(checkout.top)
    base = repository.base_tree
    top = repository.tree_with(base, [edit("f.txt", BASE.replace(b"line 1\n", b"LINE 1\n"))])
    bottom = repository.tree_with(base, [edit("f.txt", BASE.replace(b"line 18\n", b"LINE 18\n"), mode=0o100755)])
    other = repository.tree_with(base, [edit("f.txt", BASE.replace(b"line 1\n", b"other\n"))])
    gone = repository.tree_with(base, [FileEdit(path="f.txt", operation="delete")])
    both = BASE.replace(b"line 1\n", b"LINE 1\n").replace(b"line 18\n", b"LINE 18\n")
    assert repository.rebase(base, top, bottom) == (edit("f.txt", both, mode=0o100755),)
    assert repository.rebase(base, top, other) is None
    assert repository.rebase(base, gone, top) is None
    assert repository.rebase(base, top, gone) is None
    assert repository.rebase(base, top, top) == ()
    assert repository.rebase(base, base, gone) == (FileEdit(path="f.txt", operation="delete"),)
    left, right = (repository.tree_with(base, [edit("bin", content)]) for content in (b"\0left", b"\0right"))
    assert repository.rebase(base, left, right) is None
    file, folder = (repository.tree_with(base, [edit(path, b"", "create")]) for path in ("new", "new/inner"))
    assert repository.rebase(base, file, folder) is None
    assert repository.rebase(base, folder, file) is None


def test_handle_pickles_and_opens(repository):
    again = Repository.open(pickle.loads(pickle.dumps(repository.handle)))
    tree = repository.tree_with(repository.base_tree, [edit("src/a.py")])
    assert contents(again, tree)["src/a.py"] == b"new\n"
    again.close()


def test_reading_is_thread_safe_and_survives_its_process(repository):
    trees = [
        repository.tree_with(repository.base_tree, [edit("src/a.py", b"%d" % number * 1000)]) for number in range(8)
    ]
    wrong = []

    def read(number):
        for _ in range(30):
            if repository.view(trees[number]).read("src/a.py") != b"%d" % number * 1000:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    process = repository.objects._process
    process.kill()
    process.wait()
    assert repository.view(trees[0]).read("src/a.py") == b"0" * 1000


def test_forked_child_reads_with_a_process_of_its_own(repository):
    view = repository.view(repository.base_tree)
    view.paths()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if view.read("src/a.py") == b"a = 1\n" and view.read("src/b.py") == b"b = 1\n" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert view.read("src/b.py") == b"b = 1\n"


def test_resume_starts_from_where_the_run_did(checkout, cache, open_repository):
    first = open_repository(checkout.top)
    checkout.commit("the user goes on", later_py="x")
    again = open_repository(checkout.top, base_commit=first.base_commit)
    assert again.base_tree == first.base_tree
    assert open_repository(checkout.top).base_tree != first.base_tree


def test_missing_private_repository_is_a_sentence(repository):
    handle = repository.handle
    repository.close()
    (handle.git_dir / "HEAD").unlink()
    with pytest.raises(WorkspaceError, match=r"gone .*start a new run"):
        Repository.open(handle)


@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)], ids=["sha1", "sha256"])
def test_shallow_detached_end_to_end(make_checkout, open_repository, tmp_path, options):
    origin = make_checkout("origin", *options)
    for number in range(3):
        origin.commit(f"c{number}", a_py=f"a = {number}\n")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{origin.top}", tmp_path / "clone"], check=True)
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=tmp_path / "clone", check=True)
    repository = open_repository(tmp_path / "clone")
    commit = repository.commit(
        repository.tree_with(repository.base_tree, [edit("a.py")]), repository.base_commit, "x", {}
    )
    assert repository.branches.start_point("maabarium/x") == (repository.base_commit, None)
    repository.branches.promote("maabarium/x", commit, None)
    assert repository.branches.start_point("maabarium/x") == (commit, commit)
    done = subprocess.run(["git", "fsck", "--no-dangling"], cwd=tmp_path / "clone", capture_output=True)
    assert (done.returncode, repository.branches.tip("maabarium/x")) == (0, commit)


def test_twenty_megabytes(repository):
    content = b"x = 1\n" * (20 * 2**20 // 6)
    tree = repository.tree_with(repository.base_tree, [edit("src/a.py", content)])
    assert repository.view(tree).read("src/a.py") == content


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a small disk")
def test_full_disk_is_a_sentence(tmp_path, repository):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk]).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["git", "init", "-q", "--bare", "--template=", disk / "r.git"], check=True)
        with pytest.raises(WorkspaceError, match="the disk is full; free some space"):
            Objects(disk / "r.git", "sha1").write("blob", os.urandom(1 << 20))
        assert not list((disk / "r.git/objects").rglob("tmp_obj_*"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_cache_that_cannot_be_written_is_a_sentence(checkout, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkspaceError, match="cannot make the folder"):
        Repository.create(find_target(checkout.top), "run1", tmp_path / "file" / "cache")


def test_run_ids_are_plain(checkout, cache):
    for run_id in ("../x", "", "a/b", "-x"):
        with pytest.raises(WorkspaceError, match="cannot be the id of a run"):
            Repository.create(find_target(checkout.top), run_id, cache)


# -- properties: a dict is the model of a tree

NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "d", "é", "\udce9"])
FILES = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MODELS = st.dictionaries(
    FILES, st.tuples(st.binary(max_size=8), st.sampled_from([0o100644, 0o100755])), max_size=8
).map(lambda model: {p: v for p, v in model.items() if not any(p != q and q.startswith(p + "/") for q in model)})


def edits_of(old, new):
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            yield FileEdit(path=path, operation="delete")
        elif new[path] != old.get(path):
            yield edit(path, new[path][0], "modify" if path in old else "create", new[path][1])


def model_of(repository, tree):
    view = repository.view(tree)
    return {path: (view.read(path), view.modes()[path]) for path in view.paths()}


@pytest.fixture(scope="module")
def objects_only(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / "top").mkdir()
    repository = Repository.create(find_target(folder / "top", "snapshot"), "model", folder / "cache")
    yield repository
    repository.close()


@given(old=MODELS, new=MODELS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_trees_behave_like_dicts(objects_only, old, new):
    repository = objects_only
    first = repository.tree_with(repository.base_tree, list(edits_of({}, old)))
    second = repository.tree_with(first, list(edits_of(old, new)))
    assert model_of(repository, first) == old
    assert model_of(repository, second) == new
    assert second == repository.tree_with(repository.base_tree, list(edits_of({}, new)))
    assert repository.tree_with(first, repository.edits_between(first, second)) == second
    assert (repository.edits_between(first, second) == ()) == (old == new)


def test_git_agrees_that_the_trees_are_sound(objects_only):
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling"], cwd=objects_only.handle.git_dir, capture_output=True
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_open_file_descriptors_do_not_leak(repository):
    def count():
        return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0

    before = count()
    for _ in range(20):
        other = Repository.open(repository.handle)
        other.view(other.base_tree).paths()
        del other
    assert count() <= before + 1
