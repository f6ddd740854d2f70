"""Measurements in other processes: one worker for each run and process, the same outcomes, and nothing left behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from worth_case import build_proposals, build_worth

from maabarium import hookimpl
from maabarium.engine.executors import Processes
from maabarium.plugins.manager import build_plugins
from maabarium.records import Outcome
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run
from maabarium.worker.worker import Worker

VALUES = (90, 89, 88, 87, 86, 120, 85, 84, 83, 82, 81, 80, 79, 78, 77, 76, 75, 74, 73, 130)
"""What each proposal is worth; the target is worth 100. Winners are far apart, so that no two are under way at once."""


@pytest.fixture
def blueprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return build_worth(tmp_path, VALUES)


class Pool:
    """A process pool of somebody else's, which knows nothing of us."""

    @hookimpl
    def maabarium_executors(self) -> dict[str, Any]:
        return {"pool": ProcessPoolExecutor}


def run(blueprint: Path, executor: str, *, iterations: int | None = None) -> list[Outcome]:
    database = blueprint.parent / f"{executor}.db"
    options = RunOptions(database=database, executor=executor, workers=2, iterations=iterations)
    with open_run(prepare_run(blueprint, options, build_plugins(Pool()))) as opened:
        return sorted(opened.outcomes(), key=lambda outcome: outcome.number)


def facts(outcomes: list[Outcome]) -> list[tuple[Any, ...]]:
    """What may not depend on who measured: all but times, and the champion that somebody was compared with."""
    return [
        (o.number, o.verdict, o.reason_code, o.summary, o.tree, o.total, [(m.source, m.raw) for m in o.metrics])
        for o in outcomes
    ]


def test_twenty_experiments_in_two_processes_are_those_of_the_serial_run(blueprint: Path) -> None:
    serial = run(blueprint, "serial")
    assert [o.number for o in serial if o.verdict == "promoted"] == [6, 20]
    assert [o.reason_code for o in serial if o.verdict == "rejected"] == ["worse"] * 18
    assert facts(run(blueprint, "processes")) == facts(serial)
    assert list((blueprint.parent / "cache" / "maabarium").glob("*/runs/*")) == []


def test_a_process_pool_of_others_measures_as_often_as_it_is_asked(blueprint: Path) -> None:
    outcomes = run(blueprint, "pool", iterations=8)
    assert [o.reason_code for o in outcomes] == ["baseline", *["worse"] * 5, "kept", "worse", "worse"]
    assert list((blueprint.parent / "cache" / "maabarium").glob("*/runs/*")) == []


def test_a_process_has_one_worker_for_a_run(blueprint: Path) -> None:
    with open_run(prepare_run(blueprint, RunOptions(), build_plugins())) as opened:
        worker: Worker = opened.driver._worker
        first, second = (pickle.loads(pickle.dumps(worker)) for _ in range(2))
        assert first is second is not worker
        assert first.setup == worker.setup
        first.close()


def test_a_cancelled_run_ends_what_its_processes_measure(blueprint: Path) -> None:
    build_proposals(blueprint.parent, (1,))
    options = RunOptions(executor="processes", workers=2)
    prepared = prepare_run(blueprint, options, build_plugins())
    with open_run(prepared) as opened:
        outcomes = opened.outcomes()
        assert next(outcomes).verdict == "baseline"
        threading.Timer(2.0, lambda: prepared.cancel("enough")).start()
        began = time.monotonic()
        assert [(o.verdict, o.reason) for o in outcomes] == [("cancelled", "enough")]
    assert time.monotonic() - began < 30
    assert list((blueprint.parent / "cache" / "maabarium").glob("*/runs/*")) == []


def test_a_pool_that_is_cancelled_ends_what_it_measures() -> None:
    with Processes(2) as pool:
        future = pool.submit(wait_for_end)
        time.sleep(1.0)
        began = time.monotonic()
        threading.Timer(0.1, lambda: pool.shutdown(wait=False, cancel_futures=True)).start()
        assert future.result(20) == "ended"
        assert time.monotonic() - began < 10


def wait_for_end() -> str:
    from maabarium.worker import worker

    return "ended" if worker._ending.wait(15) else "was not told"


ORPHAN = """
import sys, time
from maabarium.engine.executors import Processes

if __name__ == "__main__":
    pool = Processes(1)
    print(pool.submit(__import__("os").getpid).result(), flush=True)
    time.sleep(60)
"""


def test_processes_end_with_a_program_that_is_killed(tmp_path: Path, until: Callable[..., None]) -> None:
    (tmp_path / "orphan.py").write_text(ORPHAN)
    program = subprocess.Popen(
        [sys.executable, tmp_path / "orphan.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert program.stdout is not None
    child = int(program.stdout.readline())
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    until(lambda: not is_alive(child))
    program.stdout.close()


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def until() -> Callable[..., None]:
    def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.05)

    return wait_until
