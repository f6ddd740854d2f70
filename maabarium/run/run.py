"""A run under way, from its lock to its end: where the rooms below are put together. Decides and prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf

from maabarium.acceptance.calibration import calibration_line, noisy_line
from maabarium.acceptance.stable_tests import without_stable_tests
from maabarium.blueprint.globs import Globs
from maabarium.engine.actions import Done
from maabarium.engine.driver import Driver, Progress
from maabarium.engine.engine import Engine
from maabarium.log import Level, RunLog
from maabarium.plugins.hookspecs import Event, RunFinish, RunStart, hookimpl
from maabarium.plugins.manager import make
from maabarium.plugins.protocols import NotesTargets
from maabarium.records import Outcome
from maabarium.run.binding import worker_setup
from maabarium.run.prepared import PreparedRun
from maabarium.run.record import branch_of, new_record
from maabarium.run.repository import BoundedRepository, bring_forward
from maabarium.safe_text import listed, one_line
from maabarium.sandbox.process_tree import end_strays
from maabarium.store import Store, StoredView
from maabarium.worker.worker import Worker
from maabarium.workspace.lock import run_lock, sweep
from maabarium.workspace.repository import Repository

__all__ = ["OpenRun", "open_run", "rough_time"]


@dataclass
class OpenRun:
    """A run that holds its branch; made by `open_run`."""

    prepared: PreparedRun
    engine: Engine
    driver: Driver
    store: Store
    repository: Repository
    end: Done | None = None
    """How it ended, once it has."""
    notes: list[str] = field(default_factory=list)
    """What happened after the end, one sentence each."""

    def outcomes(self) -> Iterator[Outcome]:
        """Drive the run; outcomes as they come, the baseline first, known ones at once when resumed."""
        yield from self.driver.outcomes()
        self.end = self.engine.finish()
        prepared, state = self.prepared, self.engine.state
        self.notes += prepared.pool.notes() if prepared.pool else ()
        if self.end.state == "completed" and state.promoted:
            commit, promotion = state.champions[-1].commit, prepared.blueprint.promotion
            target, branch = prepared.binding.target, self.engine.run.branch
            self.notes += bring_forward(self.repository, target, promotion, branch, commit)

    def progress(self) -> Progress | None:
        """What is under way now. Safe from any thread."""
        return self.driver.progress()

    def baseline_lines(self) -> tuple[str, ...]:
        """What the baseline showed: its start if not HEAD, tests, an estimate of the time to go, and what is noisy."""
        state, run, proposer = self.engine.state, self.engine.run, self.prepared.proposer
        if not state.champions:
            return ()
        baseline = state.baseline
        rules = sum(test.role != "suite" for test in baseline.tests)
        grader = f"{len(baseline.tests) - rules} tests, {len(baseline.flaky)} flaky, {rules} rules"
        each = baseline.session_seconds or baseline.duration
        whole = each * run.max_iterations / self.prepared.workers
        limit = max(0.0, (self.prepared.blueprint.budget.wall_seconds or inf) - self.engine.seconds)
        estimate = f"about {rough_time(whole)} to go before confirmations"
        if whole > limit:
            count = int(limit / each * self.prepared.workers) if each else 0
            estimate = (
                f"about {rough_time(limit)} to go, for at most {count} of {run.max_iterations} experiments "
                "(budget.wall_seconds)"
            )
        lines = []
        if run.start_commit != run.base_commit:
            kept = f"{run.branch} ({run.start_commit[:8]})"
            lines.append(f"start: {kept}, which has winners that HEAD ({run.base_commit[:8]}) lacks")
        lines.append(f"grader: {grader} · {estimate}")
        if baseline.moving:
            lines.append(
                f"note: told apart by position, for their ids change from run to run: {listed(baseline.moving)}"
            )
        if unproven := without_stable_tests(state.blueprint, baseline):
            lines.append(f"warning: {unproven}")
        if baseline.sessions:
            lines.append(f"sessions: {one_line(baseline.sessions, 200)}")
        if state.calibration:
            lines.append(f"instrument: {calibration_line(state.calibration)}")
        if state.noisy:
            metrics = [metric for metric in state.blueprint.metrics.metrics if metric.source in state.noisy]
            noisy = noisy_line(metrics, baseline, self.view().calibration)
            lines.append(f"noisy: {noisy}; a gain must be confirmed by pairs")
        if isinstance(proposer, NotesTargets):
            files = self.repository.view(state.champions[0].tree)
            lines += [f"note: {problem}" for problem in proposer.notes(files, self.prepared.binding.targets)]
        return tuple(lines)

    def view(self) -> StoredView:
        """All that is stored of the run."""
        return self.store.view(self.prepared.run_id)

    def diff(self, number: int) -> str:
        """Unified diff of what an experiment proposed, or of what was kept of it; empty when it has no tree."""
        ends = self.view().ends_of(number)
        return self.repository.diff(*ends) if ends else ""


@contextmanager
def open_run(prepared: PreparedRun) -> Iterator[OpenRun]:
    """Take the run's branch; at the end let go of it and all that works for it. WorkspaceError, StoreError."""
    with ExitStack() as stack:
        run = _open(prepared, stack)
        stack.callback(prepared.cancellation.set)  # first of all: nothing more is started
        yield run


def _open(prepared: PreparedRun, stack: ExitStack) -> OpenRun:
    binding, blueprint, stored, plugins = prepared.binding, prepared.blueprint, prepared.stored, prepared.plugins
    run_id, cache = prepared.run_id, prepared.state_paths.cache
    store = stack.enter_context(Store.open(prepared.state_paths.database))
    end_strays()
    sweep(cache)
    branch = stored.branch if stored else branch_of(blueprint.name)
    stack.enter_context(run_lock(binding.target, branch, run_id, cache))
    base = stored.base_commit if stored else None
    repository = Repository.create(binding.target, run_id, cache, blueprint.domain.copy_files, base_commit=base)
    stack.callback(repository.close)
    if prepared.pool is not None:
        stack.callback(prepared.pool.close)
    record = stored or new_record(binding, prepared.path, prepared.options, repository, branch)
    listeners: list[object] = [LoggingPlugin(RunLog(prepared.state_paths.log))]
    if binding.target.kind == "git":
        if stored:
            repository.branches.pin(run_id)
        else:
            listeners.append(PinningPlugin(repository))
    for listener in listeners:
        plugins.register(listener)
        stack.callback(plugins.unregister, listener)
    setup = worker_setup(binding, prepared.path, repository.handle, prepared.sandbox)
    worker = Worker(setup, prepared.cancellation, plugins)
    stack.callback(worker.close)
    targets = Globs(blueprint.domain.target_files)
    bounded = BoundedRepository(repository, branch, targets, binding.protected, record.start_tree)
    engine = Engine(
        blueprint,
        record.model_copy(update={"max_iterations": prepared.max_iterations}),
        store=store,
        repository=bounded,
        plugins=plugins,
        strategy=prepared.strategy,
        began_with=prepared.began_with,
        capacity=prepared.workers,
    )
    executor: Executor = make(plugins, "executors", prepared.executor, prepared.workers)
    stack.callback(executor.shutdown, wait=True, cancel_futures=True)
    return OpenRun(
        prepared, engine, Driver(engine, prepared.proposer, executor, worker, prepared.cancellation), store, repository
    )


def rough_time(seconds: float) -> str:
    """An estimate, with no more digits than it deserves: `6 min`, `15 s`."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(1, round(seconds))} s"


class LoggingPlugin:
    """One JSON line per transition; payloads stay in the database."""

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self._run = ""

    @hookimpl
    def maabarium_run_start(self, request: RunStart) -> None:
        """A run starts or is resumed."""
        self._run = request.run_id
        self._log.write("info", "run_start", run=request.run_id, resumed=request.resumed)

    @hookimpl
    def maabarium_event(self, event: Event) -> None:
        """A transition was stored."""
        self._log.write("debug", event.type, run=event.run_id, sequence=event.sequence, number=event.number)

    @hookimpl
    def maabarium_experiment_finish(self, request: Outcome) -> None:
        """An experiment ended."""
        level: Level = "error" if request.verdict == "error" else "info"
        self._log.write(
            level,
            "experiment_finish",
            run=self._run,
            number=request.number,
            verdict=request.verdict,
            reason_code=request.reason_code,
            reason=request.reason,
        )

    @hookimpl
    def maabarium_run_finish(self, request: RunFinish) -> None:
        """A run ended."""
        self._log.write("info", "run_finish", run=request.run_id, state=request.state, reason=request.reason)


class PinningPlugin:
    """Pins the base commit in the user's repository once the run is stored: a pin without a run would stay for ever."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @hookimpl
    def maabarium_event(self, event: Event) -> None:
        """A transition was stored. A resumed run is pinned when it is opened, so a kill in between harms nothing."""
        if event.type == "run_started":
            self._repository.branches.pin(event.run_id)
