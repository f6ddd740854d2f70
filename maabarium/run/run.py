"""One run from the blueprint's path to its end: where the rooms below are put together.

Knows every room, decides nothing: the engine decides, the driver drives, a front end prints.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import cast

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Blueprint, SandboxOptions
from maabarium.engine.actions import Done
from maabarium.engine.driver import Driver, Progress
from maabarium.engine.engine import Engine
from maabarium.errors import Problem, WorkspaceError
from maabarium.events import RunRecord, RunView
from maabarium.log import RunLog
from maabarium.plugins.manager import PluginManager, contributions, lookup
from maabarium.plugins.protocols import ContextRequest, NotesTargets, Proposer, ProposerContext, Section
from maabarium.records import Outcome
from maabarium.run.banner import baseline_lines, header_lines
from maabarium.run.binding import Binding, bind_blueprint
from maabarium.run.log import LoggingPlugin
from maabarium.run.models import models_of, open_pool
from maabarium.run.pin import PinningPlugin
from maabarium.run.record import RunOptions, branch_of, new_record, spent_before, stored_record
from maabarium.run.trees import BoundedRepository
from maabarium.sandbox.selection import describe as describe_sandbox
from maabarium.sandbox.selection import select
from maabarium.sandbox.strays import end_strays
from maabarium.state_paths import StatePaths, state_paths_of
from maabarium.store import Store, StoredView
from maabarium.worker.worker import Worker
from maabarium.workspace.apply import apply_to_checkout
from maabarium.workspace.lock import RunLock, sweep
from maabarium.workspace.repository import Repository
from maabarium.workspace.stored import open_private
from maabarium.workspace.target import find_target

__all__ = ["Run", "open_repository"]


class Run:
    """A prepared run; a context manager around its work. See the methods for what a front end needs."""

    def __init__(
        self, path: Path, binding: Binding, options: RunOptions, plugins: PluginManager, stored: RunRecord | None
    ) -> None:
        self.path = path
        self.binding = binding
        self.options = options
        self.plugins = plugins
        self.blueprint: Blueprint = binding.bound.blueprint
        self.state_paths: StatePaths = state_paths_of(path, options.database)
        self.resumed = stored is not None
        self.run_id = stored.run_id if stored else secrets.token_hex(4)
        self.max_iterations = options.iterations or (
            stored.max_iterations if stored else self.blueprint.constraints.max_iterations
        )
        self._cancel = threading.Event()
        self._sandboxes = contributions(plugins, "sandboxes")
        self.sandbox = select(self.blueprint.sandbox, self._sandboxes, self._cancel)
        self.end: Done | None = None
        self.notes: list[str] = []
        """What happened after the end, one sentence each."""
        self.pool = open_pool(
            self.blueprint,
            path.resolve().parent,
            plugins,
            spent=spent_before(self.state_paths, stored),
            record=options.record,
            replay=options.replay,
        )
        self.proposer: Proposer = self._make_proposer(stored.seed if stored else options.seed)
        self._stored = stored
        self._stack = ExitStack()
        self._store: Store | None = None
        self._repository: Repository | None = None
        self._driver: Driver | None = None

    # --- before ---

    @classmethod
    def prepare(cls, path: Path, options: RunOptions, plugins: PluginManager) -> Run:
        """Check all that can be checked without changing anything. Raises MaabariumError with sentences."""
        binding = bind_blueprint(path, plugins, keys=options.replay is None)
        stored = None
        if options.resume:
            stored = stored_record(path, binding, options)
        run = cls(path, binding, options, plugins, stored)
        lookup(plugins, "executors", run.executor_name)
        return run

    @property
    def name(self) -> str:
        """The blueprint's name."""
        return self.blueprint.name

    @property
    def executor_name(self) -> str:
        """The executor: as asked for, `threads` when several workers are, else the blueprint's."""
        if self.options.executor:
            return self.options.executor
        many = (self.options.workers or 1) > 1 and self.blueprint.execution.executor == "serial"
        return "threads" if many else self.blueprint.execution.executor

    @property
    def workers(self) -> int:
        """How many measurements may run at a time."""
        return 1 if self.executor_name == "serial" else self.options.workers or self.blueprint.execution.workers

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the user should know before the run."""
        notes = getattr(self.sandbox, "notes", ())
        return (*self.binding.warnings, *(Problem("sandbox.level", note) for note in notes))

    @property
    def header(self) -> tuple[str, ...]:
        """What is about to run, in a few lines."""
        proposer = models_of(self.blueprint, self.plugins)
        return header_lines(self.binding, self.run_id, describe_sandbox(self.sandbox), proposer, resumed=self.resumed)

    def _make_proposer(self, seed: int | None) -> Proposer:
        folder = self.path.resolve().parent
        context = ProposerContext(
            self.blueprint,
            folder,
            self.blueprint.proposer.own,
            seed or 0,
            pool=self.pool,
            sections=self._sections,
            sandbox=lambda options: select(options, self._sandboxes, self._cancel),
        )
        made = lookup(self.plugins, "proposers", self.blueprint.proposer_kind)(context)
        return cast(Proposer, made)

    @property
    def _confinement(self) -> SandboxOptions:
        """The blueprint's wishes with the level that was found, so that no worker looks for itself."""
        return self.blueprint.sandbox.model_copy(update={"level": self.sandbox.level})

    def _sections(self, request: ContextRequest) -> list[Section]:
        """What plug-ins add to a prompt."""
        return [section for found in self.plugins.hook.maabarium_context(request=request) for section in found]

    # --- during ---

    def __enter__(self) -> Run:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._cancel.set()
        self._stack.close()

    def _open(self) -> None:
        target, blueprint = self.binding.target, self.blueprint
        store = self._store = self._stack.enter_context(Store.open(self.state_paths.database))
        end_strays()
        sweep(self.state_paths.cache)
        branch = self._stored.branch if self._stored else branch_of(self.name)
        self._stack.enter_context(RunLock(target, branch, self.run_id, self.state_paths.cache))
        base = self._stored.base_commit if self._stored else None
        repository = self._repository = Repository.create(
            target, self.run_id, self.state_paths.cache, blueprint.domain.copy_files, base_commit=base
        )
        self._stack.callback(repository.close)
        if self.pool is not None:
            self._stack.callback(self.pool.close)
        record = self._stored or new_record(self.binding, self.path, self.options, repository, branch)
        record = record.model_copy(update={"max_iterations": self.max_iterations})
        if target.kind == "git":
            self._keep_base(repository)
        worker = Worker(
            run_id=self.run_id,
            blueprint=blueprint.model_copy(update={"sandbox": self._confinement}),
            folder=self.path.resolve().parent,
            repository=repository.handle,
            evaluators=self.binding.bound.evaluators,
            sandbox_name=self.sandbox.name,
            plugins=self.plugins,
            cancel=self._cancel,
        )
        self._stack.callback(worker.close)
        bounded = BoundedRepository(
            repository,
            run_id=self.run_id,
            branch=branch,
            targets=Globs(blueprint.domain.target_files),
            protected=self.binding.protected,
            start_tree=record.start_tree,
        )
        log = LoggingPlugin(RunLog(self.state_paths.log))
        self.plugins.register(log)
        self._stack.callback(self.plugins.unregister, log)
        executor = contributions(self.plugins, "executors")[self.executor_name](self.workers)
        self._stack.callback(executor.shutdown, wait=True, cancel_futures=True)
        engine = Engine(
            blueprint, record, store=store, repository=bounded, plugins=self.plugins, capacity=max(1, self.workers)
        )
        self._driver = Driver(engine, self.proposer, executor, worker, self._cancel)

    def _keep_base(self, repository: Repository) -> None:
        """Pin the base commit, but not before the run is stored: a pin without a run would stay for ever."""
        if self._stored:
            repository.pin(self.run_id)
            return
        pins = PinningPlugin(repository)
        self.plugins.register(pins)
        self._stack.callback(self.plugins.unregister, pins)

    def outcomes(self) -> Iterator[Outcome]:
        """Drive the run; outcomes as they come, the baseline first, known ones at once when resumed."""
        assert self._driver is not None, "a run is driven inside its with block"
        yield from self._driver.outcomes()
        self.end = self._driver.engine.finish()
        self.notes += self.pool.notes() if self.pool else ()
        if self.end.state == "completed" and self._driver.engine.state.promoted:
            self._carry_on()

    def _carry_on(self) -> None:
        """Autonomy 3 and 4: bring the winners further than the run's branch, if that is a fast-forward."""
        assert self._repository is not None and self._driver is not None
        promotion, target = self.blueprint.promotion, self.binding.target
        if promotion.autonomy < 3 or target.kind != "git":
            return
        new = self._driver.engine.state.champions[-1].commit
        try:
            if promotion.branch:
                old = self._repository.branch_tip(promotion.branch)
                self._repository.promote(promotion.branch, new, old)
                self.notes.append(f"{promotion.branch} was moved forward to {new[:12]}")
            if promotion.autonomy == 4:
                applied = apply_to_checkout(find_target(target.top, "worktree"), branch_of(self.name))
                self.notes.append(f"the checked-out branch was moved to {applied.new[:12]}; undo: {applied.undo}")
        except WorkspaceError as error:
            self.notes.append(f"the winners stay on {branch_of(self.name)}: {error}")

    def cancel(self, why: str) -> None:
        """End at once. Safe from a signal handler and from any thread."""
        if self._driver is not None:
            self._driver.why = why
        self._cancel.set()
        if self.pool is not None:
            self.pool.close()

    def progress(self) -> Progress | None:
        """What is under way now."""
        return self._driver.progress() if self._driver else None

    def baseline_lines(self) -> tuple[str, ...]:
        """What the baseline showed: tests, flaky ones, rules, and an estimate of the time to go."""
        assert self._driver is not None
        state = self._driver.engine.state
        if not state.champions:
            return ()
        lines = baseline_lines(self._driver.engine.run, state, max(1, self.workers))
        if isinstance(self.proposer, NotesTargets) and self._repository is not None:
            files = self._repository.view(state.champions[0].tree)
            lines += [f"note: {problem}" for problem in self.proposer.notes(files, self.binding.targets)]
        return tuple(lines)

    def view(self) -> StoredView:
        """All that is stored of the run."""
        assert self._store is not None
        return self._store.view(self.run_id)

    def diff(self, number: int) -> str:
        """Unified diff of one experiment against its parent; empty when it has no tree."""
        assert self._repository is not None
        experiment = self.view().experiments.get(number)
        if experiment is None or not experiment.tree:
            return ""
        return self._repository.diff(experiment.parent_tree, experiment.tree)


def open_repository(view: RunView) -> Repository:
    """The repository of a stored run, to read and to apply from. Raises WorkspaceError when it is gone."""
    return open_private(Path(view.run.repository), Path(view.run.target), view.run)
