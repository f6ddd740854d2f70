"""What a run is: its options, its record, and whether a stored one may be taken up again."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maabarium import __version__
from maabarium.acceptance.judge import RULES
from maabarium.blueprint.loading import parse
from maabarium.blueprint.schema import Blueprint
from maabarium.errors import BlueprintError, UsageProblem
from maabarium.events import RunRecord
from maabarium.run.binding import Binding
from maabarium.safe_text import listed
from maabarium.store import Store
from maabarium.workspace.repository import Repository
from maabarium.workspace.trees import GitTree

__all__ = [
    "RunOptions",
    "blueprint_hash",
    "branch_of",
    "most_iterations",
    "new_record",
    "rules_hash",
    "stored_record",
    "with_first_budget",
]


@dataclass(frozen=True)
class RunOptions:
    """What the command line may say beside the blueprint; None leaves the blueprint's word."""

    database: Path | None = None
    workers: int | None = None
    executor: str | None = None
    iterations: int | None = None
    seed: int | None = None
    promote: bool = True
    resume: str | None = None
    record: Path | None = None
    """Where every answer of a model is written."""
    replay: Path | None = None
    """A recording that answers in the place of the models."""


def branch_of(name: str) -> str:
    """The branch of a blueprint: `maabarium/<slug of its name>`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "run"
    return f"maabarium/{slug[:60]}"


def _hash(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def new_record(binding: Binding, path: Path, options: RunOptions, repository: Repository, branch: str) -> RunRecord:
    """The record of a run that is about to begin. Raises WorkspaceError when branch and HEAD have diverged."""
    start, _ = repository.branches.start_point(branch)
    start_tree = repository.tree_of(start)
    blueprint = binding.bound.blueprint
    return RunRecord(
        run_id=repository.handle.run_id,
        blueprint_name=blueprint.name,
        blueprint_path=str(path.resolve()),
        blueprint_text=binding.bound.loaded.text,
        blueprint_hash=blueprint_hash(binding, path),
        grader_hash=f"{rules_hash(binding, path)}+{_protected_hash(binding, repository.view(start_tree))}",
        seed=options.seed or 0,
        max_iterations=options.iterations or blueprint.constraints.max_iterations,
        target=str(binding.target.top),
        isolation="worktree" if binding.target.kind == "git" else "snapshot",
        repository=str(repository.handle.git_dir),
        base_commit=repository.base_commit,
        start_commit=start,
        start_tree=start_tree,
        branch=branch,
        promote=options.promote and blueprint.promotion.autonomy >= 2,
        version=__version__,
        rules=RULES,
    )


def blueprint_hash(binding: Binding, path: Path) -> str:
    """Over the blueprint's text and the proposals that it names."""
    return _text_hash(binding.bound.loaded.text, binding, path)


def _text_hash(text: str, binding: Binding, path: Path) -> str:
    parts = [text.encode("utf-8", "surrogatepass")]
    named = binding.bound.blueprint.proposer.own.get("path")
    if isinstance(named, str) and (path.resolve().parent / named).is_file():
        parts.append((path.resolve().parent / named).read_bytes())
    return _hash(parts)


def rules_hash(binding: Binding, path: Path) -> str:
    """Over the rules with all that they bring along, the options of the evaluator and the metrics."""
    blueprint, folder = binding.bound.blueprint, path.resolve().parent
    files = set(binding.rules)
    files.update(file.with_name("conftest.py") for file in binding.rules if file.with_name("conftest.py").is_file())
    for entry in (*blueprint.evaluator.rules, *blueprint.evaluator.holdout):
        files.update(file for file in (folder / entry).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    parts = [part for file in sorted(files) for part in (file.name.encode(errors="surrogateescape"), file.read_bytes())]
    left_out = {"warm"} if blueprint.evaluator.env else {"warm", "env"}  # no verdict changes; older runs have no `env`
    evaluator = blueprint.evaluator.model_dump_json(exclude=left_out)
    return _hash([*parts, evaluator.encode(), blueprint.metrics.model_dump_json().encode()])


def _protected_hash(binding: Binding, start: GitTree) -> str:
    """Over the files of the start that no proposal may change: the tests, their configuration, and what is listed."""
    entries = sorted(start.entries.items())
    found = (f"{path}\0{entry.mode:o} {entry.oid}" for path, entry in entries if binding.protected.matches(path))
    return _hash([text.encode("utf-8", "surrogateescape") for text in found])


def _changed(record: RunRecord, binding: Binding, path: Path) -> list[str]:
    """What of the blueprint differs from that with which the run began, and decides what a run does."""
    if record.blueprint_hash == blueprint_hash(binding, path):
        return []
    try:
        before = parse(record.blueprint_text, path).blueprint
    except BlueprintError:  # written for an earlier version
        return [path.name]
    found = [] if _text_hash(record.blueprint_text, binding, path) == record.blueprint_hash else ["its proposals file"]
    old, new = (_deciding(blueprint) for blueprint in (before, binding.bound.loaded.blueprint))
    return [*(f"[{key}] of {path.name}" for key in old if old[key] != new[key]), *found]


def _deciding(blueprint: Blueprint) -> dict[str, Any]:
    """The tables of a blueprint without what may be raised under way, and what only people read."""
    found = blueprint.model_dump(mode="json", exclude={"budget", "execution", "library"})
    for table, keys in (("constraints", ("max_iterations",)), ("blueprint", ("description", "version"))):
        found[table] = {key: value for key, value in found[table].items() if key not in keys}
    return found


def most_iterations(blueprint: Blueprint, stored: RunRecord | None) -> int:
    """How many experiments a run makes: a resumed one as many as it began with, unless the blueprint changed that."""
    now = blueprint.constraints.max_iterations
    if (
        stored is None
        or parse(stored.blueprint_text, stored.blueprint_path).blueprint.constraints.max_iterations != now
    ):
        return now
    return stored.max_iterations


def with_first_budget(blueprint: Blueprint, stored: RunRecord) -> Blueprint:
    """The blueprint with the budget that this run began with: it decided how long was measured at its start."""
    first = parse(stored.blueprint_text, stored.blueprint_path).blueprint.budget
    return blueprint.model_copy(update={"budget": first})


def stored_record(path: Path, binding: Binding, database: Path, which: str) -> RunRecord:
    """The run to resume. UsageProblem when blueprint or grader changed since."""
    name = binding.bound.blueprint.name
    with Store.open(database, readonly=True) as store:
        record = store.view(store.resolve(which, name if which == "last" else None)).run
    if record.blueprint_name != name:
        raise UsageProblem(f"run {record.run_id} is of the blueprint {record.blueprint_name}; resume it with that one")
    if changed := _changed(record, binding, path):
        raise UsageProblem(
            f"run {record.run_id} cannot be resumed: {listed(changed)} changed since it began; put it back, or start a "
            "new run. [budget], [execution] and constraints.max_iterations may change"
        )
    # The protected files are those of the run's own start, which does not change; older runs have no such part.
    if record.grader_hash.partition("+")[0] != rules_hash(binding, path):
        raise UsageProblem(
            f"run {record.run_id} cannot be resumed: its rules or evaluator changed since it began, so that scores "
            "before and after would not compare; put them back, or start a new run"
        )
    return record
