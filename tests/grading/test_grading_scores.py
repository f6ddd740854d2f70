"""Rules, scores, points, timers and the other sources, through real sessions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maabarium.records import Evaluation
from maabarium_pytest.grading.evaluator import run_sessions
from maabarium_pytest.grading.servers import Servers
from maabarium_pytest.grading.suite import prepare_suite

CALC = "def work(n):\n    return sum(range(n))\n"
TEST = "from calc import work\n\ndef test_work():\n    assert work(3) == 3\n"
RULES = """
import pytest
import time
from calc import work

@pytest.fixture
def size(given):
    return given

@pytest.mark.parametrize("part", [1, 2])
def test_throughput(score, size, part):
    with score.timer("items_per_s", per=size, unit="items/s"):
        work(size)

def test_wall(score):
    with score.timer("naps_per_s", clock="wall"):
        time.sleep(0.05)
    assert 10 < score.baseline("naps_per_s") < 21

def test_numbers(score):
    score.measure("answer", work(4), "units")
    assert score.baseline("answer") == 6
    with pytest.raises(ValueError, match="called before"):
        score.measure("answer", 1)
    with pytest.raises(ValueError, match="finite"):
        score.measure("nothing", float("nan"))
    with score.points("quality", 2):
        assert work(2) == 1
    with score.points("quality", 3):
        pytest.skip("from the tested code")

@pytest.mark.points("quality", 5)
def test_perfect():
    assert work(4) == 7
"""
SOURCES = {
    "tests.passed", "tests.duration", "tests.cpu", "coverage", "complexity", "maintainability", "lint", "size",
    "score:items_per_s", "score:naps_per_s", "score:answer", "score:quality", "benchmark:test_bench",
}  # fmt: skip


@pytest.fixture
def scored(target: Any) -> Any:
    bench = "from calc import work\ndef test_bench(benchmark):\n    benchmark.pedantic(work, (1000,), rounds=3)\n"
    target.write(
        {"calc.py": CALC, "idle.py": "def idle():\n    return 1\n", "test_calc.py": TEST, "test_bench.py": bench}
    )
    conftest = "import pytest\n@pytest.fixture\ndef given(): return 200_000\n"
    target.write({"rules/test_speed.py": RULES, "rules/conftest.py": conftest}, target.folder)
    target.options = {"rules": ["rules/test_*.py"], "args": []}
    target.sources = frozenset(SOURCES)
    return target


def by_source(evaluation: Evaluation) -> dict[str, Any]:
    return {measurement.source: measurement for measurement in evaluation.measurements}


def test_every_source_and_the_pair_stage(scored: Any) -> None:
    baseline = scored.grade()
    assert baseline.failed_gate is None
    found = by_source(baseline)
    assert found.keys() >= SOURCES
    assert (found["score:answer"].value, found["score:answer"].unit) == (6, "units")
    assert (found["score:quality"].value, found["score:quality"].possible) == (2, 10)
    assert found["score:items_per_s"].clock == "cpu" and found["score:items_per_s"].value > 1e6
    assert found["score:naps_per_s"].clock == "wall" and 10 < found["score:naps_per_s"].value < 20.1
    assert found["coverage"].value == pytest.approx(50.0)  # idle.py is never imported
    assert (found["complexity"].value, found["lint"].value, found["size"].value) == (0, 0, 4)
    assert found["score:items_per_s"].seconds == pytest.approx(400_000 / found["score:items_per_s"].value)
    assert all(found[s].seconds == found[s].value for s in ("tests.cpu", "tests.duration", "benchmark:test_bench"))
    assert all(found[s].seconds is None for s in ("score:answer", "score:quality", "coverage", "size"))
    assert found["benchmark:test_bench"].unit == "s" and 0 < found["benchmark:test_bench"].value < 0.1

    pair = scored.grade("pair", baseline, {"score:items_per_s"})
    assert pair.failed_gate is None
    assert all(test.id.startswith("rules/") for test in pair.tests) and len(pair.tests) == 5
    assert "tests.cpu" not in pair.values()

    scored.write({"calc.py": "import os\ndef work(n):\n    return 7 if n == 4 else sum(range(n))\n"})
    later = scored.screen(baseline)
    assert later.failed_gate is None  # score.baseline("answer") is the baseline's 6 still
    found = by_source(later)
    assert (found["score:answer"].value, found["score:quality"].value) == (7, 7)
    assert found["lint"].value == 1 and found["complexity"].value == 1
    scored.write({"calc.py": CALC, "idle.py": "def idle(:\n"})
    failed = scored.screen(baseline).failed_gate
    assert failed is not None and failed.reason_code == "import_failed" and "idle.py" in failed.detail


def test_cpu_time_of_the_tests_has_the_imports_of_the_tree_in_it_and_not_the_start_of_python(target: Any) -> None:
    """So that work which a candidate moves into an import, even a conftest's, is not gone from the clock."""
    burn = "import time\nwhile time.process_time() < start + 0.15: pass\n"
    target.write(
        {"calc.py": CALC, "test_calc.py": TEST, "conftest.py": f"import time\nstart = time.process_time()\n{burn}"}
    )
    target.write({"test_burn.py": f"import time\nstart = time.process_time()\n{burn}def test_it(): pass\n"})
    target.sources = frozenset({"tests.cpu"})
    (session, *_) = run_sessions(prepare_suite(target.request()), Servers())
    assert session.transcript.cpu is not None
    assert 0.3 <= session.transcript.cpu < session.completed.cpu


def test_a_process_that_goes_on_after_a_fork_takes_no_answer_of_the_session(target: Any) -> None:
    forks = "import os\n\ndef test_fork():\n    os.fork()\n"
    rules = """
import os
import pytest
import time

def test_timer(score):
    if os.fork() == 0:
        try:
            with score.timer("x"):
                pass
        except RuntimeError as error:
            os._exit(int("only the process of the session" in str(error)))
    with score.timer("x"):
        sum(range(100_000))
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 1
"""
    target.write({"calc.py": CALC, "test_calc.py": TEST, "test_a_fork.py": forks})
    target.write({"rules/test_speed.py": rules}, target.folder)
    target.options = {"rules": ["rules/test_*.py"]}
    target.sources = frozenset({"tests.cpu", "score:x"})
    baseline = target.grade()
    assert baseline.failed_gate is None
    assert {test.id: test.outcome for test in baseline.tests} == dict.fromkeys(
        ("rules/test_speed.py::test_timer", "test_a_fork.py::test_fork", "test_calc.py::test_work"), "passed"
    )


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores cannot be chosen here")
def test_what_a_wall_clock_times_has_all_cores(target: Any) -> None:
    rules = """
import os

def test_cpu(score):
    with score.timer("cpu"):
        sum(range(10_000))

def test_wall(score):
    with score.timer("wall", clock="wall"):
        score.measure("cores", len(os.sched_getaffinity(0)))
"""
    target.write({"calc.py": CALC, "test_calc.py": TEST})
    target.write({"rules/test_speed.py": rules}, target.folder)
    target.options = {"rules": ["rules/test_*.py"]}
    target.sources = frozenset({"score:cpu", "score:wall"})
    baseline = target.grade()
    cores = {
        asked: target.grade("pair", baseline, {f"score:{name}" for name in asked}).values()["score:cores"]
        for asked in (("cpu",), ("wall",), ("cpu", "wall"))
    }
    every = len(os.sched_getaffinity(0))
    assert cores == {("cpu",): 1, ("wall",): every, ("cpu", "wall"): every}
    assert baseline.values()["score:cores"] == every, "known after the first session"


def test_metric_that_nobody_measures(scored: Any) -> None:
    scored.sources = frozenset({"score:items_per_s", "score:other"})
    failed = scored.grade().failed_gate
    assert failed.name == "measured"
    assert "score:other was not measured; measured: " in failed.detail


def test_rules_by_hand(tmp_path: Path) -> None:
    conftest = (
        "from maabarium_pytest.target.score import ScorePlugin\n"
        "import pytest\n@pytest.fixture\ndef given(): return 1000\n"
        "def pytest_configure(config): config.pluginmanager.register(ScorePlugin(), 'scores')\n"
    )
    for name, text in {"conftest.py": conftest, "calc.py": CALC, "test_speed.py": RULES}.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:maabarium"]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run([*command, "-q"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed, 1 xfailed" in done.stdout
    for line in ("answer = 6 units", "quality = 2 of 10 points"):
        assert line in done.stdout
    assert re.search(r"items_per_s = \d[\d.e+]* items/s", done.stdout)
