"""Limits, from outside and by the shell."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.sandbox import limits
from maabarium.sandbox.gate import Gate
from maabarium.sandbox.limits import apply_limits, limit_notes, limits_of, shell_settings, tasks_of_user

needs_prlimit = pytest.mark.skipif(not limits.CAN_LIMIT_FROM_OUTSIDE, reason="needs prlimit(2)")


def test_units_and_defaults() -> None:
    wanted = limits_of(SandboxOptions(memory_mb=100, file_mb=2, open_files=50), 10.5)
    assert wanted == {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: 11 * (os.cpu_count() or 1) + 5,
        resource.RLIMIT_AS: 100 * 1024 * 1024,
        resource.RLIMIT_FSIZE: 2 * 1024 * 1024,
        resource.RLIMIT_NOFILE: 50,
    }
    assert resource.RLIMIT_AS not in limits_of(SandboxOptions(), 1)


def test_processes_are_counted_on_top_of_those_there_are() -> None:
    wanted = limits_of(SandboxOptions(processes=7), 1)[resource.RLIMIT_NPROC]
    assert tasks_of_user(os.getuid()) >= 1
    assert wanted >= 8


@needs_prlimit
def test_a_limit_above_the_ceiling_is_lowered_to_it() -> None:
    child = subprocess.Popen(["/bin/sleep", "60"])
    try:
        resource.prlimit(child.pid, resource.RLIMIT_NOFILE, (30, 40))
        apply_limits(child.pid, {resource.RLIMIT_NOFILE: 100})
        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (40, 40)
        with pytest.raises(SandboxError, match="resource limit 999 = 1 could not be set"):
            apply_limits(child.pid, {999: 1})
    finally:
        child.kill()
        child.wait()
    apply_limits(child.pid, {resource.RLIMIT_NOFILE: 10})  # gone: no error


def test_the_shell_sets_them_and_becomes_the_program() -> None:
    wanted = {resource.RLIMIT_CPU: 7, resource.RLIMIT_FSIZE: 1000, resource.RLIMIT_NOFILE: 33, resource.RLIMIT_CORE: 0}
    source = "import resource as r, sys; print([r.getrlimit(x) for x in (r.RLIMIT_CPU, r.RLIMIT_NOFILE)], sys.argv[1])"
    gate = Gate()
    argv = gate.argv([sys.executable, "-c", source, "it's $HOME"], shell_settings(wanted))
    child = subprocess.Popen(argv, stdin=gate.stdin, stdout=subprocess.PIPE, text=True)
    gate.open()
    output = child.communicate(timeout=30)[0]
    assert output == "[(7, 7), (33, 33)] it's $HOME\n"


def test_a_limit_that_cannot_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CAN_LIMIT_FROM_OUTSIDE", False)
    assert "memory_mb may not hold" in limit_notes(SandboxOptions(memory_mb=100))[0]
    assert limit_notes(SandboxOptions()) == ()
