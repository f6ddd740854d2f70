"""The session that runs blueprints: prepares them, drives each one, reports outcomes, settles the exit status.

It is registered in the hermetic session only (see `inner_session`). It decides nothing about experiments: the engine
does. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from maabarium.errors import MaabariumError, PluginError, UsageProblem
from maabarium.plugins.hookspecs import ReportRequest
from maabarium.plugins.manager import ask, build_plugins
from maabarium.records import Outcome
from maabarium.report import require_report_path, summary_lines, write_report
from maabarium.run.prepared import PreparedRun, prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import OpenRun, open_run
from maabarium.safe_text import one_line, plain
from maabarium.state_paths import state_paths_of
from maabarium_pytest.collection import BlueprintFile, Collection, Slot, conftests_above
from maabarium_pytest.live import LiveLine
from maabarium_pytest.reporting import RunReporter, is_failed_baseline, reports_of, status_of
from maabarium_pytest.signals import watching

__all__ = ["Host", "Progressed", "exit_status"]

ERRORS_ALLOWED = 0.05
"""Share of experiments that may end in `error` before the session fails."""


@dataclass
class Progressed:
    """One prepared run and what came of it so far."""

    run: PreparedRun
    outcomes: list[Outcome] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    broken: str = ""
    """Why the run could not go on (the store or the repository broke), as a sentence."""


def exit_status(runs: Iterable[Progressed], *, require_promotion: bool) -> int:
    """0 when every run completed, else 1; see the session chapter of the documentation for what counts."""
    for each in runs:
        tried = [one for one in each.outcomes if one.number and one.verdict != "cancelled"]
        errors = sum(one.verdict == "error" for one in tried)
        if each.broken or not tried or any(is_failed_baseline(one) for one in each.outcomes):
            return 1
        if all(one.verdict == "invalid" for one in tried) or errors > ERRORS_ALLOWED * len(tried):
            return 1
        if require_promotion and not any(one.verdict == "promoted" for one in tried):
            return 1
    return 0


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Prepare all runs; all problems of all blueprints come at once, as one usage error."""
    option = config.option
    options = RunOptions(
        database=Path(option.maabarium_db) if option.maabarium_db else None,
        workers=option.maabarium_workers,
        executor=option.maabarium_executor,
        iterations=option.maabarium_iterations,
        seed=option.maabarium_seed,
        promote=not option.maabarium_no_promote,
        resume=option.maabarium_resume,
        record=Path(option.maabarium_record) if option.maabarium_record else None,
        replay=Path(option.maabarium_replay) if option.maabarium_replay else None,
    )
    problems = _option_problems(option)
    runs: list[Progressed] = []
    for path in map(Path, option.maabarium):
        try:
            plugins = build_plugins(*conftests_above(path, state_paths_of(path.absolute()).root))
            runs.append(Progressed(prepare_run(path, options, plugins)))
        except MaabariumError as error:
            problems.append(plain(str(error)))
    for given in option.maabarium_report:
        try:
            require_report_path(Path(given))
        except UsageProblem as error:
            problems.append(plain(str(error)))
    if problems:
        raise pytest.UsageError("\n".join(problems))
    config.pluginmanager.register(Collection({each.run.path: each.run.max_iterations for each in runs}))
    config.pluginmanager.register(Host(config, runs), "maabarium-host")


def _option_problems(option: Any) -> list[str]:
    problems = []
    for name in ("workers", "iterations"):
        value = getattr(option, f"maabarium_{name}")
        if value is not None and value < 1:
            problems.append(f"--maabarium-{name} {value}: must be at least 1")
    if option.maabarium_resume and option.maabarium_resume != "last" and len(option.maabarium) > 1:
        problems.append(
            "--maabarium-resume names one run, but there are several blueprints; use `last`, or one at a time"
        )
    return problems


class Host:
    """Drives the runs of a session and prints what became of them."""

    def __init__(self, config: pytest.Config, runs: list[Progressed]) -> None:
        self._config = config
        self._runs = {each.run.path.absolute(): each for each in runs}
        self._warned: list[str] = []
        self._watch = ExitStack()
        self._reporter: RunReporter | None = None
        standard = config.pluginmanager.get_plugin("terminalreporter")
        if standard is not None:
            config.pluginmanager.unregister(standard)
            self._reporter = RunReporter(config)
            config.pluginmanager.register(self._reporter, "terminalreporter")

    # --- printing ---

    def pytest_report_header(self) -> list[str]:
        """What is about to run."""
        lines: list[str] = []
        for each in self._runs.values():
            lines += [plain(line) for line in each.run.header]
            lines += [f"  warning    {plain(str(problem))}" for problem in each.run.warnings]
            lines += self._hook_lines(each, "header")
        return lines

    def _hook_lines(self, each: Progressed, part: str) -> list[str]:
        """The lines of the plug-ins, in the order in which they were registered."""
        request = ReportRequest(each.run.run_id, each.run.blueprint)
        try:
            given = list(ask(each.run.plugins, f"report_{part}", request))
        except PluginError as error:
            self._warned.append(one_line(str(error), 500))
            return []
        return [plain(line) for _, lines in reversed(given) for line in lines]

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Any:
        """Letters and words of our reports."""
        return status_of(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The summary of every run, the warnings of plug-ins."""
        if any(each.summary or each.broken for each in self._runs.values()) or self._warned:
            terminalreporter.write_sep("=", "maabarium summary")
        for each in self._runs.values():
            for line in each.summary:
                terminalreporter.write_line(line)
            if each.broken:
                terminalreporter.write_line(f"{one_line(each.run.name)} broke off: {each.broken}", red=True)
        for line in dict.fromkeys(self._warned):
            terminalreporter.write_line(f"warning: {line}", yellow=True)

    # --- driving ---

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """The first slot of a blueprint drives its whole run; the others are filled by then, or vanish."""
        if not isinstance(item, Slot):
            return None
        file = item.getparent(BlueprintFile)
        if item.number == 0 and file is not None:
            self._drive(self._runs[file.path], file, item.session)
        return True

    def _drive(self, each: Progressed, file: BlueprintFile, session: pytest.Session) -> None:
        run = each.run
        opened = False
        resume = f"go on with --maabarium {run.path} --maabarium-resume={run.run_id}"
        with ExitStack() as watch, warnings.catch_warnings(record=True) as caught:
            interruption = watch.enter_context(watching(run.cancel, f"maabarium: left at once; {resume}"))
            warnings.simplefilter("always")  # our own process: a warning is told at the end and stops nothing
            try:
                with open_run(run) as under_way:
                    opened = True
                    self._report_all(each, under_way, file, session)
                    self._summarise(each, under_way)
                    if under_way.end and under_way.end.state == "failed" and not is_failed_baseline(each.outcomes[0]):
                        each.broken = plain(under_way.end.reason)
            except MaabariumError as error:
                if not opened:
                    raise pytest.UsageError(plain(str(error))) from error
                each.broken = plain(str(error))
            if interruption.name:
                self._watch.push(watch.pop_all())  # a second signal may come while the summary is printed
        self._warned += [one_line(str(warning.message), 500) for warning in caught]
        session.testscollected -= run.max_iterations + 1 - len(each.outcomes)
        if interruption.name:
            session.shouldstop = f"{interruption.name}: {one_line(run.name)} was cancelled; {resume}"
        elif each.broken:
            session.shouldfail = session.shouldfail or f"{one_line(run.name)} broke off: {one_line(each.broken)}"

    def _report_all(self, each: Progressed, run: OpenRun, file: BlueprintFile, session: pytest.Session) -> None:
        """Take outcomes until there are no more. -x and --maxfail stop the run in order."""
        live = LiveLine(self._reporter, run.progress) if self._reporter else None
        with live.shown() if live else nullcontext():
            for outcome in run.outcomes():
                each.outcomes.append(outcome)
                with live.paused() if live else nullcontext():
                    if outcome.number == 0 and self._reporter and self._config.get_verbosity() >= 0:
                        for line in run.baseline_lines():
                            self._reporter.write_line(plain(line))
                    self._report(each, outcome, file, session)

    def _report(self, each: Progressed, outcome: Outcome, file: BlueprintFile, session: pytest.Session) -> None:
        nodeid = f"{file.nodeid}::experiment[{outcome.number}]"
        location = (file.nodeid, None, f"experiment[{outcome.number}]")
        shared = {"run": each.run.run_id, "blueprint": plain(each.run.name)}
        file.ihook.pytest_runtest_logstart(nodeid=nodeid, location=location)
        for report in reports_of(outcome, nodeid, shared):
            file.ihook.pytest_runtest_logreport(report=report)
        file.ihook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
        if session.shouldfail or session.shouldstop:
            each.run.cancel("stopped by -x or --maxfail")

    def _summarise(self, each: Progressed, run: OpenRun) -> None:
        """Read the stored run while it is open: the summary's lines, and the reports that were asked for."""
        view = run.view()
        each.summary = [*summary_lines(view), *map(plain, run.notes), *self._hook_lines(each, "summary")]
        for given in self._config.option.maabarium_report:
            path = self._report_path(Path(given), each.run.name)
            diffs = {one.number: run.diff(one.number) for one in each.outcomes if one.verdict == "promoted"}
            try:
                write_report(view, diffs, path)
                each.summary.append(f"report {path}")
            except (MaabariumError, OSError) as error:
                self._warned.append(f"the report {path} could not be written: {plain(str(error))}")

    def _report_path(self, path: Path, name: str) -> Path:
        """The path itself; with several blueprints each gets a file of its own."""
        if len(self._runs) == 1:
            return path
        slug = "".join(letter if letter.isalnum() else "-" for letter in name)
        return path.with_name(f"{path.stem}-{slug}{path.suffix}")

    # --- the end ---

    def pytest_unconfigure(self) -> None:
        """Nothing is left to interrupt."""
        self._watch.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Settle the exit status: single errors do not fail a session, a failed baseline does."""
        plain_ends = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        if session.exitstatus in plain_ends and not self._config.option.collectonly:
            require = bool(self._config.option.maabarium_require_promotion)
            stopped = 1 if session.shouldfail else 0
            session.exitstatus = stopped or exit_status(self._runs.values(), require_promotion=require)
        if self._reporter is not None:
            with suppress(ValueError):
                self._reporter.exit_status = int(session.exitstatus)
