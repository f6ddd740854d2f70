"""The task of an agent as one text: goal, bounds, where things stand, failing tests, history. Pure.

The agent reads the files itself, so no code is packed; what the packer would show first is named instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context import Packed
from maabarium.safe_text import one_line
from maabarium.scanner import DATA_RULE, fence

__all__ = ["brief_of"]

MOST_LISTED = 60
MOST_FIRST = 6


def brief_of(request: ProposalRequest, packed: Packed, workspace: Path, note: str) -> str:
    """The task in Markdown. `packed` is what fits; `note` is advice from how the last attempts ended."""
    blueprint, files = request.blueprint, frozenset(request.files.paths())
    shown = [part for part in packed.parts if part.source not in files]
    first = [part.source for part in packed.parts if part.source in files][:MOST_FIRST]
    paragraphs = [
        "# Task",
        one_line(blueprint.blueprint.description, 2000),
        _work(workspace),
        "Improve these measurements without breaking any test:\n" + _metrics(blueprint),
        _bounds(request),
        *(part.text if part.kind == "rules" else f"{part.title}:\n{fence(part.text, part.source)}" for part in shown),
    ]
    if first:
        paragraphs.append("Files that probably matter most:\n" + fence(_bullets(first), "paths"))
    if packed.creatable:
        paragraphs.append("These files do not exist yet and may be created:\n" + _bullets(packed.creatable))
    paragraphs += [note] if note else []
    paragraphs += [DATA_RULE, _ending()]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _work(workspace: Path) -> str:
    return (
        f"You work alone, in a copy of a project without its history: {workspace}. Nobody answers questions. Make one "
        "narrow change by editing files there in place; commit nothing. Whatever you leave in these files is measured "
        "against the version you found, and kept only if it is better."
    )


def _bounds(request: ProposalRequest) -> str:
    globs = ", ".join(one_line(glob, 200) for glob in request.blueprint.domain.target_files)
    said = f"Only files that match {globs} may change; tests, configuration and start-up files may not. "
    said += "Changes of other files are thrown away."
    if request.targets and len(request.targets) <= MOST_LISTED:
        said += " These exist:\n" + fence(_bullets(request.targets), "paths")
    return said


def _metrics(blueprint: Blueprint) -> str:
    return _bullets(
        one_line(f"{metric.name} ({metric.direction}, weight {metric.weight:g}): {metric.description or metric.source}")
        for metric in blueprint.objectives
    )


def _ending() -> str:
    return (
        "When you are done, print one last line that begins with `Summary:` and says in one sentence what you changed "
        "and why it should help."
    )


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {one_line(line, 300)}" for line in lines)
