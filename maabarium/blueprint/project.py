"""Where a Python project keeps its product and its tests, found from its files and its packaging metadata.

Runs nothing of the project: TOML and INI are parsed, `setup.py` is read as a syntax tree. Used to draft a blueprint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maabarium.blueprint.metadata import Metadata, read_metadata

__all__ = ["InitFacts", "inspect_project"]

_ASIDE = frozenset({
    "test", "tests", "testing_data", "doc", "docs", "example", "examples", "sample", "samples", "demo", "demos",
    "benchmark", "benchmarks", "bench", "perf", "build", "dist", "venv", "env", "node_modules", "scripts",
    "script", "tools", "ci", "bin", "etc", "tasks", "site-packages", "vendor", "vendored", "third_party",
    "migrations", "typings", "stubs", "fuzz", "fuzzing", "notebooks",
})  # fmt: skip
_ALONE = frozenset({
    "setup", "conftest", "noxfile", "tasks", "fabfile", "manage", "versioneer", "ez_setup", "distribute_setup",
    "conf", "__main__", "build", "hatch_build", "release", "bootstrap", "runtests", "run_tests",
})  # fmt: skip
_VENDORED = frozenset({"_vendor", "_vendored", "vendor", "vendored", "_bundled", "third_party", "thirdparty", "extern"})
_TEST_FOLDERS = frozenset({"test", "tests"})
_INTERPRETERS = (".venv/bin/python", "venv/bin/python")
_READ_TESTS = 300
_READ_BYTES = 300_000
_BENCHMARK = re.compile(r"^\s*(?:async )?def (test_\w+)\([^)]*\bbenchmark\b", re.MULTILINE)


@dataclass(frozen=True)
class InitFacts:
    """What a draft needs to know. Globs and paths are POSIX, relative to the target's top level.

    `packages`: globs of the product's sources. `protected`: globs of tests and foreign code inside them.
    `benchmarks`: names of tests that use pytest-benchmark. `python`: the project's own interpreter, if it has one.
    `rules`: rules files, relative to the blueprint.
    """

    name: str
    repo_path: str = "."
    packages: tuple[str, ...] = ()
    has_tests: bool = False
    tests: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    python: str | None = None
    rules: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    """Source files that are in no commit and have to be brought along."""

    @property
    def module(self) -> str:
        """What the first package is imported as, as far as its path tells; empty if it does not."""
        for glob in self.packages:
            parts = PurePosixPath(glob.removesuffix("/**/*.py").removesuffix(".py")).parts
            if parts and parts[-1].isidentifier():
                return parts[-1]
        return ""


def inspect_project(root: Path, paths: tuple[str, ...]) -> InitFacts:
    """Look at a project. `paths` are its tracked files; `root` is its top level. Never raises on odd content."""
    metadata = read_metadata(root)
    python = tuple(path for path in paths if path.endswith(".py") and _is_text(path) and not _is_hidden(path))
    packages = _packages(python, metadata)
    product = tuple(path for path in python if any(_inside(path, glob) for glob in packages))
    tests = tuple(path for path in python if is_test(path))
    interpreter = next((name for name in _INTERPRETERS if (root / name).exists()), None)
    return InitFacts(
        name=_slug(metadata.name or re.sub(r"-\d+(\.\d+)+$", "", root.resolve().name)),
        packages=packages,
        has_tests=bool(tests),
        tests=_test_homes(tests),
        protected=_foreign(product),
        benchmarks=_benchmarks(root, tests),
        python=interpreter,
    )


def is_test(path: str) -> bool:
    """Whether a file is one that pytest would collect by its name."""
    name = path.rpartition("/")[2]
    return (name.startswith("test_") and name.endswith(".py")) or name.endswith("_test.py")


def _packages(python: tuple[str, ...], metadata: Metadata) -> tuple[str, ...]:
    """Globs of the product: the first source root that holds something, named packages before found ones."""
    for root in (*metadata.roots, "src", ""):
        prefix = f"{root.strip('/')}/" if root.strip("./") else ""
        below = [path.removeprefix(prefix) for path in python if path.startswith(prefix)]
        found = _named(below, metadata) or _found(below, metadata, rooted=bool(prefix))
        if found:
            return tuple(prefix + glob for glob in found)
    return ()


def _named(below: list[str], metadata: Metadata) -> list[str]:
    """Packages and modules that the metadata lists and that are there."""
    globs = []
    for name in metadata.packages:
        folder = name.replace(".", "/").strip("/")
        if folder.partition("/")[0].lower() in _ASIDE and folder != _module_name(metadata.name):
            continue
        if any(path.startswith(f"{folder}/") for path in below):
            globs.append(f"{folder}/**/*.py")
        elif f"{folder}.py" in below:
            globs.append(f"{folder}.py")
    return [glob for glob in globs if not any(glob != other and _inside(glob, other) for other in globs)]


def _found(below: list[str], metadata: Metadata, *, rooted: bool) -> list[str]:
    """Packages by their `__init__.py`, then namespace packages, then single modules.

    At the top of a repository a namespace package has to bear the project's name; below `src` any will do.
    """
    own = _module_name(metadata.name)
    firsts = {path.partition("/")[0] for path in below if "/" in path}
    usual = sorted(first for first in firsts if first.isidentifier() and (first.lower() not in _ASIDE or first == own))
    packages = [first for first in usual if f"{first}/__init__.py" in below]
    if own in packages:
        packages = [first for first in packages if own in (first, first.lstrip("_")) or _related(first, own)]
    namespace = [first for first in usual if rooted or first in (own, metadata.name.partition(".")[0])]
    if packages or namespace:
        return [f"{first}/**/*.py" for first in packages or namespace]
    modules = [path for path in below if "/" not in path and not is_test(path)]
    modules = [path for path in modules if path.removesuffix(".py") not in _ALONE]
    return [f"{own}.py"] if f"{own}.py" in modules else sorted(modules)


def _related(first: str, own: str) -> bool:
    """Whether a second package looks like part of the product (`attr` beside `attrs`), not like tooling."""
    return first.startswith(own) or own.startswith(first) or first.strip("_").startswith(own)


def _foreign(product: tuple[str, ...]) -> tuple[str, ...]:
    """Tests and vendored code inside the product, as globs of their folders."""
    globs: dict[str, None] = {}
    for path in product:
        folders = path.split("/")[:-1]
        for depth, folder in enumerate(folders[1:], start=2):
            if folder in _TEST_FOLDERS or folder in _VENDORED:
                globs["/".join(folders[:depth]) + "/**"] = None
                break
    return tuple(sorted(globs))


def _test_homes(tests: tuple[str, ...]) -> tuple[str, ...]:
    """Top-most folders of the tests; files for tests that lie at the top."""
    homes = {path.rpartition("/")[0] or path for path in tests}
    return tuple(
        sorted(home for home in homes if not any(home != other and home.startswith(f"{other}/") for other in homes))
    )


def _benchmarks(root: Path, tests: tuple[str, ...]) -> tuple[str, ...]:
    """Names of tests with a `benchmark` argument, from the first few hundred test files."""
    names: dict[str, None] = {}
    for path in tests[:_READ_TESTS]:
        try:
            with (root / path).open("rb") as stream:
                text = stream.read(_READ_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        names.update(dict.fromkeys(_BENCHMARK.findall(text)))
    return tuple(names)


def _inside(path: str, glob: str) -> bool:
    folder = glob.removesuffix("**/*.py")
    return path.startswith(folder) if folder != glob else path == glob


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") or part.endswith(".egg-info") for part in path.split("/"))


def _is_text(path: str) -> bool:
    """Whether a path can be written into a TOML file, and into a pattern without escaping."""
    return path.isprintable() and not set(path) & set("*?[]!#\\\"'")


def _module_name(name: str) -> str:
    return re.sub(r"[-.]+", "_", name).lower()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "project"
