"""Limits, from outside and by the shell."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.sandbox import caps
from maabarium.sandbox.caps import NPROC_UNBOUND, Caps, apply_limits, shell_settings, tasks_of_user

needs_prlimit = pytest.mark.skipif(not caps.CAN_LIMIT_FROM_OUTSIDE, reason="needs prlimit(2)")


def test_units_and_defaults() -> None:
    wanted = Caps(SandboxOptions(memory_mb=100, file_mb=2, open_files=50)).rlimits(10.5)
    assert wanted == {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: 11 * (os.cpu_count() or 1) + 5,
        resource.RLIMIT_AS: 100 * 1024 * 1024,
        resource.RLIMIT_FSIZE: 2 * 1024 * 1024,
        resource.RLIMIT_NOFILE: 50,
    }
    assert resource.RLIMIT_AS not in Caps(SandboxOptions()).rlimits(1)


def test_processes_are_counted_on_top_of_those_there_are() -> None:
    wanted = Caps(SandboxOptions(processes=7)).rlimits(1)[resource.RLIMIT_NPROC]
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
    script = "; ".join([*shell_settings(wanted), 'exec "$@"'])
    argv = ["/bin/sh", "-c", script, "sh", sys.executable, "-c", source, "it's $HOME"]
    output = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=30, check=True).stdout
    assert output == "[(7, 7), (33, 33)] it's $HOME\n"


def test_a_limit_that_cannot_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "CAN_LIMIT_FROM_OUTSIDE", False)
    assert "memory_mb may not hold" in Caps(SandboxOptions(memory_mb=100)).notes(NPROC_UNBOUND)[0]
    assert Caps(SandboxOptions()).notes(NPROC_UNBOUND) == ()


def test_a_confined_tree_has_a_value_for_every_cap() -> None:
    """Also where the blueprint says nothing; what it says is not raised."""
    bounded = Caps(SandboxOptions(), bounded=True)
    limits = bounded.rlimits(1)
    assert limits[resource.RLIMIT_NOFILE] == caps.OPEN_FILES and resource.RLIMIT_AS not in limits
    assert {resource.RLIMIT_DATA, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_CORE} <= set(limits)
    assert bounded.processes == caps.PROCESSES and bounded.private <= bounded.written
    own = Caps(SandboxOptions(memory_mb=100, processes=7, written_mb=5, open_files=19), bounded=True)
    assert own.rlimits(1)[resource.RLIMIT_NOFILE] == 19 and own.rlimits(1)[resource.RLIMIT_DATA] == 100 * 1024 * 1024
    assert (own.processes, own.written, own.private) == (7, 5 * 1024 * 1024, 5 * 1024 * 1024)
