"""The summary of a run as lines for a terminal, from the store alone.

Knows no terminal: no width, no colour. Every text that came from a candidate is made plain. Commands are
written so that they work from the present folder.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from maabarium.acceptance.calibration import calibration_line
from maabarium.causes import explained
from maabarium.events import RunView
from maabarium.records import Outcome
from maabarium.report import gains, phrases
from maabarium.report.levels import acceptance_of, calibration_of, decided
from maabarium.safe_text import listed, one_line, plain
from maabarium.state_paths import state_paths_of
from maabarium.store import StoredView

__all__ = [
    "confidence_line", "database_option_of", "end_line", "instrument_line", "metric_lines", "still_red_line",
    "summary_lines", "time_line",
]  # fmt: skip

LINE = 110
"""A summary line that would be longer goes on in the next one."""
SUMMARY_WIDTH = 44
FAR = 3
"""So many folders up, and an absolute path reads better."""


def summary_lines(view: RunView) -> list[str]:
    """The whole summary; its first line is the result. Never empty."""
    failed = gains.baseline_failure(view)
    if failed is not None:
        return _failed_lines(view, failed)
    if not view.outcomes:
        return [f"{_name(view)}: ended before the baseline was measured", *_state_lines(view)]
    lines = metric_lines(view)
    lines += _winner_lines(view) if view.kept else _nothing_lines(view)
    lines += filter(None, [still_red_line(view)])
    lines.append(confidence_line(view))
    lines += filter(None, [instrument_line(view)])
    if (smallest := gains.smallest_gain(view)) is not None:
        lines.append(f"the smallest gain this run would have found: about {phrases.percent(smallest)}")
    lines += [*_state_lines(view), time_line(view)]
    calls = [call for made in view.calls.values() for call in made]
    lines += [f"models: {phrases.spent_on(calls)}"] if calls else []
    return lines + _command_lines(view)


def metric_lines(view: RunView) -> list[str]:
    """How many were kept, then each metric from the baseline to the last champion."""
    winners, tried = len(view.kept), len(decided(view))
    head = f"{winners} of {tried} kept" if winners else f"nothing kept in {phrases.counted(tried, 'experiment')}"
    shown = (gain for gain in gains.metric_gains(view) if gain.row.weight > 0 or gain.baseline != gain.champion)
    lines, line = [], f"{_name(view)}: {head}"
    for part in (_metric(gain, moved=winners > 0) for gain in shown):
        if len(line) + len(part) + 3 > LINE:
            lines.append(line)
            line = f"    {part}"
        else:
            line = f"{line} · {part}"
    return [*lines, line]


def confidence_line(view: RunView) -> str:
    """What is known about false promotions, and how many proposals ended in which other verdict."""
    winners = view.kept
    if any(gains.spread_of(winner) for winner in winners) or (not winners and view.samples):
        alpha = acceptance_of(view).alpha
        said = f"any false promotion in this run: at most {phrases.percent(alpha)}"
    elif winners:
        said = "every score is exact, so no gain is noise"
    else:
        said = "no promotion, so no false one"
    counts = Counter(outcome.verdict for outcome in decided(view))
    verdicts = f"{counts['rejected']} rejected, {counts['invalid']} invalid, {counts['tampered']} tampered, "
    verdicts += phrases.counted(counts["error"], "error")
    if counts["cancelled"]:
        verdicts += f", {counts['cancelled']} cancelled"
    return f"{said} · {verdicts}"


def instrument_line(view: RunView) -> str:
    """What the run's pairs could tell, from those of its start with itself; empty where there are none."""
    calibration = calibration_of(view)
    return f"instrument: {calibration_line(calibration)}" if calibration else ""


def time_line(view: RunView) -> str:
    """How long the run took (a resumed one with the time in between), and in which phases."""
    phases = gains.phase_seconds(view)
    seconds = sum(phases.values())
    with suppress(ValueError, TypeError):  # no end, or none that can be read
        wall = datetime.fromisoformat(view.finished_at or "") - datetime.fromisoformat(view.started_at)
        seconds = wall.total_seconds() if wall >= timedelta() else seconds
    shown = [f"{name.replace('_', ' ')} {spent:.1f}" for name, spent in phases.items() if spent >= 0.05]
    return f"{phrases.duration(seconds)}: {' · '.join(shown)}" if shown else phrases.duration(seconds)


def _name(view: RunView) -> str:
    return one_line(view.run.blueprint_name, 60)


def _metric(gain: gains.MetricGain, *, moved: bool) -> str:
    label = one_line(phrases.short_source(gain.row.source), 40)
    unit = f" {one_line(gain.row.unit, 12)}" if gain.row.unit else ""
    if not moved or gain.baseline == gain.champion:
        return f"{label} {phrases.number(gain.baseline)}{unit}"
    said = f"{label} {phrases.number(gain.baseline)} -> {phrases.number(gain.champion)}{unit}"
    if gain.factor is None:
        return said
    inner = phrases.factor(gain.factor)
    if gain.interval is not None:
        inner += f", 95 % {phrases.interval(gain.interval)}"
    return f"{said} ({inner})"


def _winner_lines(view: RunView) -> list[str]:
    digits = max(len(str(winner.number)) for winner in view.kept)
    texts = [one_line(winner.summary or "(no summary)", SUMMARY_WIDTH) for winner in view.kept]
    width = max(map(len, texts))
    lines = []
    for winner, text in zip(view.kept, texts, strict=True):
        said = phrases.factor(winner.effect)
        if gains.spread_of(winner) is not None:
            said += f" ({phrases.interval(winner.interval)})"
        said += f"  {phrases.counted(winner.pairs, 'pair')}" if winner.pairs else "  exact"
        lines.append(f"  + #{winner.number:<{digits}}  {text:<{width}}  {said}")
    return lines


def _nothing_lines(view: RunView) -> list[str]:
    found = gains.reasons(view)
    if not found:
        return ["  no proposal was made; the proposer found nothing to try in the target files"]
    lines = ["  " + ", ".join(f"{count} {code.replace('_', ' ')}" for code, count in found[:4])]
    history = f"`{_command(view, 'history')}`"
    return lines + [f"  try    {hint.replace('`maabarium history`', history)}" for hint in gains.advice(view)]


def _state_lines(view: RunView) -> list[str]:
    reason = one_line(view.reason)
    if view.state == "interrupted":
        return [f"interrupted{f': {reason}' if reason else ''}", f"go on  {_command(view, 'resume')}"]
    if view.state == "failed":
        return [f"the run failed{f': {reason}' if reason else ''}"]
    if view.state == "running":
        return ["the run is still under way"]
    return [end_line(view)] if end_line(view) else []


def end_line(view: RunView) -> str:
    """Why a completed run made fewer experiments than it might, and how to go on; empty where it made them all."""
    tried, most, reason = len(decided(view)), view.run.max_iterations, one_line(view.reason)
    if view.state != "completed" or tried >= most or not reason or gains.baseline_failure(view):
        return ""
    said = f"ended after {tried} of {most} experiments: {reason}"
    limit = re.search(r"\((budget\.\w+)\)$", reason)
    return f"{said}; raise {limit[1]}, then {_command(view, 'resume')}" if limit else said


def still_red_line(view: RunView) -> str:
    """Which tests fail in what was kept; empty where none does, or nothing was kept."""
    champion = view.champion
    if champion is None or not champion.failing:
        return ""
    flaky = view.baseline.flaky if view.baseline else ()
    red = [test for test in champion.failing if test not in flaky]
    before = [test for test in view.baseline.tests if test.failed and test.id not in flaky] if view.baseline else []
    if not red:
        return ""
    count = phrases.counted(len(red), "test")
    of = f" of the {len(before)} that failed before" if len(before) > len(red) else ""
    return f"still red: {count}{of}, with all that was kept: {listed(red)}"


def _command_lines(view: RunView) -> list[str]:
    winners, report = view.kept, f"report   {_command(view, 'report')}"
    look, keep = _command(view, "diff" if winners else "history"), _command(view, "apply")
    commits = f"({phrases.counted(len(winners), 'commit')} on {one_line(view.run.branch)})"
    if database_option_of(view):  # long: one command a line
        return [f"look     {look}", *([f"keep     {keep}      {commits}"] if winners else []), report]
    if not winners:
        return [f"look   {look}        {report}"]
    width = max(len(look), len(keep))
    return [f"look   {look:<{width}}      {report}", f"keep   {keep:<{width}}      {commits}"]


def _failed_lines(view: RunView, failed: Outcome) -> list[str]:
    ended = "was interrupted" if failed.verdict == "cancelled" else "failed"
    lines = [
        f"{_name(view)}: nothing was tried, because the baseline {ended}",
        f"  {one_line(failed.reason or failed.reason_code.replace('_', ' '), 400)}",
    ]
    lines += [f"  {line}" for line in explained(failed)]
    return [*lines, time_line(view), *(_state_lines(view) if failed.verdict == "cancelled" else [])]


def _command(view: RunView, name: str) -> str:
    return f"maabarium {name} {view.run.run_id}{database_option_of(view)}"


def database_option_of(view: RunView) -> str:
    """How a command names the run's database, where it would find another one from the present folder; else empty."""
    database = view.database if isinstance(view, StoredView) else None
    if database is None:
        return ""
    try:
        here = Path.cwd()
        if state_paths_of(here).database.resolve() == database.resolve():
            return ""
        relative = Path(os.path.relpath(database.resolve(), here))
    except OSError:  # the folder is gone, or may not be read
        return f" --db {shlex.quote(plain(str(database)))}"
    far = relative.parts[:FAR] == ("..",) * FAR
    return f" --db {shlex.quote(plain(str(database if far else relative)))}"
