"""The `pytest` evaluator on real targets: baselines of every colour, what they pass on, what they refuse."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pydantic import ValidationError

from maabarium.errors import EvaluationError
from maabarium.plugins.manager import build_plugins, contributions
from maabarium_pytest.grading.evaluator import PytestEvaluator

CALC = "def add(a, b):\n    return a + b\n"
TEST = "from calc import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"


def test_is_contributed_and_takes_no_options() -> None:
    factory = contributions(build_plugins(), "evaluators")["pytest"]
    assert isinstance(factory({}), PytestEvaluator)
    with pytest.raises(ValidationError):
        factory({"speed": 1})


def test_no_tests(target: Any) -> None:
    target.write({"calc.py": CALC})
    failed = target.grade().failed_gate
    assert failed.reason_code == "gate_failed"
    assert "no tests were collected in target: write a test" in failed.detail


def test_missing_plugin(target: Any) -> None:
    target.write({"calc.py": CALC, "test_calc.py": TEST, "pytest.ini": "[pytest]\naddopts = --wonderful-plugin\n"})
    with pytest.raises(EvaluationError, match=r"--wonderful-plugin[\s\S]*install the plug-in"):
        target.grade()


def test_conftest_that_cannot_be_imported(target: Any) -> None:
    target.write({"calc.py": CALC, "test_calc.py": TEST, "conftest.py": "import not_there_at_all\n"})
    failed = target.grade().failed_gate
    assert failed.reason_code == "import_failed"
    assert "not_there_at_all" in failed.detail


def test_red_baseline_flaky_tests_and_broken_modules(target: Any) -> None:
    count = target.folder / "count"
    flaky = (
        f"import pathlib\np = pathlib.Path({str(count)!r})\n"
        "def test_flaky():\n    n = int(p.read_text()) if p.exists() else 0\n"
        "    p.write_text(str(n + 1))\n    assert n % 2\n"
    )
    target.write({"calc.py": "def add(a, b):\n    return a - b\n", "test_calc.py": TEST, "test_flaky.py": flaky})
    target.write(
        {"more.py": "from calc import sub\n", "test_more.py": "import more\ndef test_a(): pass\ndef test_b(): pass\n"}
    )
    target.write({"test_good.py": "def test_good(): pass\n"})
    strict = target.grade().failed_gate
    assert strict.reason_code == "import_failed" and "test_more.py" in strict.detail

    target.strict = False
    count.write_text("0")
    baseline = target.grade()
    assert baseline.failed_gate is None
    assert baseline.flaky == ("test_flaky.py::test_flaky",)
    assert set(baseline.noisy) >= {"tests.duration", "tests.cpu"}
    assert "tests.passed" not in baseline.noisy
    assert baseline.values()["tests.passed"] == pytest.approx(1 / 3)

    target.write({"calc.py": CALC})
    half = target.screen(baseline)
    assert half.failed_gate is None
    assert half.values()["tests.passed"] == pytest.approx(2 / 3)

    target.write({"calc.py": CALC + "sub = add\n"})
    whole = target.screen(baseline)
    assert whole.failed_gate is None
    assert whole.values()["tests.passed"] == 1.0


def test_red_baseline_says_what_to_do(target: Any) -> None:
    target.write({"calc.py": "add = max\n", "test_calc.py": TEST})
    failed = target.grade().failed_gate
    assert (failed.name, failed.reason_code) == ("tests", "gate_failed")
    assert "require_tests_pass = false" in failed.detail and "test_calc.py::test_add" in failed.detail


def test_hostile_addopts_src_layout_and_selection(target: Any) -> None:
    ini = (
        '[tool.pytest.ini_options]\ntestpaths = ["tests"]\nmarkers = ["slow: takes long"]\n'
        "addopts = '-n auto --cov --cov-fail-under=99 -m \"not slow\" -p no:cacheprovider --strict-markers -x'\n"
    )
    target.write({
        "pyproject.toml": ini, "src/pkg/__init__.py": CALC,
        "tests/test_pkg.py": "import pytest\nfrom pkg import add\ndef test_add(): assert add(1, 1) == 2\n"
        "@pytest.mark.slow\ndef test_slow(): assert False\n",
    })  # fmt: skip
    target.write({"rules/test_pkg.py": "import pkg\ndef test_same_name(): assert pkg.add(0, 1) == 1\n"}, target.folder)
    target.options = {"rules": ["rules"]}
    baseline = target.grade()
    assert baseline.failed_gate is None
    assert [test.id for test in baseline.tests] == ["rules/test_pkg.py::test_same_name", "tests/test_pkg.py::test_add"]
    assert "-n auto, --cov, --cov-fail-under=99, -x" in baseline.gates[0].detail
    assert baseline.lines is not None
    assert baseline.lines.by_test["tests/test_pkg.py::test_add"] == {"src/pkg/__init__.py": (2,)}
    assert baseline.lines.hits["src/pkg/__init__.py"][2] == 2
    assert baseline.grader == target.screen(baseline).grader


def test_modules_from_elsewhere_are_refused(target: Any) -> None:
    target.write({"calc.py": CALC, "test_calc.py": TEST})
    target.write({"elsewhere/calc.py": CALC}, target.folder)
    elsewhere = target.folder / "elsewhere"
    target.write({"conftest.py": f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\nimport calc\n"})
    with pytest.raises(EvaluationError) as caught:
        target.grade()
    assert str(elsewhere / "calc.py") in str(caught.value)
    assert str(target.top / "calc.py") in str(caught.value)
    assert "editable" in str(caught.value)


def test_flood_without_capture_and_lost_module(target: Any) -> None:
    target.write({"calc.py": CALC, "test_calc.py": TEST, "test_loud.py": "def test_loud(): print('x' * 100_000_000)\n"})
    target.options = {"args": ["-s"]}
    failed = target.grade().failed_gate
    assert failed.reason_code == "output_flood" and "sandbox.output_mb" in failed.detail


def test_interpreter_is_looked_for(target: Any) -> None:
    target.write({"calc.py": CALC, "test_calc.py": TEST})
    target.options = {"python": "no-such-python"}
    with pytest.raises(EvaluationError, match="no command"):
        target.grade()
    target.options = {"python": ".venv/bin/python"}
    with pytest.raises(EvaluationError, match="does not exist"):
        target.grade()
    target.write({".venv/bin/python": f'#!/bin/sh\nexec {sys.executable} -S "$@"\n'}, target.folder)
    (target.folder / ".venv/bin/python").chmod(0o755)
    with pytest.raises(EvaluationError, match=r"No module named 'pytest'.*-m pip install"):
        target.grade()


def test_strict_warnings_part_of_a_repository_and_holdout(target: Any) -> None:
    target.write({
        "pyproject.toml": '[tool.pytest.ini_options]\nfilterwarnings = ["error"]\naddopts = "--strict-markers"\n',
        "part/calc.py": CALC, "part/tests/test_calc.py": TEST, "other/test_other.py": "def test_no(): assert False\n",
    })  # fmt: skip
    rule = "import pytest\nfrom calc import add\n@pytest.mark.points('p', 1)\ndef test_p(): assert add(1, 1) == 2\n"
    hidden = "from calc import add\ndef test_h(): assert add(7, 0) == 7\n"
    target.write({"rules/test_a.py": rule, "hidden/test_a.py": hidden}, target.folder)
    target.options = {"rules": ["rules"], "holdout": ["hidden"]}
    target.root = target.top / "part"
    baseline = target.grade()
    assert baseline.failed_gate is None
    assert [test.id for test in baseline.tests] == [
        "rules/test_a.py::test_p", "rules/holdout/test_a.py::test_h", "part/tests/test_calc.py::test_add",
    ]  # fmt: skip
    target.write({"part/calc.py": "def add(a, b):\n    return 'secret' if a == 7 else a + b\n"})
    later = target.screen(baseline)
    assert later.failed_gate is not None
    assert later.failed_gate.detail == "1 of the holdout's rules failed"
    assert all(test.detail == "" for test in later.tests)


def test_import_error_of_a_changed_tree_and_new_tests(target: Any) -> None:
    target.write({"calc.py": CALC, "test_calc.py": TEST, "pytest.ini": "[pytest]\naddopts = --doctest-modules\n"})
    baseline = target.grade()
    assert baseline.failed_gate is None
    target.write({"calc.py": f'"""\n>>> 1 + 1\n3\n"""\n{CALC}'})
    failed = target.screen(baseline).failed_gate
    assert failed.reason_code == "gate_failed" and "calc.py::calc" in failed.detail
    target.write({"calc.py": "import nothing_of_that_name\n" + CALC})
    failed = target.screen(baseline).failed_gate
    assert failed.reason_code == "import_failed" and "nothing_of_that_name" in failed.detail
