"""What a plug-in implements and what it is given: protocols with one method each, requests as frozen records.

What a plug-in may offer beyond that is a small `runtime_checkable` protocol beside the one that it adds to, whose
docstring says what holds for those that do not offer it. Objects add methods (`NotesTargets`), factories add
attributes (`NeedsModels`, `ProviderFacts` in `completion`); nothing is asked for by a built-in's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from maabarium.blueprint.schema import Blueprint, SandboxOptions
from maabarium.errors import Problem
from maabarium.plugins.completion import Pool
from maabarium.plugins.meeting import Side
from maabarium.plugins.processes import Completed, KeptProgram, Sandbox
from maabarium.records import Attempt, Champion, Evaluation, FileEdit, Outcome, Proposal, Stage

__all__ = [
    "BareSources", "ChecksBlueprint", "ContextRequest", "DescribesProposer", "EvaluationRequest", "Evaluator",
    "EvaluatorFactory", "ExecutorFactory", "NeedsModels", "NotesTargets", "ProposalRequest", "Proposer",
    "ProposerContext", "ProposerFactory", "RunTrees", "Section", "Strategy", "StrategyContext", "StrategyFactory",
    "TellsChanges", "TellsModes", "TreeView", "WarmWorkspace", "Workspace",
]  # fmt: skip


@runtime_checkable
class TreeView(Protocol):
    """Read access to the files of one tree, without a checkout."""

    tree: str

    def paths(self) -> Sequence[str]:
        """All file paths, sorted."""

    def read(self, path: str) -> bytes:
        """Content of one file; KeyError if there is none."""


@runtime_checkable
class TellsModes(Protocol):
    """A tree view that knows git's modes; in any other, all files are plain ones."""

    def modes(self) -> Mapping[str, int]:
        """The mode of every path."""


class Workspace(Protocol):
    """One checked-out tree and the only door through which a process is started in it."""

    @property
    def path(self) -> Path:
        """Top level of the checked-out tree."""

    @property
    def root(self) -> Path:
        """Where the target's suite runs: `path`, or the folder that `repo_path` names below it."""

    @property
    def scratch(self) -> Path:
        """A private folder outside the tree, emptied between evaluations (home and temporary files)."""

    def run(
        self, argv: Sequence[str], *, timeout: float | None = None, env: Mapping[str, str] | None = None, **options: Any
    ) -> Completed:
        """Start a process in the sandbox with `root` as its folder; `options` are those of `Command`."""


@runtime_checkable
class TellsChanges(Protocol):
    """A workspace that knows which of its files are no longer as they were checked out. Others cannot say."""

    def altered(self) -> Sequence[str]:
        """Paths of files of the tree that are gone, or hold something else; new files are none of them."""


class RunTrees(Protocol):
    """The other trees of a run, for an evaluator that has to look at more than the one it was given."""

    def read(self, tree: str, path: str) -> bytes:
        """Content of one file of a tree; KeyError if there is none."""

    def checked_out(self, tree: str) -> AbstractContextManager[Workspace]:
        """A workspace of its own that holds this tree; what a session leaves in it, no other one sees."""


@runtime_checkable
class WarmWorkspace(Protocol):
    """A workspace whose `run` takes `program`, one that `keep` has started. In others every process is a new one."""

    @property
    def shared(self) -> Path:
        """A folder of ours for what programs that are kept read; it stays until the run is over."""

    def keep(self, argv: Sequence[str], *, env: Mapping[str, str], readable: Sequence[Path]) -> KeptProgram:
        """Start a program and wait until it is ready. SandboxError when it does not come to that."""

    def drop(self, program: KeptProgram) -> None:
        """End such a program."""

    def seen(self, path: Path) -> Path:
        """A path in the worktree as the sessions of such a program see it."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What an evaluator is asked. `deadline` is on the monotonic clock; `champion` is None at the baseline."""

    workspace: Workspace
    blueprint: Blueprint
    folder: Path
    """The blueprint's folder: what rules and manifests are relative to."""
    stage: Stage
    seed: int
    deadline: float
    number: int = 0
    proposal: Proposal | None = None
    champion: Champion | None = None
    baseline: Evaluation | None = None
    sources: frozenset[str] = frozenset()
    """What the metrics need from this evaluator."""
    meeting: Side | None = None
    """Set when the other side of a pair runs at the same time on the same core: meet it before what is timed."""
    pair: str = ""
    """Which pair this is a session of: all sessions of both sides have it in common. Empty where there is none."""
    top: Path | None = None
    """The user's own top level, to tell which paths beside the blueprint are also in the tree; never read."""
    tree: str = ""
    """What is checked out; empty, as the three below, where nobody can say."""
    baseline_tree: str = ""
    champion_tree: str = ""
    trees: RunTrees | None = None
    rejections: Mapping[str, int] = field(default_factory=dict)
    """How many candidates each test rejected, in this run and in earlier ones on the same target."""


class Evaluator(Protocol):
    """Measures one checked-out tree."""

    sources: frozenset[str]
    """What it can measure; a name ending in `*` is a family (`score:*`)."""

    def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Measure; failures of the candidate are failed gates, EvaluationError is for our own side."""


EvaluatorFactory = Callable[[Mapping[str, Any]], Evaluator]
"""Makes an evaluator of its own options; raises pydantic.ValidationError on bad ones."""


@runtime_checkable
class BareSources(Protocol):
    """An evaluator factory that says whether blueprints write its sources without its name: `tests.cpu`.

    The sources of others are written `evaluator:name`. What rules files measure belongs to one with `score:*`.
    """

    bare_sources: bool


@dataclass(frozen=True)
class ProposalRequest:
    """What a proposer is asked for one experiment. The champion's files are read through `files`."""

    number: int
    seed: int
    blueprint: Blueprint
    champion: Champion
    baseline: Evaluation
    files: TreeView
    targets: tuple[str, ...]
    """Paths of the champion's tree that may be changed, sorted."""
    history: tuple[Attempt, ...]
    """All finished experiments of the run, in order of their numbers."""
    is_new: Callable[[Sequence[FileEdit]], bool]
    """Whether these edits on the champion give a tree that was neither evaluated nor proposed yet."""


class Proposer(Protocol):
    """Thinks of the next change."""

    def propose(self, request: ProposalRequest) -> Proposal | None:
        """One proposal, or None: exhausted. ProposalError is `invalid`, ProviderError is `error`."""


@runtime_checkable
class NotesTargets(Protocol):
    """A proposer that has something to say about the target files before its first proposal; others say nothing."""

    def notes(self, files: TreeView, targets: Sequence[str]) -> Sequence[Problem | str]:
        """What the user should know, one sentence each; called once, with the baseline's tree."""


@dataclass(frozen=True)
class ContextRequest:
    """A prompt is being put together for one experiment; `tokens` is about what it may hold in all."""

    proposal: ProposalRequest
    tokens: int


@dataclass(frozen=True)
class Section:
    """A piece of a prompt. A lower `priority` is packed earlier (failing tests 10, code 20, history 40, style 50)."""

    title: str
    text: str
    priority: int = 45


@dataclass(frozen=True)
class ProposerContext:
    """What a proposer may know when it is made."""

    blueprint: Blueprint
    folder: Path
    """The blueprint's folder: what its own paths are relative to."""
    options: Mapping[str, Any]
    """The keys of `[proposer]` beside `kind` and `evaluate_top`."""
    seed: int
    pool: Pool | None = None
    """The models of the blueprint; None when it names none, or its proposer asks none."""
    sections: Callable[[ContextRequest], Sequence[Section]] = lambda request: ()
    """What plug-ins add to prompts."""
    sandbox: Callable[[SandboxOptions], Sandbox] | None = None
    """Opens a sandbox for a process that a proposer starts."""


ProposerFactory = Callable[[ProposerContext], Proposer]
"""Makes a proposer; raises BlueprintError or pydantic.ValidationError on bad options."""


@runtime_checkable
class NeedsModels(Protocol):
    """A proposer factory that says whether it is given the blueprint's models. Others are, if there are any."""

    needs_models: bool


@runtime_checkable
class DescribesProposer(Protocol):
    """A proposer factory that says what will propose. For others the head of a run names the models, if any."""

    def describe(self, blueprint: Blueprint) -> str:
        """What proposes under this blueprint, in a few words."""


@runtime_checkable
class ChecksBlueprint(Protocol):
    """A proposer factory that looks at a blueprint before a run; of others, mistakes are found when they are called."""

    def blueprint_problems(self, blueprint: Blueprint, folder: Path) -> Sequence[Problem]:
        """What is wrong with the options of this proposer; `folder` is the blueprint's."""


ExecutorFactory = Callable[[int], Executor]
"""Makes an executor for so many measurements at a time."""


class Strategy(Protocol):
    """Decides from which champion proposals start, and which winners are kept. Main process, one thread."""

    def parent(self, champions: Sequence[Champion]) -> Champion:
        """The champion from which the next proposal starts; `champions` is oldest first, the baseline is [0]."""

    def replaces(self, winner: Outcome, champion: Champion) -> bool:
        """Whether a confirmed winner takes the place of the latest champion; if not, it is rejected."""


@dataclass(frozen=True)
class StrategyContext:
    """What a strategy may know when it is made. `options`: `[strategy.options]`."""

    blueprint: Blueprint
    options: Mapping[str, Any]
    seed: int


StrategyFactory = Callable[[StrategyContext], Strategy]
"""Makes a strategy; raises BlueprintError or pydantic.ValidationError on bad options."""
