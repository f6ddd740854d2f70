"""A keep-winner loop in one process, as small as it can be: what the benchmark uses when it is not run for real.

It judges as the engine does for a deterministic `tests.passed`: more tests pass and none is lost. The seams are
`Guess` (who proposes) and `Run` (who evaluates); `real` leaves both to the engine.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.repair.suite import evaluate
from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest, ProposerContext
from maabarium.proposers.mutate.proposer import Mutate
from maabarium.records import Attempt, Champion, Evaluation, FileEdit, Outcome, Proposal

__all__ = ["Files", "Guess", "Repair", "Run", "Suite", "failing", "mutate", "repair", "request_for"]

Guess = Callable[[ProposalRequest], Proposal | None]
BLUEPRINT = {
    "blueprint": {"name": "repair", "version": "1", "description": "make the suite green"},
    "domain": {"repo_path": ".", "target_files": ["kitbag/**/*.py"], "language": "python"},
    "constraints": {"max_iterations": 60, "timeout_seconds": 60, "require_tests_pass": False, "min_improvement": 0},
    "metrics": {"metrics": [{"name": "passed", "weight": 1, "direction": "maximize", "source": "tests.passed"}]},
}


class Run(Protocol):
    """Evaluates a tree."""

    def __call__(self, files: Files, *, trace: bool) -> Evaluation: ...


@dataclass(frozen=True)
class Files:
    """A tree in memory."""

    contents: Mapping[str, bytes]

    @property
    def tree(self) -> str:
        """A content hash of all files."""
        digest = hashlib.sha256()
        for path in self.paths():
            digest.update(path.encode() + b"\0" + self.contents[path] + b"\0")
        return digest.hexdigest()

    def paths(self) -> Sequence[str]:
        """All paths, sorted."""
        return sorted(self.contents)

    def read(self, path: str) -> bytes:
        """Content of one file; KeyError if there is none."""
        return self.contents[path]

    def changed(self, edits: Iterable[FileEdit]) -> Files:
        """This tree with some files replaced."""
        return Files({**self.contents, **{edit.path: edit.content or b"" for edit in edits}})


@dataclass(frozen=True)
class Repair:
    """How a repair ended. `evaluations` counts proposals evaluated; `kept` their summaries, in order."""

    repaired: bool
    evaluations: int
    kept: tuple[str, ...]


def mutate() -> Guess:
    """The proposer as a blueprint without `[proposer]` gets it."""
    blueprint = Blueprint.model_validate(BLUEPRINT)
    return Mutate(ProposerContext(blueprint=blueprint, folder=Path(), options={}, seed=1)).propose


def request_for(
    files: Files, champion: Champion, baseline: Evaluation, history: Sequence[Attempt], seen: set[str], targets: str
) -> ProposalRequest:
    """What a proposer would be asked by the engine."""
    return ProposalRequest(
        number=len(history) + 1, seed=len(history), blueprint=Blueprint.model_validate(BLUEPRINT), champion=champion,
        baseline=baseline, files=files, targets=tuple(path for path in files.paths() if path.startswith(targets)),
        history=tuple(history), is_new=lambda edits: files.changed(edits).tree not in seen,
    )  # fmt: skip


class Suite:
    """The suite of one package in a folder of its own: a tree goes in, an evaluation comes out."""

    def __init__(self, source: Path, work: Path, package: str, timeout: float) -> None:
        self.work, self.package, self.timeout = work, package, timeout
        shutil.copytree(source, work, ignore=shutil.ignore_patterns("__pycache__"))

    def __call__(self, files: Files, *, trace: bool) -> Evaluation:
        """Run it; `trace` collects the lines of each test."""
        for path, content in files.contents.items():
            if not (self.work / path).exists() or (self.work / path).read_bytes() != content:
                (self.work / path).write_bytes(content)
        return evaluate(self.work, self.package, self.timeout, trace=trace)


def repair(files: Files, suite: Run, guess: Guess, *, targets: str, budget: int, lines: bool = True) -> Repair:
    """Propose, evaluate, keep or drop, until the suite is green or the budget is spent.

    `targets` is the prefix of the paths that may change; `lines` says whether the proposer sees coverage, which is
    taken at the baseline only, as the pytest evaluator does.
    """
    baseline = suite(files, trace=lines)
    champion = Champion(number=0, commit="", tree=files.tree, evaluation=baseline, total=_share(baseline))
    history: list[Attempt] = []
    seen = {files.tree}
    kept: list[str] = []
    while len(history) < budget:
        proposal = guess(request_for(files, champion, baseline, history, seen, targets))
        if proposal is None:
            break
        candidate = files.changed(proposal.edits)
        seen.add(candidate.tree)
        found = suite(candidate, trace=False)
        better = _better(found, champion.evaluation)
        history.append(_attempt(len(history) + 1, proposal, champion, found, better=better))
        if better:
            files, number = candidate, len(history)
            kept.append(proposal.summary)
            if not failing(found):
                return Repair(True, number, tuple(kept))
            champion = Champion(number=number, commit="", tree=files.tree, evaluation=found, total=_share(found))
    return Repair(False, len(history), tuple(kept))


def failing(evaluation: Evaluation) -> list[str]:
    """Ids of the tests that failed."""
    return [test.id for test in evaluation.tests if test.outcome in ("failed", "error")]


def _share(evaluation: Evaluation) -> float:
    return evaluation.values().get("tests.passed", 0.0)


def _better(candidate: Evaluation, champion: Evaluation) -> bool:
    """As the engine judges: every test that passed still passes, and more pass than before."""
    if candidate.failed_gate is not None:
        return False
    passed = {test.id for test in candidate.tests if test.outcome == "passed"}
    before = {test.id for test in champion.tests if test.outcome == "passed"}
    return before < passed


def _attempt(number: int, proposal: Proposal, champion: Champion, found: Evaluation, *, better: bool) -> Attempt:
    gate = found.failed_gate
    reason = "kept" if better else gate.reason_code if gate is not None else "worse"
    outcome = Outcome(
        number=number, verdict="promoted" if better else "rejected", reason_code=reason, reason=reason,
        summary=proposal.summary, origin=proposal.origin,
        parent=champion.number, total=_share(found), failing=tuple(failing(found)[:50]),
    )  # fmt: skip
    return Attempt(outcome=outcome, data=proposal.data, paths=tuple(e.path for e in proposal.edits))
