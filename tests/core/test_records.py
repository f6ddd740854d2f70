"""Records are frozen values, and their closed lists are exhaustive: nothing uses a name that is not on them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from maabarium.records import PHASES, REASON_CODES, VERDICTS, FileEdit, Outcome, ReasonCode

ROOT = Path(__file__).parents[2]
DECLARES = {"records.py", "events.py", "hookspecs.py"}
REACTS = {"mutate", "report", "cli"}
"""Rooms that only read codes, so that naming one there is not giving it."""
RESERVED: frozenset[ReasonCode] = frozenset({"differs_from_champion"})
"""Of the integrity checks that are still to come; take a code off when something gives it."""


def literals(*folders: str) -> Iterator[str]:
    """All string constants that are not docstrings, of the modules that do not merely declare the lists."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name in DECLARES or REACTS & set(path.relative_to(ROOT).parts):
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                    yield node.value


def test_every_reason_code_is_given_somewhere_or_reserved() -> None:
    used = set(literals("maabarium", "maabarium_pytest")) & set(REASON_CODES)
    assert used | RESERVED == set(REASON_CODES)
    assert used & RESERVED == set(), "no longer reserved: take it off the list"


def test_every_verdict_is_given_somewhere() -> None:
    assert set(literals("maabarium")) >= set(VERDICTS)


def test_lists_name_nothing_twice() -> None:
    for names in (VERDICTS, PHASES, REASON_CODES):
        assert len(names) == len(set(names))
        assert all(re.fullmatch("[a-z_]+", name) for name in names)


def test_an_outcome_takes_no_other_code_and_no_other_field() -> None:
    fields = {"number": 1, "verdict": "rejected", "reason_code": "worse", "reason": ""}
    outcome = Outcome.model_validate(fields)
    for change in ({"reason_code": "whatever"}, {"verdict": "lost"}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            Outcome.model_validate(fields | change)
    with pytest.raises(ValidationError):
        outcome.number = 2  # type: ignore[misc]


def test_bytes_survive_json_and_name_their_content() -> None:
    edit = FileEdit(path="a", operation="modify", content=bytes(range(256)))
    assert FileEdit.model_validate_json(edit.model_dump_json()) == edit
    assert edit.digest == "40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880"
    assert FileEdit(path="a", operation="delete").digest == ""
