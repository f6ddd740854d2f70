from __future__ import annotations

import ast
import subprocess
import sys

from blueprint_samples import FACTS, facts, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.blueprint.binding import bind
from maabarium.blueprint.globs import matching
from maabarium.blueprint.project import InitFacts
from maabarium.blueprint.rules import rule_scores, timed_scores
from maabarium.blueprint.templates import draft, draft_rules

PACKAGE = InitFacts(name="pkg", packages=("src/pkg/**/*.py",), has_tests=True)


def test_a_draft_loads_and_binds_without_a_warning():
    bound = bind(sample(draft(PACKAGE)), FACTS)
    assert bound.warnings == ()
    assert [(b.metric.name, b.metric.source) for b in bound.metric_sources] == [
        ("cpu_time", "tests.cpu"),
        ("complexity", "complexity"),
        ("maintainability", "maintainability"),
    ]
    assert bound.blueprint.proposer_kind == "mutate"


def test_a_draft_with_a_rules_file_measures_what_the_drafted_rules_measure(tmp_path):
    rules = tmp_path / "test_rules.py"
    rules.write_text(draft_rules(PACKAGE))
    scores, timed = rule_scores([rules]), timed_scores([rules])
    text = draft(InitFacts(name="pkg", packages=("src/pkg/**/*.py",), rules=("test_rules.py",)))
    bound = bind(sample(text), facts(rule_scores=scores, timed_scores=timed))
    assert "score:imports_per_s" in [binding.source for binding in bound.metric_sources]
    assert bound.blueprint.evaluator.rules == ("test_rules.py",)


def test_the_drafted_rules_run_as_they_stand(tmp_path):
    (tmp_path / "pkg.py").write_text("x = 1\n")
    (tmp_path / "test_rules.py").write_text(draft_rules(InitFacts(name="pkg", packages=("pkg.py",))))
    (tmp_path / "conftest.py").write_text(
        "import contextlib, pytest\n"
        "class Score:\n"
        "    @contextlib.contextmanager\n"
        "    def timer(self, name, per):\n"
        "        yield\n"
        "        print(name, per)\n"
        "@pytest.fixture\n"
        "def score():\n"
        "    return Score()\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-sq",
        "-p",
        "no:cacheprovider",
        "--rootdir=.",
        "-c",
        "/dev/null",
        "test_rules.py",
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout
    assert "imports_per_s 3" in run.stdout and "2 passed" in run.stdout


def test_the_drafted_rules_parse_for_any_project():
    ast.parse(draft_rules(InitFacts(name="x")))


def test_the_interpreter_is_given_as_seen_from_the_blueprint():
    beside = draft(InitFacts(name="x", python=".venv/bin/python"))
    below = draft(InitFacts(name="x", python=".venv/bin/python", repo_path=".."))
    assert sample(beside).blueprint.evaluator.python == ".venv/bin/python"
    assert sample(below).blueprint.evaluator.python == "../.venv/bin/python"


def test_what_is_not_there_is_said_in_the_draft():
    text = draft(InitFacts(name="x", benchmarks=("test_b",), protected=("pkg/tests/**",)))
    assert "No tests were found" in text and "No package was found" in text
    assert "benchmark:test_b" in text and '"pkg/tests/**"' in text


def test_a_single_module_is_anchored_at_the_top():
    bound = bind(
        sample(draft(InitFacts(name="six", packages=("six.py",)))), facts(tree_paths=("six.py", "docs/six.py"))
    )
    assert bound.blueprint.domain.target_files == ("/six.py",)
    assert matching(bound.blueprint.domain.target_files, ("six.py", "docs/six.py")) == ("six.py",)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10).filter(
    lambda name: not name.endswith(".py")
)


@settings(deadline=None)
@given(
    name=names.filter(str.strip),
    packages=st.lists(names, max_size=3),
    python=st.none() | names,
    rules=st.lists(names, max_size=2),
    benchmarks=st.lists(st.from_regex(r"test_\w{1,5}", fullmatch=True), max_size=4),
)
def test_any_draft_loads(name, packages, python, rules, benchmarks):
    given_facts = InitFacts(
        name=name, packages=tuple(packages), python=python, rules=tuple(rules), benchmarks=tuple(benchmarks)
    )
    blueprint = sample(draft(given_facts)).blueprint
    assert blueprint.name == name
    assert blueprint.domain.target_files == (tuple(packages) or ("**/*.py",))
    assert blueprint.evaluator.rules == tuple(rules)
