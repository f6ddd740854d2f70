"""What is to be run for one request, found before any process: interpreter, configuration, target files and rules.

After `prepare_suite` nothing is read from the tree any more: what a session does to its files changes no grade.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Blueprint
from maabarium.errors import EvaluationError
from maabarium.plugins.protocols import EvaluationRequest, TellsChanges
from maabarium_pytest import target
from maabarium_pytest.grading.configuration import Configuration, filtered, find_configuration
from maabarium_pytest.grading.rules import Rules, read_rules
from maabarium_pytest.grading.static import STATIC_SOURCES
from maabarium_pytest.grading.targets import TargetFiles, find_targets, hiding, import_path, module_names

__all__ = [
    "AUDIT_SEED",
    "TARGET_CODE",
    "Suite",
    "command_line",
    "find_interpreter",
    "grader_fingerprint",
    "path_of",
    "prepare_suite",
    "speaks_of",
    "surplus_plugins",
    "unmoved",
]

TARGET_CODE = Path(target.__file__).parent
"""Our own code of the evaluated process."""
BROUGHT = {"anyio": b"anyio", "hypothesispytest": b"hypothesis"}
"""Plug-ins that are installed because Maabarium is, and the word without which no suite uses them. Loading the two
takes as long as the rest of pytest."""
PLUGINS_OFF = ("lfplugin", "nfplugin", "stepwise", "maabarium")
"""Parts of pytest's cache that order or pick tests by what failed last, and would write it down; the cache stays."""
CACHE = "home/.pytest_cache"
"""Where in the scratch folder `config.cache` is: in memory where a sandbox has private folders."""
AUDIT_SEED = 1
"""Hash seed of audits, and of the first session of a baseline, so that tests which hang on it are known as flaky."""
SPOKEN = (".py", ".toml", ".ini", ".cfg")


@dataclass(frozen=True)
class Suite:
    """One request, prepared."""

    request: EvaluationRequest
    python: str
    configuration: Configuration
    targets: TargetFiles
    path: Sequence[str]
    """Folders that go first on the import path."""
    hiding: Sequence[str]
    """Those of them that hold a module with the name of one of the standard library."""
    modules: Mapping[str, str]
    """Names under which target files are imported, and the path of each."""
    contents: Mapping[str, bytes]
    """The target files by path, when a static source is asked for."""
    rules: Rules
    surplus: tuple[str, ...]
    """Plug-ins of pytest that are not loaded."""
    top: Path
    """The tree's top level without links, to tell what was imported from it."""
    unordered: bool = False
    """The candidate uses more of what has no order (sets, folders, addresses) than the champion."""

    @property
    def strict(self) -> bool:
        """Whether the baseline itself must be green."""
        return self.request.blueprint.constraints.require_tests_pass

    def altered_files(self) -> list[str]:
        """Files that a session has changed and no proposal may; none where the workspace cannot say."""
        workspace = self.request.workspace
        changeable = Globs(self.request.blueprint.domain.target_files)
        altered = workspace.altered() if isinstance(workspace, TellsChanges) else ()
        return sorted(path for path in altered if not changeable.matches(path))


def prepare_suite(request: EvaluationRequest, surplus: tuple[str, ...] | None = None) -> Suite:
    """Find everything; `surplus` as an earlier suite of this run has it. EvaluationError says what is not there."""
    options = request.blueprint.evaluator
    workspace = request.workspace
    targets = find_targets(workspace.path, request.blueprint.domain.target_files)
    rules = read_rules(request.folder, options.rules).with_holdout(read_rules(request.folder, options.holdout))
    if surplus is None:
        surplus = surplus_plugins(workspace.path, targets.paths, rules.contents.values())
    static = not request.sources.isdisjoint(STATIC_SOURCES)
    path = import_path(workspace.root, targets)
    return Suite(
        request=request,
        path=path,
        hiding=hiding(path),
        python=find_interpreter(request.blueprint, request.folder),
        configuration=find_configuration(workspace.path, workspace.root),
        targets=targets,
        modules=module_names(workspace.root, targets),
        contents={path: (targets.top / path).read_bytes() for path in targets.paths} if static else {},
        rules=rules,
        surplus=surplus,
        top=Path(os.path.realpath(targets.top)),
    )


def grader_fingerprint(suite: Suite) -> str:
    """SHA-256 of rules, evaluator options, metric definitions, what picks the tests, and our own child code.

    Tests and other protected files in the tree are not in it: evaluations are looked up by tree, too.
    """
    blueprint = suite.request.blueprint
    facts = {
        "rules": suite.rules.digest,
        "evaluator": blueprint.evaluator.model_dump(mode="json"),
        "metrics": blueprint.metrics.model_dump(mode="json"),
        "targets": blueprint.domain.target_files,
        "strict": suite.strict,
        "addopts": suite.configuration.addopts,
        "surplus": suite.surplus,
        "rootdir": suite.configuration.rootdir.relative_to(suite.targets.top).as_posix(),
        "root": suite.request.workspace.root.relative_to(suite.targets.top).as_posix(),
        "code": _child_code(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _child_code() -> str:
    state = hashlib.sha256()
    for path in sorted(TARGET_CODE.glob("*.py")):
        state.update(path.read_bytes())
    return state.hexdigest()


def find_interpreter(blueprint: Blueprint, folder: Path) -> str:
    """The target's interpreter: ours, a command, or a path relative to the blueprint's folder.

    Links are not resolved: a virtual environment is known by the path it is started under.
    """
    given = blueprint.evaluator.python
    if given is None:
        return sys.executable
    if "/" not in given:
        found = shutil.which(given)
        if found is None:
            raise EvaluationError(f'evaluator.python: there is no command "{given}" on the PATH')
        return found
    path = folder / Path(given).expanduser()
    if not path.is_file():
        raise EvaluationError(f"evaluator.python: {path} does not exist; give the path of the target's interpreter")
    return str(path.absolute())


def surplus_plugins(top: Path, apart_from: Iterable[str], rules: Iterable[bytes]) -> tuple[str, ...]:
    """Names of the plug-ins that neither the tree below `top` nor the rules name, for `-p no:NAME`.

    `apart_from` are the files that an experiment may change, relative to `top`: they do not decide how they are
    graded, and what is left is the same in all trees of a run.
    """
    left = dict(BROUGHT)
    for content in _contents(top, frozenset(apart_from), rules):
        left = {name: word for name, word in left.items() if word not in content}
        if not left:
            break
    return tuple(left)


def speaks_of(suite: Suite, word: bytes) -> bool:
    """Whether a word stands in the rules, or in a file of the tree that no experiment may change."""
    rules = suite.rules.contents.values()
    return any(word in content for content in _contents(suite.targets.top, frozenset(suite.targets.paths), rules))


def _contents(top: Path, apart_from: frozenset[str], rules: Iterable[bytes]) -> Iterator[bytes]:
    yield from rules
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__")]
        for name in files:
            path = Path(folder, name)
            if name.endswith(SPOKEN) and path.is_file() and path.relative_to(top).as_posix() not in apart_from:
                yield path.read_bytes()


def unmoved(path: Path) -> Path:
    """A path as a session in the worktree itself sees it."""
    return path


def path_of(suite: Suite, seen: Callable[[Path], Path]) -> list[str]:
    """What goes first on the path of a session; `seen` says where it sees its files."""
    return [str(seen(Path(folder))) for folder in suite.path]


def command_line(suite: Suite, seen: Callable[[Path], Path], folder: Path) -> list[str]:
    """The command line of pytest, without rules. The target's addopts are replaced by what is left of them. A target
    without a configuration gets an empty one in `folder`."""
    configuration = suite.configuration
    file = configuration.file
    if file is None:
        file = folder / "pytest.ini"
        file.write_text("[pytest]\n", encoding="utf-8")
    rootdir = seen(configuration.rootdir)
    words = ["-c", str(seen(file)), f"--rootdir={rootdir}", f"--confcutdir={rootdir}"]
    words += [word for name in (*PLUGINS_OFF, *suite.surplus) for word in ("-p", f"no:{name}")]
    words += ["-q", "--tb=short", "--color=no", "-o", f"addopts={configuration.override}"]
    if "no:cacheprovider" not in " ".join(configuration.addopts):
        words += ["-o", f"cache_dir={seen(suite.request.workspace.scratch) / CACHE}"]
    if not suite.strict:
        words.append("--continue-on-collection-errors")
    own, _ = filtered(suite.request.blueprint.evaluator.args)
    return words + own + _rules_of_the_tree(suite.request, seen)


def _rules_of_the_tree(request: EvaluationRequest, seen: Callable[[Path], Path]) -> list[str]:
    """Options that keep the suite from collecting rules files of the target itself a second time."""
    if request.top is None:
        return []
    options, top = request.blueprint.evaluator, request.top.resolve()
    places = ((request.folder / given).resolve() for given in (*options.rules, *options.holdout))
    inside = (place.relative_to(top) for place in places if place.is_relative_to(top) and place != top)
    return [f"--ignore={seen(request.workspace.path) / place}" for place in inside]
