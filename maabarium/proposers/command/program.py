"""Where a program is and what of its installation must be seen for it to start.

Coding agents are installed in home folders, which a sandbox hides: a script of npm's beside its `node_modules`, a
script of pip's with an interpreter in an environment of its own, or one file that holds everything.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["find_program", "installation"]

PYTHON = re.compile(r"(python|pypy)[0-9.]*(t|d)?$")
BROAD = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/var", "/tmp", "/etc", "/srv")))
"""Never shown whole, whatever calls one of them its prefix."""


def find_program(word: str, folder: Path, path: str) -> Path | None:
    """The absolute path of a program: searched in `path`, or with a slash in it relative to the blueprint's folder."""
    if "/" not in word:
        safe = os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith("/"))
        found = shutil.which(word, path=safe or os.defpath)
        return Path(found) if found else None
    place = folder / Path(word).expanduser()
    usable = place.is_file() and os.access(place, os.X_OK)
    return Path(os.path.abspath(place)) if usable else None  # noqa: PTH100 - links must stay: they tell environments


def installation(program: Path) -> tuple[Path, ...]:
    """Files and folders that a program needs to be read beside the system's own."""
    found: list[Path] = []
    for place in filter(None, (program, _interpreter(program))):
        found += [place, place.resolve(), *_around(place)]
    home = Path.home()
    broad = {*BROAD, home, home.resolve(), *home.resolve().parents}
    return tuple(dict.fromkeys(place for place in found if place.exists() and place not in broad))


def _around(program: Path) -> Iterator[Path]:
    """The folders that belong to a program."""
    real = program.resolve()
    if "node_modules" in real.parts:
        yield Path(*real.parts[: real.parts.index("node_modules") + 1])
    if PYTHON.match(program.name):
        prefix = program.parent.parent
        with suppress(OSError):  # an environment names the folder of the interpreter that it was made with
            text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
            if home := re.search(r"^\s*home\s*=\s*(\S.*?)\s*$", text, re.MULTILINE):
                yield prefix
                yield Path(home[1]).resolve().parent
        yield real.parent.parent
    elif program.name in ("node", "deno", "bun", "ruby"):
        yield real.parent.parent


def _interpreter(program: Path) -> Path | None:
    """What a script names in its first line; `env` is looked through."""
    try:
        with program.open("rb") as file:
            line = file.readline(512)
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words = [os.fsdecode(word) for word in line[2:].split()]
    if words and Path(words[0]).name == "env":
        named = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)
        found = shutil.which(named) if named else None
        return Path(found) if found else None
    return Path(words[0]) if words and words[0].startswith("/") else None
