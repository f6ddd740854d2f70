"""No name is taken that a project may use: folders, ids, markers, fixtures."""

from __future__ import annotations

from field_project import FieldProject, speed_rule

UNIQUE = """
def unique(items):
    seen = []
    for item in items:
        if item not in seen:
            seen.append(item)
    return seen
"""
RULE = speed_rule("from app.core import unique", "unique(list(range(1500)) * 2)", per=3000)


def test_a_project_keeps_its_tests_in_rules(project: FieldProject) -> None:
    (project.root / "tests/test_core.py").unlink()
    holdout = "def test_points():\n    pass\n"
    test = "from app.core import unique\n\n\ndef test_unique():\n    assert unique([1, 1, 2]) == [1, 2]\n"
    project.write(
        {
            "app/core.py": UNIQUE,
            "rules/test_unique.py": test,
            "rules/holdout/test_more.py": holdout,
            "rules/holdout/__init__.py": "",
        }
    )
    project.write({"rules/__init__.py": "", "rules/test_speed.py": "def test_speed():\n    pass\n"})
    project.speed(RULE)
    project.assert_plain_is_green()
    run = project.loop()
    run.assert_green()
    assert run.ended.keys() == {
        "rules/test_speed.py::test_speed",
        "./rules/test_speed.py::test_speed",
        "./rules/test_unique.py::test_unique",
        "./rules/holdout/test_more.py::test_points",
    }
    assert run.verdicts == ["baseline", "promoted"], run.output
    assert (run.outcomes[1].effect or 0) > 10
