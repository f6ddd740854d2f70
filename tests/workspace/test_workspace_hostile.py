"""A repository whose configuration names programs: none of them may ever run, whatever we do with it."""

from __future__ import annotations

import os
import time

import pytest

from maabarium.blueprint.globs import Globs
from maabarium.records import FileEdit
from maabarium.workspace.apply import apply_to_checkout
from maabarium.workspace.lock import run_lock
from maabarium.workspace.target import find_target

HOOKS = (
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout", "post-commit",
    "post-index-change",
    "post-merge", "post-receive", "post-rewrite", "post-update", "pre-applypatch", "pre-auto-gc", "pre-commit",
    "pre-merge-commit", "pre-push", "pre-rebase", "pre-receive", "prepare-commit-msg", "proc-receive",
    "push-to-checkout",
    "reference-transaction", "update",
)  # fmt: skip


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "marker"


@pytest.fixture
def program(tmp_path, marker):
    """Notes who called it, and passes its input on as a filter would."""
    file = tmp_path / "program"
    file.write_text(f'#!/bin/sh\necho "$0 $*" >> {marker}\ncat\n')
    file.chmod(0o755)
    return file


@pytest.fixture
def hostile(checkout, program, marker, make_checkout):
    inner = make_checkout("inner")
    inner.commit("first", a_py="a")
    checkout.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "vendor/inner")
    checkout.write(".gitattributes", "* filter=evil diff=evil merge=evil\n*.odd filter=a.b=c\n")
    checkout.commit("attributes", **{"x.odd": "odd"})
    checkout.git("branch", "maabarium/old")
    settings = {
        "core.hooksPath": str(program.parent / "hooks"), "core.fsmonitor": str(program), "core.pager": str(program),
        "core.editor": str(program), "core.sshCommand": str(program), "core.askPass": str(program),
        "core.alternateRefsCommand": str(program), "core.gitProxy": str(program), "commit.gpgSign": "true",
        "gpg.program": str(program), "log.showSignature": "true", "diff.external": str(program),
        "diff.evil.textconv": str(program), "diff.evil.command": str(program), "merge.evil.driver": str(program),
        "filter.evil.clean": f"{program} filter", "filter.evil.smudge": f"{program} filter",
        "filter.evil.required": "true",
        "filter.a.b=c.clean": f"{program} filter", "pager.status": str(program),
        "alias.status": f"!{program}", "credential.helper": str(program), "uploadpack.packObjectsHook": str(program),
        "interactive.diffFilter": str(program), "status.submoduleSummary": "true", "diff.ignoreSubmodules": "none",
        "extensions.partialClone": "origin", "remote.origin.url": f"ext::{program} %S",
        "remote.origin.promisor": "true", "protocol.ext.allow": "always", "sequence.editor": str(program),
        "diff.orderFile": "/dev/null",
    }  # fmt: skip
    for folder in (checkout.top / ".git/hooks", program.parent / "hooks"):
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            (folder / name).symlink_to(program)
    inner_git = checkout.top / ".git/modules/vendor/inner"
    for place in (checkout.top / ".git/config", inner_git / "config"):
        with place.open("a") as file:
            for key, value in settings.items():
                section, _, rest = key.partition(".")
                inner, _, name = rest.rpartition(".")
                file.write(f'[{section} "{inner}"]\n' if inner else f"[{section}]\n")
                file.write(f'\t{name} = "{value}"\n')
    time.sleep(0.01)
    checkout.write("vendor/inner/a.py", "changed")
    os.utime(checkout.top / "src/b.py", (1, 1))
    assert not marker.exists()
    return checkout


def test_the_trap_works(hostile, marker):
    """Plain git runs into it: otherwise the test below proves nothing."""
    hostile.git("status")
    assert "program" in marker.read_text()


@pytest.mark.parametrize("isolation", ["auto", "snapshot"])
def test_nothing_foreign_runs(hostile, marker, open_repository, cache, isolation, monkeypatch):
    monkeypatch.setenv("GIT_PAGER", str(marker.parent / "program"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(marker.parent / "program"))
    monkeypatch.setenv("GIT_EDITOR", str(marker.parent / "program"))
    target = find_target(hostile.top, isolation)
    if isolation == "auto":
        assert set(target.filters) == {"evil", "a.b=c"}
    with run_lock(target, "maabarium/x", "run1", cache):
        repository = open_repository(hostile.top, isolation=isolation, copy_files=["vendor/**"])
        base = repository.base_tree
        tree = repository.tree_with(base, [FileEdit(path="src/a.py", operation="modify", content=b"better\n")])
        worktree = repository.worktree(0)
        worktree.reset(base)
        worktree.reset(tree)
        assert (worktree.path / "src/a.py").read_bytes() == b"better\n"
        other = repository.tree_with(base, [FileEdit(path="src/b.py", operation="modify", content=b"b\n")])
        assert repository.rebase(base, other, tree)
        repository.diff(base, tree)
        repository.patch(base, tree)
        repository.restore_protected(tree, base, Globs(["src/**"]))
        repository.branches.start_point("maabarium/x")
        if isolation == "auto":
            repository.branches.start_point("maabarium/old")
        repository.branches.pin("run1")
        commit = repository.commit(tree, repository.base_commit, "x", {})
        repository.branches.promote("maabarium/x", commit, None)
        repository.branches.promote("maabarium/x", repository.commit(base, commit, "y", {}), commit)
        repository.branches.unpin("run1")
        worktree.remove()
    assert not marker.exists(), marker.read_text()


def test_applying_runs_filters_at_most(hostile, marker, open_repository, program):
    repository = open_repository(hostile.top)
    tree = repository.tree_with(
        repository.base_tree, [FileEdit(path="src/a.py", operation="modify", content=b"better\n")]
    )
    repository.branches.promote("maabarium/x", repository.commit(tree, repository.base_commit, "x", {}), None)
    assert not marker.exists()
    apply_to_checkout(find_target(hostile.top), "maabarium/x")
    assert (hostile.top / "src/a.py").read_bytes() == b"better\n"
    ran = marker.read_text() if marker.exists() else ""
    assert set(ran.splitlines()) <= {f"{program} filter"}  # the user's checkout needs them; nothing else ran
