"""What a guide is worth: every public name is shown at work, and what it shows is true."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import unitkit

GUIDE = Path("docs/guide.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def guide() -> str:
    return GUIDE.read_text(encoding="utf-8") if GUIDE.is_file() else ""


def test_examples_run():
    for block in BLOCK.findall(guide()):
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block, str(GUIDE), "exec"), {})


def test_names_are_shown_at_work(score):
    shown = {name for name in unitkit.__all__ for block in BLOCK.findall(guide()) if f"{name}(" in block}
    score.measure("shown", len(shown) / len(unitkit.__all__))


def test_it_has_parts(score):
    headings = re.findall(r"^#+ \S", guide(), flags=re.MULTILINE)
    score.measure("parts", min(len(headings), 4) / 4)
