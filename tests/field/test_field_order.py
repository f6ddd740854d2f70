"""A candidate whose results hang on an order that nothing promises is not kept, although the suite passes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from field_project import FieldProject, modify


@dataclass(frozen=True)
class Order:
    """One function, how it makes its order certain, how a careless candidate does not, and its test."""

    sure: str
    careless: str
    test: str


NAMES = """def f(rows):
    found = []
    for row in rows:
        if row not in found:
            found.append(row)
    return found
"""
ORDERED = "def f(rows):\n    return list(dict.fromkeys(rows))\n"
CASES = {
    "a set": Order(
        NAMES,
        "def f(rows):\n    return list(set(rows))\n",
        "def test_f():\n    assert f(['a', 'b', 'a']) == ['a', 'b']\n",
    ),
}


@pytest.mark.parametrize("kind", ["a set"])
def test_an_order_that_nothing_promises(project: FieldProject, kind: str) -> None:
    case = CASES[kind]
    project.write({"app/core.py": case.sure, "tests/test_core.py": f"from app.core import f\n\n\n{case.test}"})
    project.size(modify(case.careless), *([modify(ORDERED)] if kind == "a set" else []))
    run = project.loop()
    assert run.verdicts[:2] == ["baseline", "rejected"], run.output
    assert run.outcomes[1].reason_code == "gate_failed" and "test_f failed" in run.outcomes[1].reason
    if kind == "a set":
        assert run.verdicts[2] == "promoted"
