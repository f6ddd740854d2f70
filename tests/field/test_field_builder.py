"""The builder itself: the base project is green, and runs end as they should."""

from __future__ import annotations

from field_project import FieldProject, modify, speed_rule


def test_the_base_project_is_green(project: FieldProject) -> None:
    project.size()
    assert project.assert_plain_is_green() == ["tests/test_core.py::test_double"]
    run = project.loop()
    run.assert_green()
    assert list(run.ended) == ["tests/test_core.py::test_double"], run.output


def test_a_scripted_candidate_is_kept_or_rejected(project: FieldProject) -> None:
    longer = "def double(x):\n    result = x * 2\n    return result\n"
    project.write({"app/core.py": longer})
    project.size(modify("def double(x):\n    return x\n"), modify("def double(x):\n    return x * 2\n"))
    run = project.loop()
    assert run.verdicts == ["baseline", "rejected", "promoted"], run.output


def test_a_speed_rule_is_measured(project: FieldProject) -> None:
    project.speed(speed_rule("from app.core import double", "[double(n) for n in range(1000)]", per=1000))
    run = project.loop()
    assert run.verdicts[0] == "baseline" and "score:per_s" in run.baseline.values(), run.output
