"""One measurement, as a worker does it: trees in, evaluations out. It never raises.

`run_measurement` is importable and its argument and result pickle, so that any executor can run it. It knows no
key, no provider, no proposer, no database and no verdict.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Blueprint
from maabarium.blueprint.sources import PYTEST, written
from maabarium.errors import MaabariumError
from maabarium.plugins.manager import PluginManager, build_plugins, lookup
from maabarium.plugins.protocols import Command, Completed, EvaluationRequest, Evaluator, Sandbox
from maabarium.records import Evaluation, Measured
from maabarium.worker.job import MeasureJob
from maabarium.workspace.repository import Repository, RepositoryHandle
from maabarium.workspace.worktree import Worktree

__all__ = ["Worker", "run_measurement"]


@dataclass(frozen=True)
class CheckedOut:
    """A worktree with the sandbox as the only door to start a process in it."""

    worktree: Worktree
    sandbox: Sandbox
    default_timeout: float

    @property
    def path(self) -> Path:
        return self.worktree.path

    @property
    def root(self) -> Path:
        return self.worktree.root

    @property
    def scratch(self) -> Path:
        return self.worktree.scratch

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Completed:
        """Start a process in the sandbox, in the folder where the target's suite runs."""
        command = Command(
            argv=tuple(argv),
            cwd=options.pop("cwd", self.root),
            env=dict(env or {}) | {"HOME": str(self.scratch / "home"), "TMPDIR": str(self.scratch / "tmp")},
            timeout=self.default_timeout if timeout is None else timeout,
            writable=(self.path, self.scratch, *options.pop("writable", ())),
            **options,
        )
        for folder in ("home", "tmp"):
            (self.scratch / folder).mkdir(exist_ok=True)
        return self.sandbox.run(command)


@dataclass
class Worker:
    """What a worker keeps between measurements: worktrees, evaluators and the sandbox, made once.

    Pickled without its plug-ins, cancel event and free worktrees, which are rebuilt in the other process.
    """

    run_id: str
    blueprint: Blueprint
    folder: Path
    repository: RepositoryHandle
    evaluators: tuple[str, ...]
    sandbox_name: str
    plugins: PluginManager | None = None
    cancel: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._free: queue.SimpleQueue[Worktree] = queue.SimpleQueue()
        self._made: list[Worktree] = []
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        self._evaluators: tuple[tuple[str, Evaluator], ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        names = ("run_id", "blueprint", "folder", "repository", "evaluators", "sandbox_name")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _tools(self) -> tuple[Sandbox, tuple[tuple[str, Evaluator], ...]]:
        with self._lock:
            if self._sandbox is None:
                plugins = self.plugins or build_plugins()
                options = self.blueprint.evaluator.options
                self._evaluators = tuple(
                    (name, lookup(plugins, "evaluators", name)(options.get(name, {}))) for name in self.evaluators
                )
                self._sandbox = lookup(plugins, "sandboxes", self.sandbox_name)(self.blueprint.sandbox, self.cancel)
            return self._sandbox, self._evaluators

    @contextmanager
    def worktree(self) -> Iterator[Worktree]:
        """A worktree that nobody else uses meanwhile; made when none is free."""
        try:
            worktree = self._free.get_nowait()
        except queue.Empty:
            with self._lock:
                worktree = Repository.open(self.repository).worktree(len(self._made), self.run_id)
                self._made.append(worktree)
        try:
            yield worktree
        finally:
            self._free.put(worktree)

    def evaluate(self, job: MeasureJob, worktree: Worktree, tree: str, seconds: dict[str, float]) -> Evaluation:
        """Check the tree out and let every evaluator that is needed measure it; stop at a failed gate."""
        sandbox, evaluators = self._tools()
        began = time.perf_counter()
        worktree.reset(tree)
        seconds["applying"] = seconds.get("applying", 0.0) + time.perf_counter() - began
        began = time.perf_counter()
        merged = Evaluation()
        for index, (name, evaluator) in enumerate(evaluators):
            wanted = _wanted(job.sources, name, self.evaluators)
            if index and not wanted:
                continue
            request = EvaluationRequest(
                workspace=CheckedOut(worktree, sandbox, job.timeout),
                blueprint=self.blueprint,
                folder=self.folder,
                stage=job.stage,
                seed=job.seed,
                deadline=time.monotonic() + job.timeout,
                number=job.number,
                proposal=job.proposal,
                champion=job.champion,
                baseline=job.baseline,
                sources=wanted,
                top=self.repository.top,
            )
            merged = _merge(merged, evaluator.evaluate(request), name, primary=index == 0)
            if merged.failed_gate is not None:
                break
        phase = "confirming" if job.stage in ("pair", "audit") else "evaluating"
        took = time.perf_counter() - began
        seconds[phase] = seconds.get(phase, 0.0) + took
        return merged.model_copy(update={"duration": took})

    def close(self) -> None:
        """Remove the worktrees of this process."""
        with self._lock:
            for worktree in self._made:
                worktree.remove()
            self._made.clear()


def _wanted(sources: frozenset[str], name: str, evaluators: Sequence[str]) -> frozenset[str]:
    """The sources an evaluator is responsible for: `name:source`, and for one of them also what names nobody.

    That one is `pytest`, whose sources are written bare, wherever it stands; without it the first.
    """
    own = {source.removeprefix(f"{name}:") for source in sources if source.startswith(f"{name}:")}
    if name == (PYTEST if PYTEST in evaluators else evaluators[0]):
        prefixes = tuple(f"{evaluator}:" for evaluator in evaluators)
        own |= {source for source in sources if not source.startswith(prefixes)}
    return frozenset(own)


def _merge(first: Evaluation, second: Evaluation, name: str, *, primary: bool) -> Evaluation:
    """Both evaluations as one; measurements carry their evaluator's name, and so do the gates of an added one.

    What `pytest` measures and gates is known by bare names, in whatever place it stands.
    """
    measurements = tuple(m.model_copy(update={"source": written(name, m.source)}) for m in second.measurements)
    noisy = tuple(written(name, source) for source in second.noisy)
    if primary:
        return second.model_copy(update={"measurements": measurements, "noisy": noisy})
    gates = tuple(g.model_copy(update={"name": written(name, g.name)}) for g in second.gates)
    return first.model_copy(
        update={
            "measurements": first.measurements + measurements,
            "gates": first.gates + gates,
            "tests": first.tests + second.tests,
            "flaky": first.flaky + second.flaky,
            "noisy": first.noisy + noisy,
            "partial": first.partial + second.partial,
            "session_seconds": first.session_seconds or second.session_seconds,
            "lines": first.lines or second.lines,
            "grader": f"{first.grader}+{name}:{second.grader}" if second.grader else first.grader,
            "environment": first.environment or second.environment,
            "log": first.log + second.log,
        }
    )


def run_measurement(worker: Worker, job: MeasureJob) -> Measured:
    """Do one job. Whatever breaks on our side comes back as `problem`; the candidate's failures are gates."""
    seconds: dict[str, float] = {}
    order = job.candidate_first if job.stage == "pair" else True
    result: dict[str, Evaluation] = {}
    problem = ""
    try:
        with worker.worktree() as worktree:
            sides = [("candidate", job.tree)]
            if job.stage == "pair":
                sides.insert(1 if order else 0, ("champion", job.champion_tree))
            for side, tree in sides:
                result[side] = worker.evaluate(job, worktree, tree, seconds)
    except MaabariumError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - a worker must always answer
        problem = f"{type(error).__name__}: {error}"
    return Measured.model_validate(
        {
            "number": job.number,
            "stage": job.stage,
            "candidate": result.get("candidate"),
            "champion": result.get("champion"),
            "pair": job.pair,
            "candidate_first": order,
            "problem": problem,
            "phases": seconds,
        }
    )
