"""Whose turn it is under `round_robin`. Pure but for what it remembers."""

from __future__ import annotations

import threading

from maabarium.plugins.completion import Purpose

__all__ = ["Turns"]

REMEMBERED = 8
"""Experiments whose turns are kept: more than are ever under way."""


class Turns:
    """Counts within each experiment, from the experiment's number on, so that a resumed run counts the same."""

    def __init__(self) -> None:
        self._given: dict[int, dict[Purpose, int]] = {}
        self._lock = threading.Lock()

    def of(self, purpose: Purpose) -> int:
        """The turn of a purpose; the same one when it is asked again."""
        with self._lock:
            given = self._given.setdefault(purpose.number, {})
            if len(self._given) > REMEMBERED:
                del self._given[min(self._given)]
            return purpose.number + given.setdefault(purpose, len(given))
