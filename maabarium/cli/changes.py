"""What a stored run changed, read from its repository: net, by experiment, as text, patch or files.

The one place where commands meet the repository of a run. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from maabarium.cli.stored import outcome_of
from maabarium.errors import UsageProblem
from maabarium.events import RunView
from maabarium.records import Outcome
from maabarium.run.repository import open_repository
from maabarium.store import StoredView
from maabarium.workspace.repository import Repository

__all__ = ["champion_of", "experiment_ends", "files_of", "net_ends", "repository_of", "winner", "winners"]


def winners(view: RunView) -> tuple[Outcome, ...]:
    """Outcomes that were kept, in order."""
    return tuple(outcome for outcome in view.outcomes if outcome.verdict == "promoted")


def champion_of(view: RunView) -> Outcome | None:
    """The last winner; None when nothing was kept."""
    kept = winners(view)
    return kept[-1] if kept else None


def winner(view: StoredView, number: int) -> Outcome:
    """One winner. UsageProblem when that experiment was not kept."""
    outcome = outcome_of(view, number)
    if outcome.verdict != "promoted":
        kept = ", ".join(str(each.number) for each in winners(view)) or "none"
        raise UsageProblem(f"experiment {number} was not kept ({outcome.verdict}: {outcome.reason}); kept: {kept}")
    return outcome


@contextmanager
def repository_of(view: RunView) -> Iterator[Repository]:
    """The run's repository, closed at the end. WorkspaceError when it is gone."""
    repository = open_repository(view)
    try:
        yield repository
    finally:
        repository.close()


def net_ends(view: RunView) -> tuple[str, str] | None:
    """The run's base and its champion, as commits or trees; None when nothing was kept."""
    champion = champion_of(view)
    return None if champion is None else (view.run.base_commit, champion.commit or champion.tree)


def experiment_ends(view: StoredView, number: int) -> tuple[str, str] | None:
    """See `RunView.ends_of`. UsageProblem when there is no such experiment."""
    outcome_of(view, number)
    return view.ends_of(number)


def files_of(view: StoredView, repository: Repository, outcome: Outcome, *, alone: bool) -> Mapping[str, bytes | None]:
    """The files that a winner (`alone`) or the whole run up to it touched, as they are then; None for deleted ones."""
    tree = repository.tree_of(outcome.commit) if outcome.commit else outcome.tree
    if alone and outcome.number in view.proposals:
        paths = tuple(edit.path for edit in view.proposals[outcome.number].edits)
    else:
        paths = tuple(edit.path for edit in repository.edits_between(repository.base_tree, tree))
    there = repository.view(tree)
    known = set(there.paths())
    return {path: there.read(path) if path in known else None for path in paths}
