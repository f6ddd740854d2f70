"""What a prompt says in our own words: how to work and to write, where the measurements are, what may be created."""

from __future__ import annotations

import configparser
import contextlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from maabarium.blueprint.globs import Globs, is_exact
from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.safe_text import one_line

__all__ = ["creatable_files", "guidance", "measured_now", "objective_lines", "style_text"]

_NAMES = {"research": "research-brief.md", "markdown": "draft.md", "prompt": "draft.md"}

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
_QUOTED = re.compile(r"(?<![\w\"'])(?:[rbf]{0,2})(['\"])(?!\1)")


def creatable_files(request: ProposalRequest, library: SourceFiles) -> tuple[str, ...]:
    """Paths that do not exist and may: named targets, then, for documents, one draft for each pattern.

    Drafts are offered when there is no target file yet, and always where a new note is welcome (`research`).
    """
    patterns = request.blueprint.domain.target_files
    globs = Globs(patterns)
    found = [path for path in globs.exact if path not in library and globs.matches(path)]
    language = _language(request)
    name = _NAMES.get(language)
    if name is not None and (not request.targets or language == "research"):
        for pattern in patterns:
            if pattern.startswith("!") or is_exact(pattern.removeprefix("/")):
                continue
            path = _draft(pattern.removeprefix("/"), name, globs, library)
            found += [path] if path else []
    clear = (path for path in dict.fromkeys(found) if not library.hidden(path))
    free = (path for path in clear if not any(str(folder) in library for folder in PurePosixPath(path).parents))
    return tuple(free)[:8]


def guidance(request: ProposalRequest, library: SourceFiles) -> str:
    """How to go about documents, in our own words; empty for code."""
    language = _language(request)
    said = [_RESEARCH] if language == "research" else []
    patterns = request.blueprint.domain.target_files
    if language in ("markdown", "prompt") and len(patterns) == 1 and is_exact(patterns[0].removeprefix("/")):
        said.append(_ONE_SECTION if patterns[0].removeprefix("/") in library else _FIRST_DRAFT)
    return "\n".join(said)


def objective_lines(blueprint: Blueprint) -> list[str]:
    """What is to be improved, a metric a line."""
    return [
        f"{metric.name} ({metric.direction}, weight {metric.weight:g}): {metric.description or metric.source or ''}"
        for metric in blueprint.objectives
    ]


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


def _language(request: ProposalRequest) -> str:
    return request.blueprint.domain.language.strip().lower()


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


def style_text(library: SourceFiles, paths: Iterable[str]) -> str:
    """One sentence on how to write in these files; empty when nothing can be said."""
    known = [path for path in paths if library.text(path)][:5]
    if not known:
        return ""
    seen = _observed(library, known) | _editorconfig(library, known[0])
    if known[0].endswith(".py"):
        seen |= _pyproject(library)
    else:
        seen.pop("quotes", None)
    said = ", ".join(seen[aspect] for aspect in ("indent", "length", "quotes") if aspect in seen)
    return f"Write as the files are written: {said}; reformat nothing that you do not change." if said else ""


def _observed(library: SourceFiles, paths: Iterable[str]) -> dict[str, str]:
    steps: Counter[str] = Counter()
    quotes: Counter[str] = Counter()
    lengths: list[int] = []
    for path in paths:
        before = 0
        for line in library.lines(path)[:400]:
            if not line.strip():
                continue
            lengths.append(len(line))
            margin = len(line) - len(line.lstrip(" "))
            if line[0] == "\t":
                steps["tabs"] += 1
            elif margin > before:
                steps[str(margin - before)] += 1
            before = margin
            quotes.update(_QUOTED.findall(line))
    found: dict[str, str] = {}
    if steps:
        step = steps.most_common(1)[0][0]
        found["indent"] = "tabs" if step == "tabs" else f"indented by {step} spaces"
    if quotes.total() >= 6 and quotes.most_common(1)[0][1] >= 0.75 * quotes.total():
        found["quotes"] = f"{'double' if quotes.most_common(1)[0][0] == chr(34) else 'single'} quotes"
    if lengths and max(lengths) <= 200:
        found["length"] = f"lines up to {max(79, *lengths)} characters"
    return found


def _pyproject(library: SourceFiles) -> dict[str, str]:
    """Line length and quotes as `[tool.ruff]` and `[tool.black]` say."""
    tools: dict[str, Any] = {}
    for name in ("pyproject.toml", "ruff.toml", ".ruff.toml"):
        if name in library and not library.obstacle(name):
            try:
                table = tomllib.loads(library.text(name) or "")
            except (tomllib.TOMLDecodeError, RecursionError):
                continue
            tools |= _table(table.get("tool")) if name == "pyproject.toml" else {"ruff": table}
    black, ruff = _table(tools.get("black")), _table(tools.get("ruff"))
    form = _table(ruff.get("format"))
    formatted = "black" in tools or "format" in ruff
    found: dict[str, str] = {}
    length = ruff.get("line-length", black.get("line-length", 88 if formatted else None))
    if isinstance(length, int) and 20 <= length <= 1000:
        found["length"] = f"lines up to {length} characters"
    if form.get("quote-style") in ("single", "double"):
        found["quotes"] = f"{form['quote-style']} quotes"
    elif formatted and not black.get("skip-string-normalization"):
        found["quotes"] = "double quotes"
    return found


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _editorconfig(library: SourceFiles, path: str) -> dict[str, str]:
    """What a top-level `.editorconfig` says of a file; later sections win, braces are not understood."""
    if library.obstacle(".editorconfig"):
        return {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    wishes: dict[str, str] = {}
    with contextlib.suppress(configparser.Error):
        parser.read_string("[*root*]\n" + (library.text(".editorconfig") or ""))
        for section in parser.sections():
            with contextlib.suppress(ValueError, re.error):  # no pattern
                if section != "*root*" and "{" not in section and Globs([section]).matches(path):
                    wishes |= {key: value.strip().lower() for key, value in parser.items(section)}
    found: dict[str, str] = {}
    if wishes.get("indent_style") == "tab":
        found["indent"] = "tabs"
    elif wishes.get("indent_size", "").isdigit():
        found["indent"] = f"indented by {int(wishes['indent_size'])} spaces"
    if wishes.get("max_line_length", "").isdigit():
        found["length"] = f"lines up to {int(wishes['max_line_length'])} characters"
    return found
