"""What is wrong before a run begins: a sentence and exit 4, or a warning and a run as if nothing were."""

from __future__ import annotations

import json
import os
import shutil

from badinput_place import FASTER, Place, concurrent, patch


def refused(place: Place, *sentences: str, arguments: tuple[str, ...] = (), **environment: str) -> str:
    """A run that must not start. It makes nothing, not even its data folder."""
    done = place.run(*arguments, **environment)
    assert done.status == 4, done.text
    for sentence in sentences:
        assert sentence in done.errors.decode(), done.text
    assert not (place.root / "data").exists()
    assert not place.cache.exists() or not list(place.cache.rglob("*.lock"))
    return done.text


@concurrent
def test_a_missing_repository(place: Place) -> None:
    text = (place.root / "bp.toml").read_text()
    place.write("bp.toml", text.replace('repo_path = "."', 'repo_path = "nowhere"'))
    refused(place, "domain.repo_path", "nowhere does not exist; correct repo_path")


@concurrent
def test_a_worktree_asked_for_where_there_is_no_repository(place: Place) -> None:
    place.blueprint(domain='isolation = "worktree"')
    shutil.rmtree(place.root / ".git")
    refused(place, "is not in a git repository", "git init", 'isolation = "snapshot"')


@concurrent
def test_a_repository_without_commits(place: Place) -> None:
    shutil.rmtree(place.root / ".git")
    place.git("init", "-q", "-b", "main")
    refused(place, "domain.repo_path", "has no commits yet; commit something first")


@concurrent
def test_a_dirty_checkout_is_measured_at_its_head(place: Place) -> None:
    place.write("app/__init__.py", "SPEED = 0  # this one would fail\n")
    place.write("untracked.py", "1 / 0\n")
    done = place.run()
    assert done.status == 0, done.text
    assert "1 modified tracked file(s) (app/__init__.py) are not measured: HEAD is" in done.text
    assert place.outcomes() == [("baseline", "baseline"), ("promoted", "kept")]


@concurrent
def test_a_branch_that_went_its_own_way(place: Place) -> None:
    place.git("checkout", "-q", "-b", "maabarium/speed")
    place.git("commit", "-q", "--allow-empty", "-m", "theirs")
    place.git("checkout", "-q", "main")
    place.git("commit", "-q", "--allow-empty", "-m", "ours")
    tip = place.branch()
    done = place.run()
    assert done.status == 4, done.text
    for sentence in ("have diverged", "git merge maabarium/speed", "git branch -m maabarium/speed maabarium/speed-old"):
        assert sentence in done.errors.decode(), done.text
    assert place.branch() == tip


@concurrent
def test_a_submodule_is_left_alone(place: Place) -> None:
    commit = place.git("rev-parse", "HEAD").strip()
    place.write(".gitmodules", '[submodule "lib"]\n\tpath = lib\n\turl = https://example.invalid/lib\n')
    place.blueprint(
        patch("into the submodule", "X = 1\n", "lib/new.py", "create"), FASTER, targets=("app/**", "lib/**")
    )
    place.git("add", "-A")
    place.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    place.git("commit", "-q", "-m", "submodule")
    (place.root / "lib").mkdir()
    done = place.run("-v")
    assert done.status == 0, done.text
    assert "submodules are empty folders in a measurement: lib" in done.text
    assert place.outcomes() == [("baseline", "baseline"), ("invalid", "out_of_bounds"), ("promoted", "kept")]
    assert f"160000 commit {commit}\tlib" in place.git("ls-tree", place.branch())


@concurrent
def test_five_mistakes_come_at_once(place: Place) -> None:
    text = (place.root / "bp.toml").read_text()
    for right, wrong in (
        ('"maximize"', '"maximise"'),
        ('["app/**/*.py"]', '["srcs/**/*.py"]'),
        ("max_iterations = 1", "max_iterations = 0"),
        ('kind = "scripted"', 'kind = "scriptd"'),
        ("min_improvement = 0.0", 'min_improvement = "much"'),
    ):
        assert right in text
        text = text.replace(right, wrong)
    place.write("bp.toml", text)
    said = refused(place, "bp.toml has 5 problems")
    for where in (
        "metrics.metrics[0].direction", "domain.target_files[0]", "constraints.max_iterations", "proposer.kind",
        "constraints.min_improvement",
    ):  # fmt: skip
        assert where in said, said
    assert 'did you mean "maximize"?' in said and "scripted" in said


@concurrent
def test_globs_that_match_nothing(place: Place) -> None:
    place.blueprint(targets=("srcs/**/*.py", "app/*.pyx"))
    said = refused(place, "bp.toml has 2 problems", "domain.target_files[0]", "domain.target_files[1]")
    assert '"srcs/**/*.py" matches no file' in said


@concurrent
def test_globs_that_match_protected_files_only(place: Place) -> None:
    place.blueprint(targets=("tests/**/*.py",))
    refused(place, "domain.target_files", "every file that matches is protected")


@concurrent
def test_positional_arguments(place: Place) -> None:
    refused(place, "--maabarium takes no tests to select", arguments=("tests", "app/__init__.py"))


@concurrent
def test_dubious_ownership(place: Place) -> None:
    real = shutil.which("git")
    wrapper = place.folder / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nGIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec {real} "$@"\n')
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
    said = refused(place, "dubious ownership, it belongs to another user", PATH=path)
    assert f"git config --global --add safe.directory {place.root}" in said


@concurrent
def test_a_blueprint_that_is_no_text(place: Place) -> None:
    place.write("bp.toml", b'[blueprint]\nname = "caf\xe9"\n\x00')
    refused(place, "bp.toml")


@concurrent
def test_proposals_that_are_no_json(place: Place) -> None:
    place.write("proposals.jsonl", b'{"summary": "half\n\xff\xfe\n' + json.dumps({"summary": 3}).encode() + b"\n")
    done = place.run("--maabarium-iterations", "3")
    assert done.status in (1, 4), done.text
