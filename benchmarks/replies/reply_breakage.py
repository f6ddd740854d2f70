"""Replies broken on purpose: cut, doubled, mixed, with hostile paths and tokens; and texts made to be slow to read."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

TOKENS = (
    '"', "\\", "{", "}", "[", "]", ",", ":", "\n", "\r\n", "\r", "\0", "\ufeff", "\ud800", "\udcff", "null", "1e999",
    "```", "```json\n", "<think>", "</think>", "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "@@ -1 +1 @@\n",
    "--- a/src/app.py\n", "+++ b/src/app.py\n", "\\ No newline at end of file\n", "+", "-", " ", "\\u0000", "\\ud83d",
    '"file_patches"', '"operation": "delete"', '"operation": "create"', "# ... existing code ...\n", "9" * 5000,
)  # fmt: skip
PATHS = (
    "../etc/passwd", "/etc/passwd", "src/../tests/test_app.py", "src/./app.py", "src//app.py", "src\\\\app.py",
    "tests/test_app.py", "setup.cfg", "src_other/x.py", ".git/config", "src/\\u0000x", "src/a\\nb", "src/", "src",
    "./src/app.py", "src/app.py/x", "src/new.py", "", " ", "~/.ssh/config", "C:/x", "src/\\u202eapp.py",
)  # fmt: skip
NAMED = re.compile(r"src/[\w/.]+|tests/[\w/.]+")


def broken(rng: random.Random, text: str) -> str:
    """The text after one to five accidents; half of the time they happen inside one string of its JSON."""
    start = min((found for found in map(text.find, ('{"summary"', '{\n  "summary"')) if found >= 0), default=-1)
    if start >= 0 and rng.random() < 0.5:
        try:
            value, end = json.JSONDecoder().raw_decode(text, start)
        except ValueError:
            return _damaged(rng, text)
        holder, key = rng.choice(list(_strings(value)))
        holder[key] = _damaged(rng, holder[key])
        return text[:start] + json.dumps(value) + text[end:]
    return _damaged(rng, text)


def _strings(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every string below, by what holds it and under which key."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(each, str):
            yield value, key
        elif isinstance(each, dict | list):
            yield from _strings(each)


def _damaged(rng: random.Random, text: str) -> str:
    for _ in range(rng.randrange(1, 6)):
        size = len(text)
        at, to = sorted((rng.randrange(size + 1), rng.randrange(size + 1)))
        to = min(to, at + rng.choice((1, 3, 20, 200)))
        kind = rng.random()
        if kind < 0.2:
            text = text[:at] + text[to:]
        elif kind < 0.3:
            text = text[:at]
        elif kind < 0.4:
            text = text[:to] + text[at:]
        elif kind < 0.65:
            text = text[:at] + rng.choice(TOKENS) + text[at:]
        elif kind < 0.75:
            text = text[:at] + rng.choice(TOKENS) + text[to:]
        elif kind < 0.95:
            text = _repathed(rng, text)
        else:
            text = text.swapcase() if rng.random() < 0.3 else text[:at] + text[at:to][::-1] + text[to:]
    return text


def _repathed(rng: random.Random, text: str) -> str:
    named = list(NAMED.finditer(text))
    if not named:
        return text
    found = rng.choice(named)
    return text[: found.start()] + rng.choice(PATHS) + text[found.end() :]


def slow_texts(size: int = 2**20) -> Mapping[str, str]:
    """Texts of about a megabyte that would take a careless reader forever."""

    def fill(unit: str, head: str = "", tail: str = "") -> str:
        return head + unit * (size // len(unit)) + tail

    newline = "\\n"  # as JSON spells it
    reply = '{"summary": "s", "file_patches": [{"path": "src/app.py", "operation": "modify", '
    return {
        "opening braces": fill("{"),
        "empty objects": fill("{}"),
        "broken objects": fill('{"a" '),
        "nested objects": fill('{"a":'),
        "nested lists": fill("[", '{"file_patches": '),
        "escaped quotes": fill('\\"', '{"file_patches": "'),
        "quotes": fill('"', "{"),
        "commas": fill(",", '{"file_patches": ['),
        "commas and blanks": fill(",          ", '{"file_patches": ['),
        "replies that agree": fill('{"summary": "s", "file_patches": []} '),
        "opened thoughts": fill("<think>"),
        "thoughts": fill("<think></think>"),
        "fences": fill("```\n", "src/app.py\n"),
        "long fence": fill("`"),
        "tildes and blanks": fill(" ", "~~~", "`\n") + "--- a\n+++ b\n@@ -1 +1 @@\n",
        "search markers": fill("<<<<<<< SEARCH\n", "src/app.py\n"),
        "blocks": fill("<<<<<<< SEARCH\nx = 1\n=======\ny\n>>>>>>> REPLACE\n", "src/app.py\n"),
        "dividers": fill("=======\n", "src/app.py\n<<<<<<< SEARCH\n"),
        "file headers": fill("--- a/src/app.py\n+++ b/src/app.py\n@@ -1 +1 @@\n"),
        "hunks": reply + f'"unified_diff": "{fill(f"@@ -9 +9 @@{newline}-a{newline}+b{newline}")}"}}]}}',
        "empty lines in a hunk": reply + f'"unified_diff": "@@ -1 +1 @@\\n-a\\n+b\\n{fill(newline)}x"}}]}}',
        "context": reply + f'"unified_diff": "@@ -5 +5 @@\\n{fill(" a" + newline)}-b\\n+c\\n"}}]}}',
        "signature": reply + f'"unified_diff": "@@ -1 +1 @@{newline}-a{newline}-- {newline}{fill("1.")}!"}}]}}',
        "long search": reply + f'"edits": [{{"search": "{fill("a" + newline)}", "replace": ""}}]}}]}}',
        "short search": reply + '"edits": [' + fill('{"search": "a", "replace": "b"}, ')[:-2] + "]}]}",
        "long path": fill("a", "", "!\n<<<<<<< SEARCH\n"),
        "whole content": reply + f'"content": "{fill("a" + newline)}"}}]}}',
        "elisions": reply + f'"content": "{fill("# .. rest of" + newline)}"}}]}}',
    }
