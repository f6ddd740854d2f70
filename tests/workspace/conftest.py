"""A real git repository to work on, and the hands to change it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from maabarium.workspace.repository import Repository
from maabarium.workspace.target import find_target


@dataclass
class Checkout:
    """The user's own repository, driven with plain git and the user's identity."""

    top: Path

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *arguments]
        done = subprocess.run(command, cwd=self.top, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: bytes | str) -> None:
        file = self.top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, message: str = "more", **files: bytes | str) -> str:
        for path, content in files.items():
            self.write(path.replace("__", "/").replace("_py", ".py"), content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no configuration of whoever runs them."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    empty = tmp_path / "gitconfig"
    empty.touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(empty))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def make_checkout(tmp_path: Path) -> Callable[..., Checkout]:
    def make(name: str = "project", *options: str) -> Checkout:
        checkout = Checkout(tmp_path / name)
        checkout.top.mkdir()
        checkout.git("init", "-q", "-b", "main", *options)
        return checkout

    return make


@pytest.fixture
def checkout(make_checkout: Callable[..., Checkout]) -> Checkout:
    """`src/a.py`, `src/b.py`, `tests/test_a.py`, committed on main."""
    made = make_checkout()
    made.commit("first", src__a_py="a = 1\n", src__b_py="b = 1\n", tests__test_a_py="def test(): pass\n")
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def open_repository(cache: Path) -> Iterator[Callable[..., Repository]]:
    """Make a run's repository for a folder; closed at the end."""
    made: list[Repository] = []

    def make(top: Path, run_id: str = "run1", **options: object) -> Repository:
        isolation = options.pop("isolation", "auto")
        repository = Repository.create(find_target(top, isolation), run_id, cache, **options)  # type: ignore[arg-type]
        made.append(repository)
        return repository

    yield make
    for repository in made:
        repository.close()


@pytest.fixture
def repository(checkout: Checkout, open_repository: Callable[..., Repository]) -> Repository:
    return open_repository(checkout.top)
