"""Ids that are other ones in each process still gate: such tests are told apart by their position."""

from __future__ import annotations

import pytest
from field_project import FieldProject, modify

BOX = "class Box:\n    def __init__(self, value):\n        self.value = value\n\n\n"
LONG = BOX + "def double(x):\n    result = x.value * 2\n    return result\n"
SHORT = BOX + "def double(x):\n    return x.value * 2\n"
WRONG = BOX + "def double(x):\n    return x.value\n"
PARAMETERS = {
    "addresses": "@pytest.mark.parametrize('box', [Box(1), Box(2)], ids=repr)",
    "functions": "@pytest.mark.parametrize('box', [Box(1), Box(2)], ids=lambda box: str(lambda: box))",
    "names made anew": "@pytest.mark.parametrize('box', [Box(1), Box(2)], ids=lambda box: uuid.uuid4().hex)",
    "times": "@pytest.mark.parametrize('box', [Box(1), Box(2)], ids=lambda box: str(time.time_ns()))",
    "random numbers": "@pytest.mark.parametrize('box', [Box(random.random()), Box(2)], ids=lambda b: b.value)",
}


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in sorted(PARAMETERS) if kind != "addresses"]


@pytest.mark.parametrize("kind", ["addresses", *SLOW])
def test_ids_that_differ_in_each_process_gate(project: FieldProject, kind: str) -> None:
    imports = "import random, time, uuid\n\nimport pytest\nfrom app.core import Box, double\n\n\n"
    test = f"{PARAMETERS[kind]}\ndef test_box(box):\n    assert double(box) == 2 * box.value\n"
    red = "\n\ndef test_red():\n    assert False\n"
    project.write({"app/core.py": LONG, "tests/test_core.py": imports + test + red})
    project.size(modify(WRONG), modify(SHORT), strict=False)
    run = project.loop()
    assert run.verdicts == ["baseline", "rejected", "promoted"], run.output
    assert run.baseline.flaky == () and run.baseline.moving == ("tests/test_core.py::test_box",)
    assert run.outcomes[1].reason_code == "gate_failed"
    assert "tests/test_core.py::test_box[#1], tests/test_core.py::test_box[#2] failed" in run.outcomes[1].reason
