"""The log of a state folder: one JSON object a line. Knows no database and must never disturb a run.

A log that cannot be written is no reason to stop, so `write` swallows what the file system says.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Literal

__all__ = ["Level", "RunLog"]

Level = Literal["debug", "info", "warning", "error"]
Field = str | int | float | bool | None


class RunLog:
    """Appends to one file, which several processes may share: each line is one write.

    The folder must exist; the store makes it (with a `.gitignore`, when it is its own).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._torn = False

    def write(self, level: Level, event: str, *, run: str = "", **fields: Field) -> bool:
        """Append one line; True when all of it was written. Control characters appear as escapes."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        finite = {key: str(value) if value in (inf, -inf) or value != value else value for key, value in fields.items()}
        line = {**finite, "time": time, "level": level, "run": run, "event": event}
        ordered = {key: line[key] for key in ("time", "level", "run", "event", *fields)}
        # ASCII JSON escapes all control characters but DEL
        text = json.dumps(ordered, default=str).replace("\x7f", "\\u007f") + "\n"
        # a line that a full disk cut short must not swallow the next one
        data = (("\n" if self._torn else "") + text).encode("ascii")
        try:
            target = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return False
        try:
            written = os.write(target, data)
        except OSError:
            return False
        finally:
            os.close(target)
        self._torn = written < len(data)
        return not self._torn
