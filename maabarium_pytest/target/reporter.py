"""The pytest plug-in of an evaluated session: reports each test as it ends, and brings the rules in.

It must not judge. Rules are kept out of the target's own selection (`-m`, `-k`, reordering), for they belong to
the blueprint. What pytest-randomly would shuffle stays in its order, by its own option: a plug-in that is not loaded
would be missed by who requires it, uses its markers, or needs the seeds it sets.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

from .channel import Channel

RULES = "rules/"
"""How ids of rules begin. Those of the target's own tests in a folder of that name begin with `./rules/`."""
ID_LIMIT = 1500
DETAIL_LIMIT = 2000


def trimmed(text: str, limit: int = DETAIL_LIMIT) -> str:
    """Head and tail of a long text: the tail says what failed."""
    return text if len(text) <= limit else text[: limit // 4] + "\n...\n" + text[-(limit * 3 // 4) :]


class Reporter:
    """Sends `tests`, `ids`, `start`, `result` and `broken` records, once `begin` has said where to."""

    _channel: Channel

    def __init__(self) -> None:
        self._folder = ""
        self._files: list[str] = []
        self._only_rules = False
        self._select: list[str] = []
        self._reports: list[Any] = []
        self._waits = False
        self.results = 0

    def begin(self, channel: Channel, plan: dict[str, Any]) -> None:
        """Take the session's plan: `folder` is the node id prefix of the rules (`_maabarium_rules/`), `rules` are
        absolute paths to collect, `only_rules` leaves the suite out; `select`, if any, are the only tests to run, by
        absolute path and id."""
        self._channel = channel
        self._folder, self._files, self._only_rules = plan["folder"], plan["rules"], plan["only_rules"]
        self._select = list(plan["select"])
        self._waits = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        # Plug-ins are loaded now: their rewritten bytecode may be cached in site-packages by trusted code, but
        # nothing of the tree may leave bytecode behind.
        sys.dont_write_bytecode = True
        self._begin_tests()

    def _begin_tests(self) -> None:
        """Before a session runs anything of the tree, in whichever hook that is: the parent reads its clock."""
        if self._waits:
            self._waits = False
            self._channel.ask("tests", edge="begin")

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if hasattr(config.option, "randomly_reorganize"):  # of pytest-randomly
            config.option.randomly_reorganize = False
            if config.option.randomly_seed in ("default", "last"):  # another one in every session
                config.option.randomly_seed = int(os.environ.get("PYTHONHASHSEED", "0"))
        self.choose(config)

    def choose(self, config: pytest.Config) -> None:
        """Make the chosen tests, the rules, or both suite and rules what pytest collects; from here on a session is
        measured."""
        self._begin_tests()
        config.args[:] = self._select or ([] if self._only_rules else list(config.args)) + self._files

    def identity(self, nodeid: str) -> str:
        """The id as it is reported: rules are `rules/<file>::<test>`, whatever their reserved folder is called, and
        nothing else is."""
        if self.is_rule(nodeid):
            nodeid = RULES + nodeid[len(self._folder) :]
        elif nodeid.startswith((RULES, f"./{RULES}")):
            nodeid = f"./{nodeid}"
        return trimmed(nodeid, ID_LIMIT)

    def is_rule(self, nodeid: str) -> bool:
        """Whether this node belongs to the blueprint's rules."""
        return bool(self._folder) and nodeid.startswith(self._folder)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._channel.send("broken", id=self.identity(report.nodeid), detail=trimmed(report.longreprtext))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        rules = {item.nodeid: item for item in items if self.is_rule(item.nodeid)}
        items[:] = [item for item in items if not self.is_rule(item.nodeid)]
        yield
        # First: the process is as fresh as when only rules run. Those that proposers must not learn from come after
        # the others: where the first failure ends the session, it is one that may be told.
        told = sorted(rules.values(), key=lambda item: item.nodeid.startswith(f"{self._folder}holdout/"))
        items[:] = [*told, *items]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._channel.send_chunks("ids", "ids", [self.identity(item.nodeid) for item in session.items])
        partial = [item for item in session.items if self.is_rule(item.nodeid) and item.get_closest_marker("points")]
        self._channel.send_chunks("partial", "ids", [self.identity(item.nodeid) for item in partial])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if self._channel.own:  # a test may fork and let both processes go on
            self._channel.ask("tests", edge="end")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._reports.clear()
        self._channel.send("start", id=self.identity(nodeid))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.outcome == "rerun":
            self._reports.clear()
        else:
            self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcome, detail = combined(self._reports)
        printed = sum(len(text) for report in self._reports[-1:] for _, text in report.sections)
        self._reports.clear()
        self.results += 1
        self._channel.send("result", id=self.identity(nodeid), outcome=outcome, detail=detail, printed=printed)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_benchmark_group_stats(self, benchmarks: list[Any]) -> None:
        for stats in benchmarks:
            self._channel.send("benchmark", name=str(stats["name"]), full=str(stats["fullname"]), seconds=stats["min"])


def combined(reports: list[Any]) -> tuple[str, str]:
    """One outcome for the phases of one test, and the text of what went wrong.

    A failed subtest fails its test. An `xfail` that passes counts as `xpassed` unless it is strict.
    """
    for report in reports:
        if report.outcome == "failed":
            return ("failed" if report.when == "call" else "error"), trimmed(report.longreprtext)
    for report in reports:
        expected = getattr(report, "wasxfail", None)
        if expected is not None:
            return ("xfailed" if report.outcome == "skipped" else "xpassed"), trimmed(str(expected))
    whole = [report for report in reports if not hasattr(report, "context")]
    for report in whole:
        if report.outcome == "skipped":
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            return "skipped", trimmed(str(reason))
    if any(report.when == "call" and report.outcome == "passed" for report in whole):
        return "passed", ""
    return "error", "the test reported no outcome"
