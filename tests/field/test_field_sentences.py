"""What is printed is true, says what to do next, and that works: each sentence is reached by a real run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from field_project import FieldProject, modify

WRONG = "def one():\n    return 0\n\n\ndef two():\n    return 0\n"
HALF = WRONG.replace("return 0", "return 1", 1)
RIGHT = HALF.replace("return 0", "return 2")
TESTS = """\
from app.core import one, two


def test_one():
    assert one() == 1


def test_two():
    assert two() == 2
"""
LONGER = "def double(x):\n    y = x * 2\n    z = y\n    return z\n"


def change(project: FieldProject, *pairs: tuple[str, str]) -> None:
    """Other lines in the blueprint."""
    text = (project.root / "bp.toml").read_text()
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    project.write({"bp.toml": text})


def repairing(project: FieldProject, *candidates: str) -> None:
    """A red project, whose tests that pass are the objective."""
    project.write({"app/core.py": WRONG, "tests/test_core.py": TESTS})
    project.size(*candidates, strict=False)
    change(project, ('name = "size"\ndirection = "minimize"\nsource = "size"',
                     'name = "green"\ndirection = "maximize"\nsource = "tests.passed"'))  # fmt: skip


def line_of(text: str, start: str) -> str:
    (line,) = [line.strip() for line in text.splitlines() if line.strip().startswith(start)]
    return line


def test_a_half_repair_says_what_is_still_red_also_when_it_is_taken_over(project: FieldProject) -> None:
    repairing(project, modify(HALF))
    run = project.loop("--maabarium-report=out.md")
    assert run.verdicts == ["baseline", "promoted"], run.output
    said = "still red: 1 test of the 2 that failed before, with all that was kept: tests/test_core.py::test_two"
    assert line_of(run.output, "still red") == said
    assert "tests/test_core.py::test_two" in (project.root / "out.md").read_text()
    assert said in project.maabarium("apply").stdout


def test_a_run_ends_when_nothing_can_get_better_and_says_so(project: FieldProject) -> None:
    repairing(project, modify(RIGHT), modify(RIGHT + "\n"), modify(RIGHT + "\n\n"))
    run = project.loop()
    assert run.verdicts == ["baseline", "promoted"] and run.status == 0, run.output
    assert line_of(run.output, "ended after 1 of 3") == (
        "ended after 1 of 3 experiments: nothing is left to gain: green cannot get better"
    )
    assert "still red" not in run.output
    (status,) = [line for line in project.maabarium("status").stdout.splitlines() if "completed" in line]
    gain = run.outcomes[1].effect
    assert gain is not None and f"x{gain:.1f}" in status and "0.5 " not in status


def test_the_repair_of_one_test_of_many_is_kept_with_what_init_drafts(project: FieldProject) -> None:
    many = "\n\n".join(f"def test_{n}():\n    assert {n} == {n}\n" for n in range(118))
    two = "from app.core import two\n\n\ndef test_two():\n    assert two() == 2\n"
    project.write({"app/core.py": HALF, "tests/test_many.py": many, "tests/test_core.py": two})
    project.commit()
    assert project.maabarium("init").returncode == 0
    drafted = line_of((project.root / "maabarium.toml").read_text(), "min_improvement").partition("#")[0].strip()
    project.size(modify(RIGHT), strict=False)
    change(project, ("min_improvement = 0.01", drafted),
           ('name = "size"\ndirection = "minimize"\nsource = "size"',
            'name = "green"\ndirection = "maximize"\nsource = "tests.passed"'))  # fmt: skip
    assert project.loop().verdicts == ["baseline", "promoted"]


def test_what_is_better_by_too_little_is_not_called_worse(project: FieldProject) -> None:
    project.write({"app/core.py": LONGER + "".join(f"A{n} = {n}\n" for n in range(300))})
    shorter = "def double(x):\n    y = x * 2\n    return y\n" + "".join(f"A{n} = {n}\n" for n in range(300))
    same = shorter.replace("y = x * 2\n    return y", "y = x * 2\n    z = y\n    return z # so")
    project.size(modify(shorter), modify(same))
    run = project.loop()
    assert [outcome.reason_code for outcome in run.outcomes] == ["baseline", "too_small", "no_gain"], run.output
    assert "worse" not in run.output and "constraints.min_improvement = 0.01" in run.outcomes[1].reason
    assert "lower constraints.min_improvement" in run.output


def test_a_raised_budget_is_gone_on_with_and_what_is_graded_may_not_change(project: FieldProject) -> None:
    project.write({"app/core.py": LONGER})
    longer = [modify(LONGER + f"B = {n}\n") for n in range(3)]
    project.size(*longer, modify("def double(x):\n    return x * 2\n"))
    change(project, ("[budget]", "[budget]\npatience = 1"))
    run = project.loop()
    assert run.verdicts == ["baseline", "rejected"] and run.view is not None
    identity = run.view.run.run_id
    assert line_of(run.output, "ended after") == (
        "ended after 1 of 4 experiments: 1 experiments in a row without a promotion (budget.patience); "
        f"raise budget.patience, then maabarium resume {identity}"
    )
    for before, after, told in (
        ("timeout_seconds = 60", "timeout_seconds = 61", "[constraints]"),
        ('direction = "minimize"', 'direction = "maximize"', "[metrics]"),
    ):
        change(project, (before, after))
        refused = project.maabarium("resume", identity)
        assert refused.returncode == 4 and told in refused.stdout + refused.stderr
        assert "[budget], [execution] and constraints.max_iterations may change" in refused.stdout + refused.stderr
        change(project, (after, before))
    change(project, ("patience = 1", "patience = 9"))
    resumed = project.maabarium("resume", identity)
    assert resumed.returncode == 0 and "4 of" not in resumed.stderr, resumed.stdout
    found = json.loads(project.maabarium("history", identity, "--json").stdout)
    assert [each["verdict"] for each in found] == ["baseline", "rejected", "rejected", "rejected", "promoted"]


def test_an_empty_patch_is_announced(project: FieldProject) -> None:
    project.size(modify("def double(x):\n    return x\n"))
    project.loop()
    empty = project.maabarium("export", "--format", "patch")
    assert (empty.returncode, empty.stdout) == (0, "") and "kept nothing, so the patch is empty" in empty.stderr


@pytest.mark.slow
def test_a_pipe_hears_of_a_long_baseline_and_the_estimate_knows_the_budget(project: FieldProject) -> None:
    slow = "import time\n\n\ndef test_it():\n    time.sleep(4)\n"
    project.write({"tests/test_slow.py": slow})
    project.size(*[modify(LONGER + f"B = {n}\n") for n in range(9)])
    change(project, ("wall_seconds = 90", "wall_seconds = 20"))
    run = project.loop()
    assert "measuring the baseline evaluating · 5 s" in run.output
    grader = line_of(run.output, "grader:")
    assert "for at most" in grader and "of 9 experiments (budget.wall_seconds)" in grader
    seconds = int(grader.partition("about ")[2].partition(" s ")[0])
    assert seconds <= 20


def test_flaky_tests_are_not_repaired(project: FieldProject, tmp_path: Path) -> None:
    """A test that fails in every second session, beside right code that `mutate` could edit."""
    code = "def half(x):\n    if x is None:\n        return 0\n    return x // 2\n"
    test = (
        "import os\nfrom app.core import half\n\n\ndef test_it():\n    assert half(None) == 0\n"
        "    assert half(5) == 2 and os.environ['PYTHONHASHSEED'] in ('1', 'random')\n"
    )
    project.write({"app/core.py": code, "tests/test_core.py": test})
    project.size()
    run = project.loop("--maabarium-iterations=4")
    assert run.baseline.flaky == ("tests/test_core.py::test_it",), run.output
    assert [one for one in run.outcomes if one.origin.arm == "repairs"] == []
