"""Short turns on one core."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maabarium.sandbox.one_core import Metronome, the_core

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are kept on one core on Linux only")

SPIN = """
import os, resource, time
os.sched_setaffinity(0, {{{core}}})
while time.process_time() < 0.3:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)
"""


def switches() -> int:
    """How often one of two busy programs on the core of pairs is stopped in 0.3 s of CPU time."""
    words = [sys.executable, "-c", SPIN.format(core=the_core())]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return min(int(one.communicate()[0]) for one in both)


def test_turns_are_shorter_while_it_beats_and_not_before_or_after() -> None:
    metronome = Metronome()
    try:
        before = switches()
        with metronome.beating():
            during = switches()
        after = switches()
    finally:
        metronome.close()
    assert during > 1.5 * min(before, after), (before, during, after)


def test_it_leads_a_session_of_its_own_stays_on_the_core_and_costs_little() -> None:
    metronome = Metronome()
    with metronome.beating():
        process = metronome._process
        assert process is not None
        assert os.getsid(process.pid) == process.pid
        assert os.sched_getaffinity(process.pid) == {the_core()}
        time.sleep(0.5)
    used = time.clock_gettime((~process.pid << 3) | 2)
    assert used < 0.2
    metronome.close()
    assert process.returncode == 0


def test_one_that_somebody_ended_is_started_anew() -> None:
    metronome = Metronome()
    with metronome.beating():
        first = metronome._process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    with metronome.beating():
        assert metronome._process is not None and metronome._process.poll() is None
    metronome.close()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = tmp_path / "starts.py"
    script.write_text(
        "import os, time\nfrom maabarium.sandbox.one_core import Metronome\n"
        "metronome = Metronome()\nwith metronome.beating():\n"
        "    print(metronome._process.pid, flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def test_without_processes_to_be_had_a_pair_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Metronome().beating():
        assert resource.getrusage(resource.RUSAGE_SELF)
