"""The repository of a stored run, and what its experiments changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from maabarium.cli.terminal import note
from maabarium.errors import WorkspaceError
from maabarium.events import RunView
from maabarium.store import StoredView
from maabarium.workspace.leftovers import open_private
from maabarium.workspace.repository import Repository

__all__ = ["diffs_of", "repository_of"]


@contextmanager
def repository_of(view: RunView) -> Iterator[Repository]:
    """The run's repository, closed at the end. WorkspaceError when it is gone."""
    repository = open_private(view.run)
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
