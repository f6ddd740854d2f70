"""What a process keeps between measurements: worktrees, evaluators and sandbox; no key, proposer or database."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Blueprint
from maabarium.blueprint.sources import Offer
from maabarium.errors import SandboxError
from maabarium.plugins.manager import PluginManager, bare_evaluators, build_plugins, make
from maabarium.plugins.processes import Command, Completed, KeepsPrograms, KeptProgram, Sandbox
from maabarium.plugins.protocols import Evaluator, RunTrees, Workspace
from maabarium.sandbox.one_core import Metronome
from maabarium.workspace.repository import Repository, RepositoryHandle
from maabarium.workspace.storage import remove_folder
from maabarium.workspace.worktree import Worktree

__all__ = ["CheckedOut", "Worker", "WorkerSetup", "end_measurements", "worker_of"]

Tools = tuple[Sandbox, tuple[tuple[str, Evaluator], ...], Offer]


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is made of, in whatever process: values that pickle."""

    run_id: str
    blueprint: Blueprint
    folder: Path
    """The blueprint's folder."""
    repository: RepositoryHandle
    evaluators: tuple[str, ...]
    """Names, the primary one first."""
    sandbox: str
    """Name of the sandbox; its options are the blueprint's."""


class Worker:
    """Measures for one run in one process; thread-safe.

    Pickled, it is its setup: the process that unpickles it has one worker for the run, whose plug-ins are those
    that are installed (`plugins` stay behind). `cancel` ends what is being measured.
    """

    def __init__(self, setup: WorkerSetup, cancel: threading.Event, plugins: PluginManager | None = None) -> None:
        self.setup = setup
        self._cancel = cancel
        self._plugins = plugins
        self._lock = threading.Lock()
        self._tools: Tools | None = None
        self._free: queue.SimpleQueue[Worktree] = queue.SimpleQueue()
        self._made: list[Worktree] = []
        self._repository: Repository | None = None
        self._kept = KeptPrograms()
        self.metronome = Metronome()
        """For pairs, of which there is one at a time."""

    def __reduce__(self) -> tuple[Any, ...]:
        return worker_of, (self.setup,)

    def tools(self) -> Tools:
        """The sandbox, the evaluators by name, and what they measure; made once. Raises PluginError."""
        with self._lock:
            if self._tools is None:
                plugins, blueprint = self._plugins or build_plugins(), self.setup.blueprint
                options = blueprint.evaluator.options
                evaluators = tuple(
                    (name, make(plugins, "evaluators", name, options.get(name, {}))) for name in self.setup.evaluators
                )
                sandbox = make(plugins, "sandboxes", self.setup.sandbox, blueprint.sandbox, self._cancel)
                measured = {name: frozenset(evaluator.sources) for name, evaluator in evaluators}
                bare = bare_evaluators(plugins).intersection(measured)
                self._tools = sandbox, evaluators, Offer(measured, evaluators[0][0], bare)
            return self._tools

    @contextmanager
    def worktree(self) -> Iterator[Worktree]:
        """A worktree that nobody else uses meanwhile; made when none is free."""
        try:
            worktree = self._free.get_nowait()
        except queue.Empty:
            with self._lock:
                repository = Repository.open(self.setup.repository)
                worktree = repository.worktree(len(self._made))
                self._made.append(worktree)
        try:
            yield worktree
        finally:
            self._free.put(worktree)

    def trees(self, timeout: float) -> RunTrees:
        """The trees of the run; `timeout` is what a process in one of them may take unless it is told otherwise."""
        return WorkerTrees(self, timeout)

    def content(self, tree: str, path: str) -> bytes:
        """Content of one file of a tree; KeyError if there is none."""
        with self._lock:
            if self._repository is None:
                self._repository = Repository.open(self.setup.repository)
        return self._repository.view(tree).read(path)

    def checked_out(self, worktree: Worktree, sandbox: Sandbox, timeout: float) -> CheckedOut:
        """What an evaluator gets of a worktree; `timeout` in seconds unless it says another."""
        place = self._made[0].scratch.parent
        return CheckedOut(
            worktree.path, worktree.root, worktree.scratch, sandbox, timeout, place, self._kept, worktree.altered
        )

    def close(self) -> None:
        """End the programs that are kept and the metronome, and remove the worktrees of this process."""
        self._kept.close()
        self.metronome.close()
        with self._lock:
            if self._made:
                remove_folder(shared_folder(self._made[0].scratch.parent))
            while self._made:
                self._made.pop().remove()
            if self._repository is not None:
                self._repository.close()
                self._repository = None


class KeptPrograms:
    """Programs that evaluators keep ready; they end with the worker, also those that become ready after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs: list[KeptProgram] = []
        self._closed = False

    def added(self, program: KeptProgram) -> KeptProgram:
        """The program, from now on ours. Raises SandboxError when the worker has ended meanwhile."""
        with self._lock:
            if not self._closed:
                self._programs.append(program)
                return program
        program.close()
        raise SandboxError("the worker has ended")

    def drop(self, program: KeptProgram) -> None:
        """End one of them."""
        with self._lock:
            self._programs = [kept for kept in self._programs if kept is not program]
        program.close()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            self._closed, programs = True, self._programs
            self._programs = []
        for program in programs:
            program.close()


def shared_folder(place: Path) -> Path:
    """Where a worker has the files of kept programs whose sessions see their worktree at `place`."""
    return place.with_name(f"{place.name}-shared")


@dataclass(frozen=True)
class WorkerTrees:
    """The `RunTrees` of an evaluator."""

    worker: Worker
    timeout: float

    def read(self, tree: str, path: str) -> bytes:
        """Content of one file of a tree; KeyError if there is none."""
        return self.worker.content(tree, path)

    @contextmanager
    def checked_out(self, tree: str) -> Iterator[Workspace]:
        """A worktree that holds this tree and that nobody else uses meanwhile."""
        with self.worker.worktree() as worktree:
            worktree.reset(tree)
            sandbox, *_ = self.worker.tools()
            yield self.worker.checked_out(worktree, sandbox, self.timeout)


@dataclass(frozen=True)
class CheckedOut:
    """The `Workspace` of an evaluator: the folders of a worktree, with the sandbox as the only way into a process."""

    path: Path
    root: Path
    scratch: Path
    sandbox: Sandbox
    default_timeout: float
    place: Path
    """The folder of the first worktree, where sessions of kept programs see theirs."""
    kept: KeptPrograms
    altered: Callable[[], list[str]]
    """Files of the tree that are no longer as they were checked out."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        program: KeptProgram | None = None,
        **options: Any,
    ) -> Completed:
        """Start a process in the sandbox, in the folder where the target's suite runs, or a session of a program that
        is kept, whose paths are those of `seen`."""
        timeout = self.default_timeout if timeout is None else timeout
        if program is None:
            return self.sandbox.run(self._command(lambda path: path, argv, env, timeout=timeout, **options))
        return program.run(self._command(self.seen, argv, env, timeout=timeout, **options), self.scratch.parent)

    def keep(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, readable: Sequence[Path] = ()
    ) -> KeptProgram:
        """Start a program that is kept until the worker ends, or until `drop`. SandboxError when it does not become
        ready, or this sandbox keeps none."""
        if not isinstance(self.sandbox, KeepsPrograms):
            raise SandboxError(f"the sandbox {self.sandbox.name} keeps no programs")
        command = self._command(self.seen, argv, env, readable=tuple(readable))
        return self.kept.added(self.sandbox.keep(command, self.place, self.scratch.parent))

    @property
    def shared(self) -> Path:
        """A folder of this worker for what programs that are kept read; removed with the run."""
        folder = shared_folder(self.place)
        folder.mkdir(exist_ok=True)
        return folder

    def drop(self, program: KeptProgram) -> None:
        """End a program that was kept."""
        self.kept.drop(program)

    def seen(self, path: Path) -> Path:
        """A path in this worktree as sessions of kept programs see it."""
        folder = self.scratch.parent
        return self.place / path.relative_to(folder) if path.is_relative_to(folder) else path

    def _command(
        self, seen: Callable[[Path], Path], argv: Sequence[str], env: Mapping[str, str] | None, **options: Any
    ) -> Command:
        (self.scratch / "home").mkdir(exist_ok=True)
        return Command(
            argv=tuple(argv),
            cwd=seen(options.pop("cwd", self.root)),
            env=dict(env or {}) | {"HOME": str(seen(self.scratch / "home"))},
            writable=(seen(self.path), seen(self.scratch), *options.pop("writable", ())),
            **options,
        )


# --- a process that is not the main one: one worker for each run that sends it jobs ---

_workers: dict[str, Worker] = {}
_workers_lock = threading.Lock()
_ending = threading.Event()


def worker_of(setup: WorkerSetup) -> Worker:
    """This process's worker for a run: made when the first job comes, closed when the process ends."""
    with _workers_lock:
        worker = _workers.get(setup.run_id)
        if worker is None or worker.setup != setup:  # a run that was resumed may be set up anew
            if worker is not None:
                worker.close()
            worker = _workers[setup.run_id] = Worker(setup, _ending)
            atexit.register(worker.close)
        return worker


def end_measurements() -> None:
    """End what is being measured in this process and all that comes; for executors whose run was cancelled."""
    _ending.set()
