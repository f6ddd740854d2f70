"""Plug-ins stay on: the cache of pytest works, and who requires a plug-in that shuffles has it, unshuffled."""

from __future__ import annotations

import pytest
from field_project import FieldProject

CACHE = """
import os
from app.core import double


def test_double(cache):
    cache.set("a/b", double(2))
    assert cache.get("a/b", None) == 4


def test_config(pytestconfig):
    assert pytestconfig.cache.get("no/such", 7) == 7
    assert pytestconfig.pluginmanager.hasplugin("cacheprovider")


def test_mkdir(cache):
    place = cache.mkdir("folder")
    (place / "file").write_text("x")
    assert os.listdir(place) == ["file"]
"""
CONFTEST = """
import pytest


@pytest.fixture(scope="session")
def expensive(pytestconfig):
    value = pytestconfig.cache.get("expensive/value", None)
    if value is None:
        value = 42
        pytestconfig.cache.set("expensive/value", value)
    return value


def pytest_sessionfinish(session):
    session.config.cache.set("plugin/last", session.testscollected)
"""
EXPENSIVE = "def test_expensive(expensive):\n    assert expensive == 42\n"


@pytest.mark.parametrize(
    "ini",
    [
        "[pytest]\npythonpath = .\n",
        "[pytest]\npythonpath = .\ncache_dir = build/cache\naddopts = --ff --nf --cache-clear\n",
        "[pytest]\npythonpath = .\naddopts = --strict-config --sw\n",
    ],
)
def test_the_cache_works(project: FieldProject, ini: str) -> None:
    files = {"pytest.ini": ini, "tests/test_core.py": CACHE, "tests/test_more.py": EXPENSIVE}
    project.write(files | {"tests/conftest.py": CONFTEST})
    project.size()
    ids = project.assert_plain_is_green()
    run = project.loop()
    run.assert_green()
    assert sorted(run.ended) == sorted(ids)


def test_who_has_no_cache_is_green_too(project: FieldProject) -> None:
    project.write({"pytest.ini": "[pytest]\npythonpath = .\naddopts = --strict-config -p no:cacheprovider\n"})
    project.size()
    project.assert_plain_is_green()
    project.loop().assert_green()


ORDER = """
import random

import pytest

SEEN = []


@pytest.mark.random_order(disabled=True)
def test_first():
    SEEN.append(1)


def test_second():
    SEEN.append(2)
    assert 0 <= random.random() < 1


def test_third():
    assert len(SEEN) <= 2


def test_fourth(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("randomly")


def test_seeds():
    first = random.random()
    random.seed(1)
    assert first != random.random()
"""


@pytest.mark.parametrize(
    "options",
    [
        "required_plugins = pytest-randomly\naddopts = --strict-markers",
        "required_plugins = pytest-randomly pytest-random-order\naddopts = --strict-markers -p randomly",
        "addopts = --randomly-seed=7 --randomly-dont-reset-seed --random-order-bucket=module --strict-config",
    ],
)
def test_ordering_plugins_stay_on(project: FieldProject, options: str) -> None:
    project.write({"tests/test_core.py": ORDER, "pytest.ini": f"[pytest]\npythonpath = .\n{options}\n"})
    project.size()
    project.assert_plain_is_green()
    run = project.loop()
    run.assert_green()
    order = [id.partition("::")[2] for id in run.ended]
    assert order == ["test_first", "test_second", "test_third", "test_fourth", "test_seeds"]
