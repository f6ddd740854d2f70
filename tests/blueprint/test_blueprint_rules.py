from __future__ import annotations

from pathlib import Path

import pytest

from maabarium.blueprint.rules import find_rules, rule_scores, timed_scores

RULES = """
import pytest
def test_a(score):
    score.measure("latency_ms", 12.5)
    with score.timer("lines_per_s", per=50):
        pass
    with score.points("quality", 3):
        assert True
    score.baseline("latency_ms")
@pytest.mark.points("style", 2)
def test_b(): ...
def test_c(other, score):
    other.measure("not ours", 1)
    score.measure(name="named", value=1)
"""


def scan(tmp_path: Path, text: str) -> frozenset[str]:
    file = tmp_path / "test_rules.py"
    file.write_text(text)
    return rule_scores([file])


def test_names_are_read_off_the_syntax_tree(tmp_path):
    assert scan(tmp_path, RULES) == {"latency_ms", "lines_per_s", "quality", "style", "named"}
    assert timed_scores([tmp_path / "test_rules.py"]) == {"lines_per_s"}


@pytest.mark.parametrize("line", ['score.measure(f"x_{n}", 1)', "measure_all(score)", "run(to=score)", "score.timer()"])
def test_a_computed_name_or_a_score_handed_on_can_be_anything(tmp_path, line):
    assert scan(tmp_path, f"def test_a(score, n=1):\n    {line}\n") == {"*"}


@pytest.mark.parametrize("text", ["def (", "\0", "x = " + "(" * 5000])
def test_a_file_that_does_not_parse_gives_nothing(tmp_path, text):
    assert scan(tmp_path, text) == frozenset()
    assert rule_scores([tmp_path / "absent.py", tmp_path]) == frozenset()


def test_rules_are_files_or_folders_beside_the_blueprint(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "test_a.py").write_text(RULES)
    (tmp_path / "one.py").write_text("")
    found = find_rules(tmp_path, ("rules", "one.py", "rules/test_a.py"))
    assert found.paths == (tmp_path / "rules" / "test_a.py", tmp_path / "one.py")
    assert found.problems == ()


def test_a_rules_entry_that_leads_nowhere_is_a_problem(tmp_path):
    found = find_rules(tmp_path, ("absent.py", "a\0b"), key="evaluator.holdout")
    assert [problem.where for problem in found.problems] == ["evaluator.holdout[0]", "evaluator.holdout[1]"]
