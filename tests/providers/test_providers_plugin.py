"""The example provider, installed as its users would, found through its entry point and held to the contract."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "plugins" / "cohere"

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("pip") and importlib.util.find_spec("hatchling")), reason="needs pip and hatchling"
)
ASK = """
import sys
import httpx
from maabarium.blueprint.schema import Model
from maabarium.plugins.completion import CompletionRequest, Message, ProviderContext
from maabarium.plugins.manager import build_plugins, lookup
from maabarium.secret import Secret

answer = {"message": {"content": [{"type": "text", "text": "It is found."}]}, "finish_reason": "COMPLETE"}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
model = Model(name="command-a", provider="cohere", temperature=0.2, max_tokens=9)
context = ProviderContext(model, key=Secret("x-12345"), transport=transport)
provider = lookup(build_plugins(), "providers", "cohere")(context)
print(provider.complete(CompletionRequest((Message("user", "Where?"),), 0.2, 9)).content)
provider.close()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the plug-in from its source."""
    source = tmp_path_factory.mktemp("source") / "cohere"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    site = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*argv, "--target", str(site), str(source)], check=True, capture_output=True, timeout=60)
    return site


def run(site: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, *argv]
    return subprocess.run(command, env=environment, cwd=site, capture_output=True, text=True, timeout=60, check=False)


def test_its_entry_point_is_installed(site: Path) -> None:
    (found,) = importlib.metadata.distributions(path=[str(site)])
    (entry,) = found.entry_points
    assert (entry.group, entry.name, entry.value) == ("maabarium", "cohere", "maabarium_cohere")
    assert (site / "maabarium_cohere.py").read_bytes() == (PLUGIN / "maabarium_cohere.py").read_bytes()
    assert not (site / "test_cohere.py").exists()


def test_it_is_found_and_answers(site: Path) -> None:
    done = run(site, "-c", ASK)
    assert (done.returncode, done.stdout) == (0, "It is found.\n"), done.stderr


def test_the_command_lists_it(site: Path) -> None:
    done = run(site, "-m", "maabarium", "plugins")
    assert done.returncode == 0, done.stderr
    assert "cohere" in done.stdout


def test_it_is_held_to_the_contract_by_its_own_tests(site: Path, tmp_path: Path) -> None:
    copy = shutil.copy(PLUGIN / "test_cohere.py", tmp_path)
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"]
    done = run(site, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(copy))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " failed" not in done.stdout and " passed" in done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 50
