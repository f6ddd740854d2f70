"""Copied beside a blueprint as `conftest.py`: writes when each experiment of a run began, was stored and ended.

One JSON object a line goes to the file that OVERHEAD_CLOCK names: `what`, `at` (seconds of the performance counter),
and what belongs to it. Sessions and appends are timed by wrapping the functions that make them; the rest are hooks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from maabarium.plugins.hookspecs import Event, ExperimentStart, hookimpl
from maabarium.records import Outcome
from maabarium.store import Store
from maabarium_pytest.grading import evaluator

_lines = Path(os.environ["OVERHEAD_CLOCK"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the end


def _write(what: str, at: float, **more: object) -> None:
    _lines.write(json.dumps({"what": what, "at": at, **more}) + "\n")


def _timed(what: str, function: Callable[..., Any], facts: Callable[[Any], dict[str, object]]) -> Callable[..., Any]:
    @wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        result = function(*args, **kwargs)
        ended = time.perf_counter()
        _write(what, ended, seconds=ended - began, **facts(result))
        return result

    return timed


def _session(result: Any) -> dict[str, object]:
    return {"process": result.completed.duration, "purpose": result.mode.purpose}


evaluator.run_session = _timed("session", evaluator.run_session, _session)
Store.append = _timed("append", Store.append, lambda event: {})  # type: ignore[method-assign]


@hookimpl
def maabarium_experiment_start(request: ExperimentStart) -> None:
    """An experiment got its number."""
    _write("start", time.perf_counter(), number=request.number)


@hookimpl
def maabarium_event(event: Event) -> None:
    """A transition was stored."""
    _write("stored", time.perf_counter(), type=event.type, number=event.number)


@hookimpl
def maabarium_experiment_finish(request: Outcome) -> None:
    """An experiment ended."""
    told = request.model_dump(
        mode="json", include={"number", "verdict", "reason_code", "duration", "phases", "failing"}
    )
    _write("finish", time.perf_counter(), **told)
