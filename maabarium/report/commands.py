"""Commands that a person can give next, as they work from the folder that they are given in."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from maabarium.events import RunView
from maabarium.safe_text import plain
from maabarium.state_paths import state_paths_of
from maabarium.store import StoredView

__all__ = ["Commands"]

FAR = 3
"""So many folders up, and an absolute path reads better."""


@dataclass(frozen=True)
class Commands:
    """Commands about one run; `option` names its database where they would find another one, or none."""

    run: str
    option: str = ""

    @classmethod
    def of(cls, view: RunView) -> Commands:
        """For the present folder. A view that came from no database is taken to be in the usual one."""
        database = view.database if isinstance(view, StoredView) else None
        return cls(view.run.run_id, "" if database is None else _option(database))

    def __call__(self, name: str) -> str:
        """The command `name` about the run."""
        return f"maabarium {name} {self.run}{self.option}"


def _option(database: Path) -> str:
    try:
        here = Path.cwd()
        if state_paths_of(here).database.resolve() == database.resolve():
            return ""
        relative = Path(os.path.relpath(database.resolve(), here))
    except OSError:  # the folder is gone, or may not be read
        return f" --db {shlex.quote(plain(str(database)))}"
    far = relative.parts[:FAR] == ("..",) * FAR
    return f" --db {shlex.quote(plain(str(database if far else relative)))}"
