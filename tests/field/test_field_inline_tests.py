"""Expectations that live in files which may change are those of the start."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from field_project import FieldProject, modify

IMPORTS = "import app.core\n\n\ndef test_it_is_there():\n    assert app.core\n"


@dataclass(frozen=True)
class Inline:
    """A project whose target file holds its own expectation: its text with an answer and a body to fill in."""

    text: str
    """With `BODY` and `ANSWER`."""
    files: dict[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ("app/**/*.py",)

    def code(self, body: str, answer: int) -> str:
        return self.text.replace("BODY", body).replace("ANSWER", str(answer))


DOCTEST = 'def double(x):\n    """Twice as much.\n\n    >>> double(3)\n    ANSWER\n    """\n    BODY\n'
DOCTESTS = {"pytest.ini": "[pytest]\npythonpath = .\naddopts = --doctest-modules\n", "tests/test_core.py": IMPORTS}
CASES = {
    "a doctest": Inline(DOCTEST, DOCTESTS),
}
GOOD, BAD = "return x * 2", "return x"


@pytest.mark.parametrize("kind", ["a doctest"])
def test_a_changed_expectation_is_out_of_bounds(project: FieldProject, kind: str) -> None:
    case = CASES[kind]
    start = case.code("result = x * 2\n    return result", 6)
    project.write({"app/core.py": start, **case.files})
    project.size(modify(case.code(BAD, 3)), modify(case.code(BAD, 6)), modify(case.code(GOOD, 6)))
    assert project.pytest("-q").returncode == 0
    run = project.loop()
    assert run.verdicts == ["baseline", "invalid", "rejected", "promoted"], run.output
    assert run.outcomes[1].reason_code == "out_of_bounds"
    assert "app/core.py holds tests of itself" in run.outcomes[1].reason


def test_examples_that_nobody_runs_are_text(project: FieldProject) -> None:
    project.write({"app/core.py": DOCTEST.replace("BODY", "result = x * 2\n    return result").replace("ANSWER", "6")})
    project.size(modify("def double(x):\n    return x * 2\n"))
    assert project.loop().verdicts == ["baseline", "promoted"]
