"""One evaluated pytest session, from the greeting on the channel to the exit status.

Everything of ours is imported before the tree is put on `sys.path`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from . import surroundings
from .channel import Channel
from .lines import LineTracer
from .reporter import Reporter
from .score import Ledger, ScorePlugin

NO_FINISH = 70
"""Exit status when the stream could not be finished; pytest itself uses 0 to 5."""


class Told(Ledger):
    """A ledger whose values go to the parent, who also reads the clock while this process waits."""

    def __init__(self, channel: Channel, baseline: dict[str, float]) -> None:
        super().__init__(baseline)
        self._channel = channel

    def measure(self, name: str, value: float, unit: str) -> None:
        super().measure(name, value, unit)
        self._channel.send("measure", name=name, value=value, unit=unit)

    def points(self, name: str, earned: float, possible: float) -> None:
        super().points(name, earned, possible)
        self._channel.send("points", name=name, earned=earned, possible=possible)

    def mark(self, edge: str, name: str, clock: str, per: float, unit: str) -> float:
        answer = self._channel.ask("mark", edge=edge, name=name, clock=clock, per=per, unit=unit)
        return float(answer["clock"])


def extend_path(folders: list[str]) -> None:
    """Put the tree first on the path, here and in the processes that tests start."""
    sys.path[:] = folders + [entry for entry in sys.path if entry not in folders]
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def run(channel: Channel, plan: dict[str, Any]) -> tuple[int, int]:
    """Run the session the plan describes: exit status, number of results."""
    sys.dont_write_bytecode = not plan["bytecode"]
    extend_path(plan["path"])
    reporter = Reporter(channel, folder=plan["folder"], files=plan["rules"], only_rules=plan["only_rules"])
    plugins: list[Any] = [reporter, ScorePlugin(Told(channel, plan["baseline"]), summary=False)]
    if plan["lines"]:
        tracer = LineTracer(channel, plan["targets"], reporter.identity)
        plugins.append(tracer)
        tracer.start()
    measuring = surroundings.start_coverage(plan["targets"]) if plan["coverage"] else None
    status = int(pytest.main(plan["args"], plugins=plugins))
    if measuring is not None:
        channel.send_chunks("coverage", "files", surroundings.statements(measuring, plan["targets"]))
    return status, reporter.results


def main(arguments: list[str]) -> None:
    """Talk to the parent, run, report the end, leave without exit handlers (a test may have left threads)."""
    channel = Channel.inherit()
    channel.nonce = channel.receive()["nonce"]
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    channel.send("hello", **surroundings.interpreter(), pytest=pytest.__version__)
    channel.send_chunks("packages", "packages", surroundings.packages(sys.path))
    status = NO_FINISH
    try:
        status, results = run(channel, plan)
        channel.send_chunks("origins", "origins", surroundings.origins(plan["modules"]))
        channel.send("finish", status=status, results=results)
    except BaseException:  # noqa: BLE001 (the process ends here whatever it is; the parent misses the end record)
        traceback.print_exc()
        status = NO_FINISH
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
