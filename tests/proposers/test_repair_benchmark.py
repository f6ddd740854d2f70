"""The benchmark's command as its README gives it, on one fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_fault_is_injected_and_repaired() -> None:
    command = [sys.executable, "-m", "benchmarks.repair", "--faults", "1", "--seed", "1", "--budget", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 repaired (100%) within 10 evaluations" in done.stdout
