"""Targets that are dirty, flaky, red, broken, uncovered; blueprints that ask models."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from doctor_calls import BLUEPRINT, make_target

from maabarium.blueprint.loading import load
from maabarium.doctor import target_checks
from maabarium.doctor.findings import Finding
from maabarium.doctor.model_checks import check_models
from maabarium.doctor.target_checks import bind_target, check_target
from maabarium.plugins.manager import PluginManager, build_plugins
from maabarium.sandbox import subprocess_sandbox
from maabarium.state_paths import state_paths_of
from maabarium.store import Store

FLAKY = """\
from pathlib import Path

def test_first_time_only(request):
    mark = Path(request.config.rootpath).parent / "seen"
    first = not mark.exists()
    mark.touch()
    assert first
"""


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    return build_plugins()


def look(blueprint: Path, plugins: PluginManager) -> dict[str, Finding]:
    binding, findings = bind_target(blueprint, plugins)
    if binding is not None:
        findings += check_target(binding, blueprint, plugins)
    return {finding.name: finding for finding in findings}


def test_dirty_flaky_and_uncovered(tmp_path: Path, plugins: PluginManager) -> None:
    more = {"tests/test_flaky.py": FLAKY, "src/b.py": "def idle():\n    return 1\n", "src/c.py": "X = 1\n"}
    lenient = BLUEPRINT.replace("require_tests_pass = true", "require_tests_pass = false")
    blueprint = make_target(tmp_path, more, lenient)
    (tmp_path / "src/a.py").write_text("def double(x):\n    return x + x\n")
    found = look(blueprint, plugins)
    assert found["clean"].status == "warn" and "src/a.py" in found["clean"].sentence
    assert found["flaky"].status == "warn"
    assert "tests/test_flaky.py::test_first_time_only" in found["flaky"].sentence
    assert found["covers"].status == "warn"
    assert found["covers"].sentence == "1 of 2 files with functions that may change are run by no test: src/b.py"
    assert all(finding.status != "fail" for finding in found.values())


LOOP = """\
def squares(numbers):
    found = []
    for number in numbers:
        found.append(number * number)
    return found
"""
SLOW = """\
import time

from b import squares


def test_squares():
    time.sleep(0.3)
    assert squares(range(3)) == [0, 1, 4]
"""


def estimated(blueprint: Path, plugins: PluginManager) -> float:
    """Seconds of one experiment, as doctor says."""
    said = look(blueprint, plugins)["duration"].sentence
    numbers = re.fullmatch(r"measuring one experiment takes about (.+) s, so 4 take about (.+) s before .*", said)
    assert numbers, said
    assert float(numbers[2]) == max(1, round(4 * float(numbers[1])))
    return float(numbers[1])


def test_the_estimate_is_of_one_session_not_of_the_baseline(tmp_path: Path, plugins: PluginManager) -> None:
    blueprint = make_target(tmp_path, {"src/b.py": LOOP, "tests/test_b.py": SLOW})
    began = time.perf_counter()
    each = estimated(blueprint, plugins)
    assert 0.3 < each < 0.6 * (time.perf_counter() - began)


@pytest.mark.slow
def test_the_estimate_is_what_an_experiment_takes(
    tmp_path: Path, plugins: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    blueprint = make_target(tmp_path / "target", {"src/b.py": LOOP, "tests/test_b.py": SLOW})
    each = estimated(blueprint, plugins)
    run = [sys.executable, "-m", "maabarium", "run", str(blueprint), "--iterations", "2"]
    done = subprocess.run(run, cwd=blueprint.parent, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    with Store.open(state_paths_of(blueprint).database, readonly=True) as store:
        baseline, *others = store.view(store.resolve("last")).outcomes
    taken = [outcome.phases["evaluating"] for outcome in others]
    assert taken, done.stdout
    assert 0.5 * median(taken) < each < 2 * median(taken)
    assert each < 0.6 * baseline.phases["evaluating"]


def test_red(tmp_path: Path, plugins: PluginManager) -> None:
    found = look(make_target(tmp_path, {"tests/test_b.py": "def test_red():\n    assert 0\n"}), plugins)
    assert found["collects"].status == "pass"
    assert found["green"].status == "fail" and "tests/test_b.py::test_red" in found["green"].sentence
    assert "covers" not in found and "duration" not in found


def test_broken_and_empty(tmp_path: Path, plugins: PluginManager) -> None:
    found = look(make_target(tmp_path / "one", {"tests/test_b.py": "import absent_module\n"}), plugins)
    assert found["collects"].status == "fail" and "absent_module" in found["collects"].sentence
    found = look(make_target(tmp_path / "two", {"tests/test_a.py": "x = 1\n"}), plugins)
    assert found["collects"].status == "fail" and "no tests were collected" in found["collects"].sentence


def test_no_target(tmp_path: Path, plugins: PluginManager) -> None:
    blueprint = make_target(tmp_path, blueprint=BLUEPRINT.replace('repo_path = "."', 'repo_path = "elsewhere"'))
    found = look(blueprint, plugins)
    assert list(found) == ["blueprint"] and found["blueprint"].status == "fail"
    assert "does not exist" in found["blueprint"].sentence
    blueprint.write_text(BLUEPRINT.replace("minimize", "minimise"))
    assert 'did you mean "minimize"?' in look(blueprint, plugins)["blueprint"].sentence


def test_a_level_that_cannot_be_held(tmp_path: Path, plugins: PluginManager, monkeypatch: pytest.MonkeyPatch) -> None:
    blueprint = make_target(tmp_path, blueprint=BLUEPRINT.replace('"trusted"', '"strict"'))
    monkeypatch.setattr(target_checks, "contributions", lambda plugins, kind: {"subprocess": subprocess_sandbox})
    found = look(blueprint, plugins)
    assert found["repository"].status == "pass"
    assert found["sandbox"].status == "fail" and "collects" not in found
    assert 'level = "strict" cannot be held here' in found["sandbox"].sentence


MODELS = """
[proposer]
kind = "council"
[agents]
council_size = 1
debate_rounds = 0
[[agents.agents]]
name = "one"
role = "r"
system_prompt = "s"
model = "first"
[models]
assignment = "explicit"
[[models.models]]
name = "first"
provider = "openai-compat"
endpoint = "http://127.0.0.1:{port}/v1"
api_key_env = "DOCTOR_TEST_KEY"
temperature = 0.1
max_tokens = 100
[[models.models]]
name = "second"
provider = "opnai"
temperature = 0.1
max_tokens = 100
[[models.models]]
name = "third"
provider = "mock"
temperature = 0.1
max_tokens = 100
"""


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as wire:
        wire.bind(("127.0.0.1", 0))
        wire.listen()
        yield wire.getsockname()[1]


def models(path: Path, plugins: PluginManager, *, network: bool) -> dict[str, Finding]:
    found = check_models(load(path).blueprint, path.parent, plugins, network=network)
    return {finding.name: finding for finding in found}


def test_models(tmp_path: Path, plugins: PluginManager, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "demo.toml"
    path.write_text(BLUEPRINT + MODELS.format(port=port))
    monkeypatch.setenv("DOCTOR_TEST_KEY", "sk-very-secret-indeed")
    found = models(path, plugins, network=False)
    assert found["first: key"].sentence == "comes from the environment variable DOCTOR_TEST_KEY"
    assert found["first: provider"].status == "pass" and "first: network" not in found
    assert found["second"].status == "fail" and 'did you mean "openai"?' in found["second"].sentence
    assert found["third: key"].sentence == "mock needs none"
    found = models(path, plugins, network=True)
    assert found["first: network"].sentence == f"127.0.0.1:{port} answers; the model itself was not asked"
    assert "sk-very" not in str(found)


def test_models_without_key_and_server(
    tmp_path: Path, plugins: PluginManager, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "demo.toml"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]
    path.write_text(BLUEPRINT + MODELS.format(port=nobody))
    monkeypatch.delenv("DOCTOR_TEST_KEY", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    found = models(path, plugins, network=True)
    assert found["first: key"].status == "fail" and "set DOCTOR_TEST_KEY" in found["first: key"].fix
    assert found["first: network"].status == "fail" and "cannot be reached" in found["first: network"].sentence
