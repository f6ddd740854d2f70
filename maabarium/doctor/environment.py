"""What Maabarium itself stands on: interpreter, pytest, git, disk, clocks, processors. Changes nothing that stays."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median, stdev

from maabarium import __version__
from maabarium.doctor.findings import Finding, failed, passed, warned
from maabarium.errors import WorkspaceError
from maabarium.safe_text import one_line
from maabarium.sandbox.clock import open_perf_event
from maabarium.state_paths import StatePaths
from maabarium.workspace.git import OLDEST, Git, check_version
from maabarium.workspace.private import make_bare

__all__ = ["check_environment"]

OLDEST_PYTEST = (8, 4)
GIGABYTE = 1024**3
SCARCE, TOO_LITTLE = 1.0, 0.1
"""Gigabytes of free space: below the first it is warned, below the second nothing can be promised."""
COARSE = 1e-4
"""Seconds between two ticks of a clock that is too coarse to time a test with."""
ROUNDS, BLOCKS = 15, 16_000
NOISY = 0.05
"""Relative spread of the CPU time of the same work; 0.004 to 0.04 is usual."""


def check_environment(state_paths: StatePaths) -> Iterator[Finding]:
    """One finding after the other; the noise takes a second."""
    yield _python()
    yield _pytest()
    yield _git()
    yield _bytecode()
    yield from _disk(state_paths)
    yield _clock()
    yield _cpu_clock()
    yield _processors()
    yield _noise()


def _python() -> Finding:
    said = f"Python {platform.python_version()} on {platform.system()}, {sys.executable}; maabarium {__version__}"
    if platform.system() in ("Linux", "Darwin"):
        return passed("environment", "python", said)
    return failed("environment", "python", f"{said}: this system is not supported", "use Linux, macOS or WSL")


def _pytest() -> Finding:
    advice = f'install it beside Maabarium: {sys.executable} -m pip install "pytest>=8.4"'
    try:
        version = importlib.metadata.version("pytest")
    except importlib.metadata.PackageNotFoundError:
        return failed("environment", "pytest", "pytest is not installed, and it is what drives a run", advice)
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_PYTEST:
        return failed("environment", "pytest", f"pytest {version} is too old", advice)
    return passed("environment", "pytest", f"pytest {version}")


def _git() -> Finding:
    """Whether git is there, new enough, and can make a repository and store something in it."""
    advice = f"install git {OLDEST[0]}.{OLDEST[1]} or newer (https://git-scm.com/downloads)"
    advice += " and see that its folder is on the PATH"
    try:
        said = check_version()
        with tempfile.TemporaryDirectory(prefix="maabarium-doctor-") as folder:
            place = Path(folder) / "probe.git"
            make_bare(place, "sha1")
            digest = Git(place).line("hash-object", "-w", "--stdin", stdin=b"probe\n", write=True)
            if Git(place).run("cat-file", "blob", digest) != b"probe\n":
                return failed("environment", "git", f"{said} gave back something else than it was given", advice)
    except (WorkspaceError, OSError) as error:
        return failed("environment", "git", one_line(str(error), 300), advice)
    return passed("environment", "git", f"{said}, tried in {shutil.which('git')}")


def _bytecode() -> Finding:
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        said = (
            "PYTHONDONTWRITEBYTECODE is set: pytest rewrites every assertion anew at each start, up to 3 times slower"
        )
        return warned("environment", "bytecode", said, "unset PYTHONDONTWRITEBYTECODE")
    return passed("environment", "bytecode", "is written, so that sessions start quickly")


def _disk(state_paths: StatePaths) -> Iterator[Finding]:
    """Free space where worktrees, the database and temporary files go."""
    folders = {
        "cache": state_paths.cache,
        "database": state_paths.database.parent,
        "temporary": Path(tempfile.gettempdir()),
    }
    for name, folder in folders.items():
        there = next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))
        try:
            free = shutil.disk_usage(there).free / GIGABYTE
        except OSError as error:
            said = f"the free space of {there} cannot be read: {error.strerror}"
            yield failed("environment", f"disk: {name}", said, "make that folder accessible to this user")
            continue
        said, advice = f"{free:.1f} GB free for {folder}", f"free some space on the disk of {there}"
        if free < TOO_LITTLE:
            yield failed("environment", f"disk: {name}", said, advice)
        elif free < SCARCE:
            yield warned("environment", f"disk: {name}", said, advice)
        else:
            yield passed("environment", f"disk: {name}", said)


def _clock() -> Finding:
    """The smallest step of the clock that deadlines and wall times are read from, and that it does not go back."""
    readings = [time.monotonic() for _ in range(20_000)]
    steps = [after - before for before, after in pairwise(readings)]
    smallest = min((step for step in steps if step > 0), default=1.0)
    if min(steps) < 0:
        advice = "choose another clock source of the kernel (/sys/devices/system/clocksource)"
        return failed("environment", "clock", "the monotonic clock goes backwards", advice)
    said = f"the monotonic clock moves in steps of {smallest * 1e9:.0f} ns"
    if smallest > COARSE:
        return warned("environment", "clock", said, "measure long enough: milliseconds cannot be told apart here")
    return passed("environment", "clock", said)


def _cpu_clock() -> Finding:
    """Whether the kernel counts the CPU time of a whole process tree, also of what nobody waits for."""
    try:
        os.close(open_perf_event())
    except OSError as error:
        said = f"the kernel's counter of CPU time is not to be had ({error.strerror or error}): /proc is summed instead"
        said += ", which misses processes that end unseen"
        advice = "sysctl kernel.perf_event_paranoid=2; in a container allow perf_event_open in its seccomp profile"
        return warned("environment", "CPU clock", said, advice)
    return passed("environment", "CPU clock", "the kernel counts the CPU time of whole process trees")


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    said = f"{usable} usable, load {load:.1f}"
    if load > usable:
        advice = "end other work, or expect times to need more pairs until a gain is confirmed"
        return warned("environment", "processors", f"{said}: more is waiting than can run", advice)
    return passed("environment", "processors", said)


def _noise() -> Finding:
    """How much the times of the same work differ, pinned to one core where that can be done."""
    wall, cpu = _timed()
    spread_wall, spread_cpu = stdev(wall) / median(wall), stdev(cpu) / median(cpu)
    said = f"the same {median(cpu) * 1e3:.0f} ms of work varies by {spread_cpu:.1%} in CPU time, {spread_wall:.1%} in"
    said += " wall time"
    if spread_cpu > NOISY:
        advice = "end other work and switch frequency scaling off, or expect confirmations to take more pairs"
        return warned("environment", "noise", said, advice)
    return passed("environment", "noise", said)


def _timed() -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of the same work, the first round discarded."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    try:
        if cores is not None:
            os.sched_setaffinity(0, {max(cores)})
        _work()
        wall, cpu = [], []
        for _ in range(ROUNDS):
            before, used = time.perf_counter(), time.process_time()
            _work()
            cpu.append(time.process_time() - used)
            wall.append(time.perf_counter() - before)
    finally:
        if cores is not None:
            os.sched_setaffinity(0, cores)
    return wall, cpu


def _work() -> None:
    """A fixed amount of work, some hundredths of a second."""
    block = bytes(2048)
    for _ in range(BLOCKS):
        block = hashlib.sha256(block).digest() * 64
