"""What sandbox tests share: a runner, and a check that nothing of a test is left on the machine."""

from __future__ import annotations

import gc
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command, Completed
from maabarium.sandbox import subprocess_sandbox

Runner = Callable[..., Completed]


def bearing(word: str) -> list[int]:
    """Living processes with a word in their environment or command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in text and state != b"Z" and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


@pytest.fixture
def living() -> Callable[[str], list[int]]:
    """Find living processes by a word in their environment or command line."""
    return bearing


@pytest.fixture
def cancel() -> threading.Event:
    """The event that ends runs."""
    return threading.Event()


@pytest.fixture
def run(tmp_path: Path, cancel: threading.Event) -> Iterator[Runner]:
    """Run Python source (or an argv) in a sandbox; afterwards no process and no descriptor may be left."""
    token = f"token{os.urandom(8).hex()}"
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))

    def runner(source: str | list[str], *, timeout: float = 20, **more: Any) -> Completed:
        options = SandboxOptions(**more.pop("options", {}))
        argv = [sys.executable, "-I", "-S", "-c", textwrap.dedent(source), token] if isinstance(source, str) else source
        env = {"TEST_TOKEN": token, **more.pop("env", {})}
        return subprocess_sandbox(options, cancel).run(Command(argv, tmp_path, env, timeout, **more))

    yield runner
    assert bearing(token) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before
