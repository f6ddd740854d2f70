"""The manners of the code that is shown, in a sentence: indentation, length of lines, quotes.

What a project configures (ruff, black, EditorConfig) goes before what its files look like.
"""

from __future__ import annotations

import configparser
import contextlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from maabarium.blueprint.globs import Globs
from maabarium.proposers.council.context.source_files import SourceFiles

__all__ = ["style_text"]

_LOOKED_AT = 400
"""Lines of a file that are looked at."""
_QUOTED = re.compile(r"(?<![\w\"'])(?:[rbf]{0,2})(['\"])(?!\1)")


def style_text(library: SourceFiles, paths: Iterable[str]) -> str:
    """One sentence on how to write in these files; empty when nothing can be said."""
    known = [path for path in paths if library.text(path)][:5]
    if not known:
        return ""
    seen = _observed(library, known)
    seen |= _editorconfig(library, known[0])
    if known[0].endswith(".py"):
        seen |= _pyproject(library)
    wishes = [
        seen.get("indent", ""),
        f"lines up to {seen['length']} characters" if "length" in seen else "",
        seen.get("quotes", "") if known[0].endswith(".py") else "",
    ]
    said = ", ".join(wish for wish in wishes if wish)
    return f"Write as the files are written: {said}; reformat nothing that you do not change." if said else ""


def _observed(library: SourceFiles, paths: Iterable[str]) -> dict[str, str]:
    steps: Counter[str] = Counter()
    quotes: Counter[str] = Counter()
    lengths: list[int] = []
    for path in paths:
        before = 0
        for line in library.lines(path)[:_LOOKED_AT]:
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
        found["length"] = str(max(79, max(lengths)))
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
        found["length"] = str(length)
    if form.get("quote-style") in ("single", "double"):
        found["quotes"] = f"{form['quote-style']} quotes"
    elif formatted and not black.get("skip-string-normalization"):
        found["quotes"] = "double quotes"
    return found


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _editorconfig(library: SourceFiles, path: str) -> dict[str, str]:
    """What a top-level `.editorconfig` says of a file; later sections win, braces are not understood."""
    if ".editorconfig" not in library or library.obstacle(".editorconfig"):
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
        found["length"] = str(int(wishes["max_line_length"]))
    return found
