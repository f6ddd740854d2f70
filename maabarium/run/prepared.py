"""A run before it begins: everything is checked that can be without changing anything."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from maabarium.blueprint.binding import describe as describe_blueprint
from maabarium.blueprint.schema import Blueprint
from maabarium.engine.driver import Cancellation
from maabarium.errors import Problem
from maabarium.events import RunRecord
from maabarium.models.keys import key_finder
from maabarium.models.pool import ModelPool
from maabarium.plugins.manager import PluginManager, ask_lists, contributions, lookup, make
from maabarium.plugins.processes import Sandbox
from maabarium.plugins.protocols import Proposer, ProposerContext, Strategy
from maabarium.run.binding import Binding, asks_models, bind_blueprint, make_strategy, models_of
from maabarium.run.record import RunOptions, branch_of, most_iterations, stored_record, with_first_budget
from maabarium.sandbox.selection import describe, notes_of, select
from maabarium.state_paths import StatePaths, state_paths_of
from maabarium.store import Store
from maabarium.workspace.branch import Branches

__all__ = ["PreparedRun", "prepare_run"]


@dataclass(frozen=True)
class PreparedRun:
    """What `open_run` opens, and what a front end may say of it before."""

    path: Path
    """The blueprint."""
    binding: Binding
    options: RunOptions
    plugins: PluginManager
    stored: RunRecord | None
    """The run that is resumed; None: a new one."""
    run_id: str
    max_iterations: int
    state_paths: StatePaths
    executor: str
    workers: int
    """How many measurements may run at a time."""
    sandbox: Sandbox
    pool: ModelPool | None
    proposer: Proposer
    strategy: Strategy
    cancellation: Cancellation

    @property
    def blueprint(self) -> Blueprint:
        """The blueprint, with all that binding has filled in."""
        return self.binding.bound.blueprint

    @property
    def began_with(self) -> Blueprint | None:
        """Of a run that is resumed: the blueprint with the budget with which it began."""
        return with_first_budget(self.blueprint, self.stored) if self.stored else None

    @property
    def name(self) -> str:
        """The blueprint's name."""
        return self.blueprint.name

    @property
    def header(self) -> tuple[str, ...]:
        """What is about to run: name, target and run; what proposes and in which sandbox; what is measured."""
        target, blueprint = self.binding.target, self.blueprint
        place = blueprint.domain.repo_path if target.kind == "folder" else str(target.top.name)
        kind = "snapshot" if target.kind == "folder" else (target.branch or "detached HEAD")
        run = f"run {self.run_id}{' resumed' if self.stored else ''}"
        proposer = f"{blueprint.proposer_kind} ({models_of(blueprint, self.plugins)})"
        return (
            f"maabarium: {blueprint.name} · {place} ({kind}, {self.binding.scope}) · {run}",
            f"  proposer   {proposer:<25} sandbox    {describe(self.sandbox)}",
            *(f"  {line}" for line in describe_blueprint(self.binding.bound)),
        )

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the user should know before the run."""
        return (*self.binding.warnings, *(Problem("sandbox.level", note) for note in notes_of(self.sandbox)))

    def cancel(self, reason: str) -> None:
        """End at once, also before it was opened. Safe from a signal handler and from any thread."""
        self.cancellation.cancel(reason)
        if self.pool is not None:
            self.pool.close()


def prepare_run(path: Path, options: RunOptions, plugins: PluginManager) -> PreparedRun:
    """Check the blueprint, its surroundings, and the run to resume. Raises MaabariumError with sentences."""
    binding = bind_blueprint(path, plugins, keys=options.replay is None)
    blueprint, folder = binding.bound.blueprint, path.resolve().parent
    state_paths = state_paths_of(path, options.database)
    stored = stored_record(path, binding, state_paths.database, options.resume) if options.resume else None
    promote = stored.promote if stored else options.promote and blueprint.promotion.autonomy >= 2
    if promote and binding.target.git_dir is not None:  # else all work would be done before the branch cannot move
        branches = Branches(binding.target.git_dir, binding.target.git_dir)
        branches.require_free(stored.branch if stored else branch_of(blueprint.name))
    executor, workers = _executor(blueprint, options)
    lookup(plugins, "executors", executor)
    cancellation = Cancellation()
    sandboxes = contributions(plugins, "sandboxes")
    sandbox = select(blueprint.sandbox, sandboxes, cancellation)
    pool = None
    if blueprint.models and asks_models(blueprint, plugins):
        providers = contributions(plugins, "providers")
        tokens, money = 0, 0.0
        if stored:
            with Store.open(state_paths.database, readonly=True) as store:
                tokens, money = store.spent(stored.run_id)
        pool = ModelPool(
            blueprint.models,
            blueprint.budget,
            providers,
            folder=folder,
            find_key=key_finder(providers),
            tokens=tokens,
            money=money,
            record=options.record,
            replay=options.replay,
        )
    seed = (stored.seed if stored else options.seed) or 0
    context = ProposerContext(
        blueprint,
        folder,
        blueprint.proposer.own,
        seed,
        pool=pool,
        sections=lambda request: ask_lists(plugins, "context", request),
        sandbox=lambda wanted: select(wanted, sandboxes, cancellation),
    )
    return PreparedRun(
        path=path,
        binding=binding,
        options=options,
        plugins=plugins,
        stored=stored,
        run_id=stored.run_id if stored else secrets.token_hex(4),
        max_iterations=options.iterations or most_iterations(blueprint, stored),
        state_paths=state_paths,
        executor=executor,
        workers=workers,
        sandbox=sandbox,
        pool=pool,
        proposer=make(plugins, "proposers", blueprint.proposer_kind, context),
        strategy=make_strategy(blueprint, plugins, seed),
        cancellation=cancellation,
    )


def _executor(blueprint: Blueprint, options: RunOptions) -> tuple[str, int]:
    """Name and workers: as asked for, `threads` when several workers are, else as the blueprint says."""
    name = options.executor or blueprint.execution.executor
    if name == "serial" and not options.executor and (options.workers or 1) > 1:
        name = "threads"
    return name, 1 if name == "serial" else options.workers or blueprint.execution.workers
