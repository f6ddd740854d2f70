"""Places for the cases, and the cases that were selected, running side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from badinput_place import copy_of, make_template


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a whole run: slow."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed target that nobody changes."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def running(
    request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[object, Future[None]]]:
    """Every selected check of the concurrent kind, under way; three at a time keep two cores busy."""
    checks = [item.function.check for item in request.session.items if hasattr(getattr(item, "function", 0), "check")]
    with ThreadPoolExecutor(3) as pool:
        yield {
            check: pool.submit(check, copy_of(template, tmp_path_factory.mktemp(check.__name__[5:30])))
            for check in checks
        }
        pool.shutdown(cancel_futures=True)
