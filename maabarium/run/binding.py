"""A blueprint meets its surroundings: the facts that binding needs, gathered from plug-ins, target and keys.

Changes nothing. All that is wrong comes out as one BlueprintError.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maabarium.blueprint.binding import BindFacts, Bound, bind, needed_sources
from maabarium.blueprint.document import apart_from
from maabarium.blueprint.globs import Globs
from maabarium.blueprint.loading import Loaded, load, mended
from maabarium.blueprint.rules import ANY, find_rules, rule_scores, timed_scores
from maabarium.blueprint.schema import Blueprint
from maabarium.blueprint.sentences import problem_of
from maabarium.errors import BlueprintError, MaabariumError, Problem, WorkspaceError
from maabarium.evaluators import outside_files
from maabarium.models.keys import key_finder
from maabarium.models.problems import problems_of_models
from maabarium.plugins.hookspecs import BlueprintCheck
from maabarium.plugins.manager import PluginManager, ask_lists, bare_evaluators, contributions, make
from maabarium.plugins.processes import Sandbox
from maabarium.plugins.protocols import ChecksBlueprint, DescribesProposer, NeedsModels, Strategy, StrategyContext
from maabarium.sandbox.policy import anchored
from maabarium.worker.worker import WorkerSetup
from maabarium.workspace.paths import protected_globs, targets_of
from maabarium.workspace.repository import RepositoryHandle
from maabarium.workspace.target import Target, find_target

__all__ = ["Binding", "asks_models", "bind_blueprint", "make_strategy", "models_of", "worker_setup"]


@dataclass(frozen=True)
class Binding:
    """A blueprint that can run, and the target that it is about."""

    bound: Bound
    target: Target
    rules: tuple[Path, ...]
    """The files behind `[evaluator] rules` and `holdout`, and those of an evaluator from outside."""
    protected: Globs
    targets: tuple[str, ...]
    """Files that may be changed."""

    @property
    def scope(self) -> str:
        """How many files may change, and how many that are named may still be created."""
        absent = set(Globs(self.bound.blueprint.domain.target_files).exact) - set(self.target.files)
        count = len(self.targets)
        changed = f"{count} file{'s' * (count != 1)} may change"
        if not absent:
            return changed
        created = f"{len(absent)} file{'s' * (len(absent) != 1)} may be created"
        return f"{changed}, {len(absent)} may be created" if count else created

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the user should know before the run."""
        target, said = self.target, []
        if target.dirty:
            names = ", ".join(target.dirty[:3]) + (" …" if len(target.dirty) > 3 else "")
            said.append(f"{len(target.dirty)} modified tracked file(s) ({names}) are not measured: HEAD is")
        if target.filters:
            said.append(f"files under the git filter {', '.join(target.filters)} are measured as git stores them")
        if target.submodules:
            said.append(f"submodules are empty folders in a measurement: {', '.join(target.submodules[:3])}")
        return (*self.bound.warnings, *(Problem("domain.repo_path", sentence) for sentence in said))


def bind_blueprint(path: Path, plugins: PluginManager, *, keys: bool = True) -> Binding:
    """Load and bind. Raises BlueprintError with every problem found, of the file and of its surroundings.

    `keys`: whether the models will be asked, so that their keys must be found.
    """
    try:
        loaded = load(path)
    except BlueprintError as error:
        raise _with_further(error, path, plugins, keys) from None
    return _bind(loaded, path, plugins, keys)


def worker_setup(binding: Binding, path: Path, repository: RepositoryHandle, sandbox: Sandbox) -> WorkerSetup:
    """What a worker needs to measure for this blueprint at `path`, in the sandbox that was found."""
    blueprint = binding.bound.blueprint
    options = blueprint.sandbox.model_copy(update={"level": sandbox.level})  # so that no worker looks for itself
    return WorkerSetup(
        run_id=repository.run_id,
        blueprint=blueprint.model_copy(update={"sandbox": options}),
        folder=path.resolve().parent,
        repository=repository,
        evaluators=binding.bound.evaluators,
        sandbox=sandbox.name,
    )


def make_strategy(blueprint: Blueprint, plugins: PluginManager, seed: int) -> Strategy:
    """The strategy that the blueprint names. Raises BlueprintError when it refuses its options."""
    section = blueprint.strategy
    try:
        made: Strategy = make(plugins, "strategies", section.kind, StrategyContext(blueprint, section.options, seed))
    except ValidationError as error:
        found = [problem_of({**one, "loc": ("strategy", "options", *one["loc"])}) for one in error.errors()]
        raise BlueprintError(blueprint.name, found) from error
    return made


def asks_models(blueprint: Blueprint, plugins: PluginManager) -> bool:
    """Whether the blueprint's proposer is given models."""
    factory = contributions(plugins, "proposers").get(blueprint.proposer_kind)
    return blueprint.models is not None and (not isinstance(factory, NeedsModels) or factory.needs_models)


def models_of(blueprint: Blueprint, plugins: PluginManager) -> str:
    """What proposes, in a few words for the head of a run: as its factory says, else its models."""
    factory = contributions(plugins, "proposers").get(blueprint.proposer_kind)
    if isinstance(factory, DescribesProposer):
        return factory.describe(blueprint)
    return blueprint.models.names if blueprint.models and asks_models(blueprint, plugins) else "no model"


def _with_further(error: BlueprintError, path: Path, plugins: PluginManager, keys: bool) -> BlueprintError:
    """What is wrong with the file itself, and what its surroundings would say of the rest of it."""
    try:
        loaded = mended(path)
        if loaded is not None:
            _bind(loaded, path, plugins, keys)
    except BlueprintError as further:
        return BlueprintError(error.source, apart_from(error.problems, further.problems))
    return error


def _bind(loaded: Loaded, path: Path, plugins: PluginManager, keys: bool) -> Binding:
    folder = path.resolve().parent
    loaded = replace(loaded, blueprint=anchored(loaded.blueprint, folder))
    blueprint = loaded.blueprint
    try:
        target = find_target(folder / blueprint.domain.repo_path, blueprint.domain.isolation)
    except WorkspaceError as error:
        raise BlueprintError(str(path), [Problem("domain.repo_path", str(error))]) from error
    rules = find_rules(folder, blueprint.evaluator.rules)
    holdout = find_rules(folder, blueprint.evaluator.holdout, "evaluator.holdout")
    files = (*rules.paths, *holdout.paths)
    sources, misfits = _sources(blueprint.evaluator.options, plugins)
    problems = [*rules.problems, *holdout.problems, *misfits]
    if blueprint.models and keys and asks_models(blueprint, plugins):
        known = contributions(plugins, "providers")
        problems += problems_of_models(blueprint.models, blueprint.budget, known, folder, key_finder(known))
    facts = BindFacts(
        tree_paths=target.files,
        target_name=target.top.name,
        sources=sources,
        bare=bare_evaluators(plugins),
        proposers=frozenset(contributions(plugins, "proposers")),
        executors=frozenset(contributions(plugins, "executors")),
        strategies=frozenset(contributions(plugins, "strategies")),
        further=tuple(problems),
        rule_scores=rule_scores(files),
        timed_scores=timed_scores(files),
    )
    bound = bind(loaded, _with_checks(loaded, facts, path, plugins))
    judges = (*files, *outside_files(blueprint, folder))
    outer = tuple(
        place.relative_to(target.top).as_posix()
        for place in (file.resolve() for file in (*judges, *(Path(one.path) for one in blueprint.policy), path))
        if place.is_relative_to(target.top)
    )
    protected = protected_globs((*blueprint.domain.protected, *(f"/{name}" for name in outer)), target.prefix)
    targets = targets_of(target.files, Globs(blueprint.domain.target_files), protected)
    if not targets and not Globs(blueprint.domain.target_files).exact:
        said = "every file that matches is protected (tests, configuration and start-up files are)"
        raise BlueprintError(str(path), [Problem("domain.target_files", said)])
    return Binding(bound, target, judges, protected, targets)


def _sources(
    options: dict[str, dict[str, Any]], plugins: PluginManager
) -> tuple[dict[str, frozenset[str]], list[Problem]]:
    """What each evaluator measures, and what is wrong with the options of one; that one is taken to measure all."""
    sources, problems = {}, []
    for name in contributions(plugins, "evaluators"):
        try:
            sources[name] = frozenset(make(plugins, "evaluators", name, options.get(name, {})).sources)
        except ValidationError as error:
            sources[name] = frozenset({ANY})
            found = [{**one, "loc": ("evaluator", "options", name, *one["loc"])} for one in error.errors()]
            problems += [problem_of(one) for one in found]
    return sources, problems


def _with_checks(loaded: Loaded, facts: BindFacts, path: Path, plugins: PluginManager) -> BindFacts:
    """The facts with the problems that plug-ins see."""
    blueprint, place = loaded.blueprint, path.resolve()
    check = BlueprintCheck(blueprint, place, needed_sources(loaded, facts))
    proposer = contributions(plugins, "proposers").get(blueprint.proposer_kind)
    try:
        found = ask_lists(plugins, "check_blueprint", check)
        if isinstance(proposer, ChecksBlueprint):
            found += proposer.blueprint_problems(blueprint, place.parent)
    except MaabariumError as error:
        found = [Problem("", str(error))]
    return replace(facts, further=(*facts.further, *found))
