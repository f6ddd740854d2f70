"""What a stored run changed, read from its repository: net, by experiment, as text, patch or files.

The one place where commands meet the repository of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from maabarium.cli.run_options import outcome_of
from maabarium.cli.terminal import note
from maabarium.errors import UsageProblem, WorkspaceError
from maabarium.events import RunView
from maabarium.records import Outcome
from maabarium.run.repository import open_repository
from maabarium.store import StoredView
from maabarium.workspace.repository import Repository

__all__ = ["diffs_of", "files_of", "repository_of", "winner"]


def winner(view: StoredView, number: int) -> Outcome:
    """One winner. UsageProblem when that experiment was not kept."""
    outcome = outcome_of(view, number)
    if outcome.verdict != "promoted":
        kept = ", ".join(str(each.number) for each in view.kept) or "none"
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


def diffs_of(view: StoredView, numbers: Iterable[int], without: str) -> dict[int, str]:
    """Diffs of those experiments that had a tree; none, and a note that begins with `without`, of a lost repository."""
    ends = {number: ends for number in numbers if (ends := view.ends_of(number))}
    if not ends:
        return {}
    try:
        with repository_of(view) as repository:
            return {number: repository.diff(*pair) for number, pair in ends.items()}
    except WorkspaceError as error:
        note(f"{without}: {error}")
        return {}


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
