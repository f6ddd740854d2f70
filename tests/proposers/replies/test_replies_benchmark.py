"""The benchmark's command, on fewer replies: no crash, no escape, no wrong result, no slow megabyte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_generated_replies_neither_crash_nor_escape() -> None:
    command = [sys.executable, "benchmarks/replies/run.py", "--count", "800", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "800 replies" in done.stdout and "different: 0" in done.stdout and "all held" in done.stdout
