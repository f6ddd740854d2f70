"""Keeps a run's base commit from being collected, from the moment at which the run is stored."""

from __future__ import annotations

from maabarium.plugins.hookspecs import Event, hookimpl
from maabarium.workspace.repository import Repository

__all__ = ["PinningPlugin"]


class PinningPlugin:
    """Pins the base commit in the user's repository. A resumed run pins it anew, so a kill in between harms nothing."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @hookimpl
    def maabarium_event(self, event: Event) -> None:
        """A transition was stored."""
        if event.type == "run_started":
            self._repository.pin(event.run_id)
