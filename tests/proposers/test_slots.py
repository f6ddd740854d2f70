"""The slots benchmark runs as its documentation says and stays within its bound."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "benchmarks" / "slots" / "run.py"


def test_the_slots_problem_is_solved_within_twelve_evaluations_on_average() -> None:
    done = subprocess.run([sys.executable, str(RUN)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    means = {name.strip(): float(mean) for name, mean in re.findall(r"^(\w[^\d]*?) +(\d+\.\d) ", done.stdout, re.M)}
    assert means["mutate"] <= 11
    assert means["mutate"] * 2 < means["keep-winner, random one-slot changes"] < means["random search"]
