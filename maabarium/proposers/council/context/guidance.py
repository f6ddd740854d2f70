"""What a prompt says in our own words: how to work on documents, where the measurements are, what may be created."""

from __future__ import annotations

from maabarium.blueprint.globs import Globs, is_exact
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.safe_text import one_line

__all__ = ["creatable_files", "guidance", "measured_now"]

_NAMES = {"research": "research-brief.md", "markdown": "draft.md", "prompt": "draft.md"}
_MOST = 8

_FIRST_DRAFT = (
    "The one document to work on does not exist yet. Write a first draft of it that can be used as it is: every "
    "section with its substance, no outline of headings and no placeholders."
)
_ONE_SECTION = (
    "Work on the one document that is shown. Improve one section and leave the others as they are; do not start the "
    "document anew."
)
_RESEARCH = (
    "Propose one narrow edit of one Markdown document. Every major claim carries the full address of its source, in "
    "the same sentence. Add to what is there, or write one new note, rather than rewrite. Without an address to cite, "
    'propose no edit and say in the summary what to look for: Search for "...".'
)


def creatable_files(request: ProposalRequest, library: SourceFiles, language: str) -> tuple[str, ...]:
    """Paths that do not exist and may: named targets, then, for documents, one draft for each pattern.

    Drafts are offered when there is no target file yet, and always where a new note is welcome (`research`).
    """
    patterns = request.blueprint.domain.target_files
    globs = Globs(patterns)
    found = [path for path in globs.exact if path not in library and globs.matches(path)]
    name = _NAMES.get(language.strip().lower())
    if name is not None and (not request.targets or language.strip().lower() == "research"):
        for pattern in patterns:
            if pattern.startswith("!") or is_exact(pattern.removeprefix("/")):
                continue
            path = _draft(pattern.removeprefix("/"), name, globs, library)
            found += [path] if path else []
    clear = (path for path in dict.fromkeys(found) if not library.hidden(path))
    return tuple(path for path in clear if not _blocked(path, library))[:_MOST]


def guidance(request: ProposalRequest, library: SourceFiles, language: str) -> str:
    """How to go about documents, in our own words; empty for code."""
    language = language.strip().lower()
    said = [_RESEARCH] if language == "research" else []
    patterns = request.blueprint.domain.target_files
    if language in ("markdown", "prompt") and len(patterns) == 1 and is_exact(patterns[0].removeprefix("/")):
        said.append(_ONE_SECTION if patterns[0].removeprefix("/") in library else _FIRST_DRAFT)
    return "\n".join(said)


def measured_now(request: ProposalRequest) -> str:
    """One line for each metric that was measured, and how many tests pass; empty when nothing is known."""
    evaluation = request.champion.evaluation
    now, before = evaluation.values(), request.baseline.values()
    possible = {m.source: m.possible for m in evaluation.measurements if m.possible is not None}
    lines = []
    for metric in request.blueprint.metrics.metrics:
        source = str(metric.source or metric.name)
        if source not in now:
            continue
        of = f" of {possible[source]:.6g}" if source in possible else ""
        unit = f" {one_line(metric.unit, 20)}" if metric.unit else ""
        since = f" (at first {before[source]:.6g})" if source in before and before[source] != now[source] else ""
        wish = "must not get worse" if metric.role == "guard" else f"{metric.direction}"
        lines.append(f"- {one_line(metric.name, 60)}: {now[source]:.6g}{of}{unit}{since}, {wish}")
    if evaluation.tests:
        passed = sum(test.outcome in ("passed", "xpassed") for test in evaluation.tests)
        lines.append(f"- tests: {passed} of {len(evaluation.tests)} pass")
    return "The present version measures:\n" + "\n".join(lines) if lines else ""


def _draft(pattern: str, name: str, globs: Globs, library: SourceFiles) -> str:
    """A free name that the pattern matches; empty when no such name suggests itself."""
    start = pattern.partition("*")[0]
    if set(start) & set("?[\\"):
        return ""
    folder = start if start.endswith("/") or not start else start.rpartition("/")[0] + "/"
    folder = "" if folder == "/" else folder
    stem, _, extension = name.rpartition(".")
    for number in range(1, 10):
        path = f"{folder}{stem}{f'-{number}' if number > 1 else ''}.{extension}"
        if path not in library and globs.matches(path):
            return path
    return ""


def _blocked(path: str, library: SourceFiles) -> bool:
    """Whether a file stands where a folder would have to be."""
    parts = path.split("/")
    return any("/".join(parts[:depth]) in library for depth in range(1, len(parts)))
