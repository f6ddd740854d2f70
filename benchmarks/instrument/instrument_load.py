"""What else the machine does meanwhile: nothing, two busy processes, bursts of work, or memory that is streamed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LOADS", "loaded"]

BUSY = "while True: sum(range(10_000))"
BURSTS = """
import random, time
while True:
    until = time.monotonic() + random.random() * 0.5
    while time.monotonic() < until:
        sum(range(10_000))
    time.sleep(random.random() * 0.7)
"""
MEMORY = """
block = bytearray(200_000_000)
while True:
    block[:] = bytes(len(block))
"""
LOADS: dict[str, tuple[str, int]] = {"none": ("", 0), "busy": (BUSY, 2), "bursts": (BURSTS, 2), "memory": (MEMORY, 1)}
"""Each load: the program, and how many processes run it."""


@contextmanager
def loaded(name: str) -> Iterator[None]:
    """Have this load beside what is done inside."""
    program, count = LOADS[name]
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
