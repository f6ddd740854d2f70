"""From a file to a `Blueprint`: reading, TOML, unknown keys, schema and checks, with all problems at once.

Looks at the blueprint's own file and nothing else; `binding` compares it with repository, plug-ins and environment.
"""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maabarium.blueprint.checks import check, doubts
from maabarium.blueprint.document import Pruned, mend
from maabarium.blueprint.schema import Blueprint
from maabarium.blueprint.sentences import problem_of, quote
from maabarium.errors import BlueprintError, Problem
from maabarium.safe_text import listed, printable
from maabarium.suggestions import near

__all__ = ["MAX_BYTES", "Loaded", "load", "mended", "parse"]

MAX_BYTES = 1_000_000
"""A blueprint is a page or two; a file above this size was surely given by mistake."""
LOOKED_AT = 200
"""How many files are read for a suggestion."""


@dataclass(frozen=True)
class Loaded:
    """A blueprint that can be bound. `text` is the file as it was read (it enters the run's hash)."""

    blueprint: Blueprint
    path: Path
    text: str
    warnings: tuple[Problem, ...] = ()


def load(path: Path | str) -> Loaded:
    """Read a blueprint file. Raises BlueprintError with every problem found."""
    path = Path(path)
    return parse(_read(path), path)


def parse(text: str, path: Path | str) -> Loaded:
    """Make a blueprint of TOML text; `path` is where it is (to be) kept. Raises BlueprintError."""
    path = Path(path)
    source = printable(path)
    document = _document(text, source)
    if _is_foreign(document):
        raise _refused(source, "this is no blueprint: it has no [blueprint] table")
    pruned = Pruned(document)
    problems = pruned.problems + check(pruned.data)
    blueprint: Blueprint | None = None
    try:
        blueprint = Blueprint.model_validate(pruned.data, strict=True)
    except ValidationError as error:
        problems = _findings(error, pruned) + problems
    if problems or blueprint is None:
        raise BlueprintError(source, _in_order(problems, pruned.data))
    return Loaded(blueprint, path, text, (*pruned.warnings, *doubts(pruned.data)))


def mended(path: Path | str) -> Loaded | None:
    """A blueprint that `load` refuses, with its mistakes replaced: only to look for more of them. Never to be run.

    None when too little of it is sound. Raises BlueprintError when there is no document at all.
    """
    path = Path(path)
    text = _read(path)
    document = _document(text, printable(path))
    blueprint = None if _is_foreign(document) else mend(Pruned(document).data)
    return None if blueprint is None else Loaded(blueprint, path, text)


def _is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether this is some other file: no table of a blueprint, not even a misspelled one."""
    return not any(near(name, Blueprint.model_fields) for name in document)


def _findings(error: ValidationError, pruned: Pruned) -> list[Problem]:
    problems = []
    for finding in error.errors(include_url=False):
        if finding["type"] == "too_short" and finding["input"]:
            continue  # its entries are there but wrong, and each is reported
        problem = problem_of(finding)
        if finding["type"] == "missing":
            close = near(str(finding["loc"][-1]), pruned.unknown.get(tuple(finding["loc"][:-1]), ()))
            hint = f"; is {quote(close)} a misspelling of it?" if close else ""
            problem = Problem(problem.where, problem.message + hint)
        problems.append(problem)
    return problems


def _in_order(problems: list[Problem], document: Mapping[str, Any]) -> list[Problem]:
    """Each problem once, sections in the order of the file."""
    sections = list(document)

    def place(problem: Problem) -> int:
        section = re.split(r"[.\[]", problem.where, maxsplit=1)[0]
        return sections.index(section) if section in sections else len(sections)

    return sorted(dict.fromkeys(problems), key=place)


def _document(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise _refused(source, f"is not TOML: {_fault(str(error), text)}") from None
    except RecursionError:
        raise _refused(source, "is not a blueprint: its lists or tables are nested too deep") from None
    except ValueError:
        raise _refused(source, "holds a number that is too long to be read") from None


def _refused(source: str, message: str, where: str = "") -> BlueprintError:
    return BlueprintError(source, [Problem(where, message)])


def _fault(said: str, text: str) -> str:
    """What tomllib said, with the place in front: `line 3, column 7: invalid value`."""
    fault, _, place = said.removesuffix(")").rpartition(" (at ")
    if place == "end of document":
        place = f"line {text.count(chr(10)) + 1}, where the file ends"
    return f"{place}: {fault[:1].lower()}{fault[1:200]}" if fault else said[:200]


def _read(path: Path) -> str:
    source = printable(path)
    try:
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            raise _refused(source, f"is a folder, not a blueprint{_blueprints_in(path)}")
        if not stat.S_ISREG(kind.st_mode):
            raise _refused(source, "is not a regular file")
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refused(source, f"there is no such file{_near_files(path)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(source, f"cannot be read: {reason}") from None
    if len(raw) > MAX_BYTES:
        raise _refused(source, f"is larger than {MAX_BYTES // 1_000_000} MB: that is no blueprint")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refused(
            source, f"is not UTF-8 text (byte {error.start}); save the file as UTF-8", f"line {line}"
        ) from None


def _near_files(path: Path) -> str:
    """A suggestion from the folder that was named, or the folders beside it where blueprints are usual."""
    there: list[Path] = []
    for folder in (path.parent, path.parent / "blueprints"):
        known = {found.stem: found for found in _blueprints_of(folder)}
        close = path.name if path.name in known else near(path.stem, known)
        if close:
            return f"; did you mean {printable(known[close])}?"
        there += known.values()
    if there:
        return f"; there {'is' if len(there) == 1 else 'are'} {listed(sorted(map(printable, there)))}"
    try:
        nor = "" if path.parent.is_dir() else f" (nor a folder {printable(path.parent)})"
        return nor or "; `maabarium init` writes one"
    except (OSError, ValueError):
        return ""


def _blueprints_in(folder: Path) -> str:
    names = [printable(found.name) for found in _blueprints_of(folder)]
    return f"; it holds {listed(sorted(names), 12)}" if names else ""


def _blueprints_of(folder: Path) -> list[Path]:
    """The files of a folder that mean to be blueprints: TOML with a [blueprint] table, sound otherwise or not."""
    try:
        files = sorted(entry for entry in folder.iterdir() if entry.suffix == ".toml" and entry.is_file())
    except (OSError, ValueError):
        return []
    return [file for file in files[:LOOKED_AT] if _means_to_be(file)]


def _means_to_be(file: Path) -> bool:
    try:
        return isinstance(_document(_read(file), "").get("blueprint"), dict)
    except BlueprintError:
        return False
