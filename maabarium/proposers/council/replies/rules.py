"""What a prompt says about the format of a reply, with a sample that this package itself reads and applies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from maabarium.blueprint.schema import EditFormat
from maabarium.proposers.council.replies.difference import make_diff

__all__ = ["Sample", "format_rules", "sample_of"]


@dataclass(frozen=True)
class Sample:
    """A small file, one line of it, and the line that replaces it."""

    path: str
    before: str
    line: str
    replacement: str
    summary: str


PYTHON = Sample(
    "shop/prices.py",
    "def total(prices):\n"
    "    result = 0\n"
    "    for price in prices:\n"
    "        result = result + price\n"
    "    return result\n",
    "        result = result + price",
    "        result += price",
    "Add in place instead of making a new number object",
)
PROSE = Sample(
    "guide/start.md",
    "# First steps\n\nInstall the package.\n\nThen run it.\n",
    "Install the package.",
    "Install the package with `pip install shop`.",
    "Say how the package is installed",
)
ANY = Sample(
    "src/limits.conf",
    "[queue]\nworkers = 2\nretries = 5\n",
    "workers = 2",
    "workers = 4",
    "Give the queue as many workers as there are cores",
)
LANGUAGES = {"python": PYTHON, "markdown": PROSE, "prompt": PROSE, "research": PROSE}

OPENING = """\
Answer with one JSON object and nothing else: {"summary": ..., "file_patches": [...]}. The summary is one line that \
says what changes and why. Each file has at most one patch, and its path is written exactly as shown."""

COMMON = """\
Change only files that you were shown and that may be changed, and keep the change small. An empty list of patches \
is better than a patch that you are not sure applies."""

RULES: dict[EditFormat, str] = {
    "whole": """\
A patch gives the path, the operation ("modify", "create" or "delete") and the content: the whole file as it shall \
be, from the first line to the last. Write out every line; a remark such as "the rest is unchanged" is refused, for \
it would delete the rest. A file that was shown in part cannot be written whole. A deletion has an empty content.""",
    "blocks": """\
To modify a file, a patch lists edits. `search` is a copy of one or more whole lines of the file, with their \
indentation, without line numbers; these lines must occur exactly once in what you were shown, so copy enough of \
them. `replace` is what stands in their place, with its indentation; to add lines, repeat a line and add to it; an \
empty `replace` deletes the lines. All searches look at the file as it is now, and they must not overlap. To create \
a file, give `content` instead of edits; to delete one, give only path and operation.""",
    "diff": """\
Each patch gives the path, the operation ("modify", "create" or "delete") and a unified diff of that one file. Each \
hunk starts with a line such as "@@ -12,3 +12,3 @@", and every line after it starts with a blank (context), "-" \
(removed) or "+" (added); an empty line of context is a single blank. Copy context and removed lines exactly and \
give three lines of context where there are any. New files and deletions have a diff, too: all lines added, or all \
removed.""",
    "lines": """\
There is exactly one patch. `path` is one of the files shown, `line` is one line of it, copied exactly, and \
`replacement` is what stands in its place, with its indentation.""",
}


def format_rules(format: EditFormat, language: str) -> str:
    """The paragraph of a prompt that explains the format, with a sample in a language of that kind."""
    if format == "lines":  # a grammar holds the model to the form, and a small one would copy the sample
        return f"{OPENING} {RULES[format]}"
    sample, text = sample_of(format, language)
    shown = f"For example, if {sample.path} were\n\n{sample.before}\nan answer could be\n\n{text}"
    return f"{OPENING} {RULES[format]} {COMMON}\n\n{shown}"


def sample_of(format: EditFormat, language: str) -> tuple[Sample, str]:
    """A file, and a reply in this format that changes one line of it."""
    sample = LANGUAGES.get(language.lower(), ANY)
    after = sample.before.replace(sample.line, sample.replacement)
    patch: dict[str, Any] = {"path": sample.path, "operation": "modify"}
    if format == "whole":
        patch["content"] = after
    elif format == "blocks":
        patch["edits"] = [{"search": sample.line, "replace": sample.replacement}]
    elif format == "diff":
        made = make_diff(sample.before.encode(), after.encode(), sample.path)
        patch["unified_diff"] = made.split("\n", 2)[2]  # the hunks; the headers say nothing that path does not
    else:
        patch = {"path": sample.path, "line": sample.line, "replacement": sample.replacement}
    return sample, json.dumps({"summary": sample.summary, "file_patches": [patch]}, indent=1)
