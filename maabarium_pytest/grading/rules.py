"""The blueprint's rules: found, read once, laid into the evaluation copy for one session, checked, taken away.

Knows files only; that they are tests is pytest's business.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from maabarium.errors import EvaluationError
from maabarium.folders import remove
from maabarium.records import TestRole

__all__ = ["FOLDER", "HOLDOUT", "Mounted", "Rules", "mounted", "read_rules", "role_of"]

HOLDOUT = "holdout/"
"""Where `evaluator.holdout` goes inside the reserved folder: what failed there is not told in detail."""
FOLDER = "_maabarium_rules"
"""The reserved folder. A package, so that its modules cannot clash with the target's in any import mode."""


@dataclass(frozen=True)
class Rules:
    """Contents by path relative to the reserved folder; `tests` are the ones to collect."""

    contents: dict[str, bytes]
    tests: tuple[str, ...]

    def with_holdout(self, more: Rules) -> Rules:
        """These rules and, in their own folder, others that proposers must not learn from."""
        contents = {HOLDOUT + name: content for name, content in more.contents.items()}
        clash = sorted(contents.keys() & self.contents.keys())
        if clash:
            raise EvaluationError(
                f"rules: rename the folder {HOLDOUT} of evaluator.rules: {clash[0]} is a holdout's name"
            )
        return Rules(self.contents | contents, (*self.tests, *(HOLDOUT + name for name in more.tests)))

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents."""
        state = hashlib.sha256()
        for name in sorted(self.contents):
            state.update(f"{name}\0{len(self.contents[name])}\0".encode())
            state.update(self.contents[name])
        return state.hexdigest()


@dataclass
class Mounted:
    """Rules in place: absolute paths to collect. `changed` is filled when the session is over."""

    files: list[str]
    changed: str = ""


def read_rules(folder: Path, patterns: Iterable[str]) -> Rules:
    """Read files, folders and globs relative to the blueprint's folder.

    A folder brings everything in it, a file brings a `conftest.py` beside it. Raises EvaluationError when a pattern
    names nothing or two rules get one name.
    """
    sources: dict[str, Path] = {}
    tests: list[str] = []
    for pattern in patterns:
        found = [folder / pattern] if (folder / pattern).exists() else sorted(_glob(folder, pattern))
        if not found:
            raise EvaluationError(f'rules: "{pattern}" names no file; paths are relative to {folder}')
        for path in found:
            base = path if path.is_dir() else path.parent
            chosen = _inside(path) if path.is_dir() else [path]
            extra = [base / "conftest.py"] if path.is_file() and (base / "conftest.py").is_file() else []
            for file in [*chosen, *extra]:
                name = file.relative_to(base).as_posix()
                if sources.setdefault(name, file) != file:
                    raise EvaluationError(f"rules: {sources[name]} and {file} would both be rules/{name}; rename one")
            tests += [name.relative_to(base).as_posix() for name in chosen if path.is_file() or _is_test(name)]
    if sources and not tests:
        raise EvaluationError("rules: no test file among them; name the files test_*.py")
    return Rules({name: file.read_bytes() for name, file in sources.items()}, tuple(dict.fromkeys(tests)))


def role_of(id: str) -> TestRole:
    """Whose test it is, by its id; `Reporter.identity` of the target's side puts `rules/` before those of rules."""
    if not id.startswith("rules/"):
        return "suite"
    return "holdout" if id.startswith(f"rules/{HOLDOUT}") else "rule"


def _glob(folder: Path, pattern: str) -> list[Path]:
    anchor = Path(pattern).anchor
    base, rest = (Path(anchor), str(Path(pattern).relative_to(anchor))) if anchor else (folder, pattern)
    return [path for path in base.glob(rest) if path.is_file()]


def _inside(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.relative_to(folder).parts
    )


def _is_test(path: Path) -> bool:
    return path.suffix == ".py" and (path.name.startswith("test_") or path.stem.endswith("_test"))


@contextmanager
def mounted(rules: Rules, rootdir: Path) -> Generator[Mounted]:
    """Lay the rules read-only into the reserved folder; on leaving compare them, then remove the folder."""
    place = rootdir / FOLDER
    remove(place)
    state = Mounted([str(place / name) for name in rules.tests])
    if not rules.contents:
        yield state
        return
    try:
        _write(place, rules)
        yield state
        state.changed = _difference(place, rules)
    finally:
        remove(place)


def _write(place: Path, rules: Rules) -> None:
    for name, content in rules.contents.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)
    for folder, _, files in os.walk(place, topdown=False):
        if "__init__.py" not in files:
            (Path(folder) / "__init__.py").touch(0o444)
        Path(folder).chmod(0o555)


def _difference(place: Path, rules: Rules) -> str:
    for name, content in rules.contents.items():
        try:
            if (place / name).is_symlink() or (place / name).read_bytes() != content:
                return f"rules/{name} was changed while it ran"
        except OSError:
            return f"rules/{name} was removed while it ran"
    return ""
