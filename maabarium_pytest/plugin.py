"""The pytest plug-in: options, and the `score` fixture for rules run by hand. Inert without --maabarium.

It is imported by every pytest session, so it must not import the core or anything heavy: what a run needs is
registered by name when the option is given. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Generator
from typing import Any

import pytest

from maabarium_pytest.target.score import ScorePlugin

SESSION = "maabarium_pytest.session"
INNER_SESSION = "maabarium_pytest.inner_session"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options; `pytest --help` teaches them."""
    group = parser.getgroup("maabarium", "improve a repository in a loop that its tests grade (maabarium)")
    group.addoption(
        "--maabarium",
        action="append",
        default=[],
        metavar="BLUEPRINT",
        help="Run this blueprint instead of collecting tests: propose, evaluate, keep or revert. May be repeated. "
        "`maabarium init` writes a blueprint; --collect-only checks one and runs nothing.",
    )
    plain: list[tuple[str, str, Any, str]] = [
        ("--maabarium-db", "PATH", str, "Database of runs (default: data/maabarium.db under the project)."),
        ("--maabarium-workers", "N", int, "Measure up to N experiments at a time (timings still run alone)."),
        ("--maabarium-executor", "NAME", str, "Who runs the measurements: serial, threads, or a plug-in's."),
        ("--maabarium-iterations", "N", int, "At most N experiments, whatever the blueprint says."),
        ("--maabarium-seed", "N", int, "Seed of the run: a serial run with the same seed proposes the same."),
        ("--maabarium-resume", "RUN", str, "Go on with a stored run: its id, or `last`."),
        ("--maabarium-record", "PATH", str, "Write every answer of a model to this file (JSON Lines)."),
        ("--maabarium-replay", "PATH", str, "Take the answers from such a file: no model, key or network is needed."),
    ]
    for name, metavar, kind, text in plain:
        group.addoption(name, metavar=metavar, type=kind, default=None, help=text)
    flags = [
        ("--maabarium-no-promote", "Measure and report, but keep nothing: no branch moves."),
        ("--maabarium-require-promotion", "Exit 1 when nothing was kept."),
    ]
    for name, text in flags:
        group.addoption(name, action="store_true", default=False, help=text)
    group.addoption(
        "--maabarium-report",
        action="append",
        default=[],
        metavar="PATH",
        help="Write a report when the run ends: .html to look at, .md for a CI job summary. May be repeated.",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """With --maabarium, forget the project's addopts and conftests before any other plug-in acts on them."""
    given = list(early_config.invocation_params.args)
    if early_config.known_args_namespace.maabarium and not early_config.pluginmanager.has_plugin(SESSION):
        mine = parser.parse_known_args(given, namespace=copy.copy(early_config.option))
        if mine.maabarium:
            args[:] = given
            mine.noconftest, mine.confcutdir = True, str(early_config.rootpath)
            mine.capture = "no"  # the session inside captures for itself
            early_config.known_args_namespace = mine
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Start the session of a run inside this one, which has done nothing yet."""
    option = config.option
    if not option.maabarium:
        _refuse_lone_options(config)
        return None
    if config.pluginmanager.has_plugin(SESSION):
        return None
    if getattr(option, "help", False) or getattr(option, "version", False):
        return None
    if sys.platform == "win32":
        raise pytest.UsageError("--maabarium does not run on Windows; use Linux, macOS or WSL")
    try:
        config.pluginmanager.import_plugin(INNER_SESSION)
        inner: Any = config.pluginmanager.get_plugin(INNER_SESSION)
        return int(inner.run_inner_session(config))
    except KeyboardInterrupt:  # while our modules are imported
        sys.stderr.write("\nmaabarium: interrupted before the run began; nothing was changed\n")
        return int(pytest.ExitCode.INTERRUPTED)


def _refuse_lone_options(config: pytest.Config) -> None:
    """An option of ours without a blueprint would be passed over in silence, and the project's own suite be run."""
    given = (word.partition("=")[0] for word in config.invocation_params.args)
    alone = next((word for word in given if word.startswith("--maabarium-")), None)
    if alone is not None:
        raise pytest.UsageError(
            f"{alone} says how a run goes, and there is none: add --maabarium BLUEPRINT. "
            "`maabarium resume` finds the blueprint of a run by itself."
        )


def pytest_configure(config: pytest.Config) -> None:
    """Offer `score` and `points`, so that rules files also run by hand and in CI."""
    if not config.option.maabarium:
        config.pluginmanager.register(ScorePlugin(), "maabarium-score")
