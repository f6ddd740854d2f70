"""The door of bubblewrap, for systems where only `bwrap` may make user namespaces (as on recent Ubuntu).

What is seen, the filter and the limits are the same as for `namespaces`; there is no Landlock on top.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Mapping

from maabarium.errors import SandboxError
from maabarium.plugins.processes import Completed
from maabarium.sandbox.caps import Caps
from maabarium.sandbox.clock import CpuClock
from maabarium.sandbox.door import PlainDoor, Start, bare_environment
from maabarium.sandbox.file_access import FileAccess, access_of
from maabarium.sandbox.launch_plans import HOST, HOSTS, hosts_file, private_places
from maabarium.sandbox.seccomp import confining_rules, filter_program

__all__ = ["PROGRAM", "BubblewrapDoor"]

PROGRAM = "bwrap"
STARTED = b"child-pid"
"""What bwrap(1) writes to --json-status-fd once the world inside stands."""


class BubblewrapDoor(PlainDoor):
    """The plain door, behind which `bwrap` starts the program. Arguments, filter and, if the program is to have one
    of ours, the hosts file go over descriptors."""

    def __init__(self, start: Start, caps: Caps, *, strict: bool) -> None:
        program = shutil.which(PROGRAM)
        if program is None:
            raise SandboxError("bubblewrap is gone: there is no bwrap in PATH any more")
        network = caps.options.network
        arguments = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        arguments += [] if network else ["--unshare-net"]
        arguments += ["--hostname", HOST, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        # uid 0 needs no capability to write to most of /proc/sys
        arguments += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
        arguments += mount_options(access_of(start.command, caps.options, start.env), start.env, caps)
        arguments += ["--clearenv", *(word for pair in start.env.items() for word in ("--setenv", *pair))]
        arguments += ["--chdir", os.path.realpath(start.command.cwd)]
        self._status, telling = os.pipe()
        os.set_blocking(self._status, False)
        self._files = [telling, memory_file(filter_program(confining_rules(strict=strict), os.uname().machine))]
        arguments += ["--json-status-fd", str(telling), "--seccomp", str(self._files[1])]
        self._files.append(memory_file(hosts_file(network=network)))
        arguments += ["--ro-bind-data", str(self._files[2]), str(HOSTS)]
        self._files.append(memory_file(b"\0".join(map(os.fsencode, arguments)) + b"\0"))
        command = dataclasses.replace(
            start.command, argv=[program, "--args", str(self._files[-1]), "--", *start.command.argv]
        )
        env = bare_environment(start.mark) | {"PATH": start.env["PATH"]}
        super().__init__(dataclasses.replace(start, command=command, env=env))
        self.descriptors = tuple(self._files)

    def open(self, pid: int, clock: CpuClock) -> None:
        """Let `bwrap` begin, which is not told apart from the program."""
        self._close_files()
        super().open(pid, clock)

    def result(self, completed: Completed) -> Completed:
        """`bwrap` ends with 128 and the number of a signal that ended the program. SandboxError when none began."""
        told = b""
        with contextlib.suppress(BlockingIOError):
            told = os.read(self._status, 4096)
        if STARTED not in told and not (completed.interrupted or completed.timed_out):
            raise SandboxError(f"the sandbox could not be set up: {completed.output.strip()[-500:]}")
        return dataclasses.replace(completed, signals_seen=False)

    def close(self) -> None:
        """Give everything back."""
        super().close()
        self._close_files()
        os.close(self._status)

    def _close_files(self) -> None:
        while self._files:
            os.close(self._files.pop())


def mount_options(files: FileAccess, env: Mapping[str, str], caps: Caps) -> list[str]:
    """What is in the new root: what is above comes first, for it would cover what is beneath."""
    steps = [(path, ["--ro-bind", path, path]) for path in files.readable]
    steps += [(path, ["--bind", path, path]) for path in files.writable]
    steps += [(place, ["--symlink", target, place]) for place, target in files.links.items() if not files.holds(place)]
    for place, mode in private_places(env).items():
        steps.append((place, ["--perms", f"{mode:04o}", "--size", str(caps.private), "--tmpfs", place]))
    return [word for _, words in sorted(steps, key=lambda step: step[0].count("/")) for word in words]


def memory_file(content: bytes) -> int:
    """An anonymous file to be inherited, read from its beginning, memfd_create(2)."""
    descriptor = os.memfd_create("maabarium")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
