"""A program that is kept ready and forks itself for every session: the inner side of `kept`.

Runs in the target's interpreter (Python 3.9 or later), in namespaces of its own, with nothing of a candidate loaded.
Each session is helper -> process 1 -> session, in namespaces beneath those of the program: it can neither see, signal
nor trace the program, the helper or another session, and the kernel ends all of it with its process 1.
"""

from __future__ import annotations

import json
import os
import resource
import socket

from .program import FAILED, complain, confine, namespaced, read_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

LARGEST = 64 * 1024
"""Bytes of what a session is told."""


def serve(control: socket.socket, facts: dict[str, Any]) -> list[str]:
    """Say "ready" with some facts, and fork for every request until the other side of `control` closes, which ends this
    process. Returns in the forked, confined processes only: the words that the session was told."""
    control.sendall(json.dumps(facts).encode())
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        bury()
        if not message:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            return session(descriptors[0], descriptors[1])
        for descriptor in descriptors:
            os.close(descriptor)


def unfit(control: socket.socket) -> str:
    """Why this process cannot be forked for sessions: a sentence for the user, empty when it can. Ask it when all is
    loaded, before `serve`. A fork has one thread, loses every descriptor but the standard ones, and would share memory
    with the sessions that come after it."""
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    if threads > 1:
        return f"{threads} threads run in it, of which a fork has only one"
    known = {file_of(descriptor) for descriptor in (0, 1, 2, control.fileno())}
    extra = [f"{number} ({path})" for number, path, file in opened() if file not in known]
    if extra:
        return f"descriptors are open in it that a fork does not keep: {', '.join(extra)}"
    if shared := sorted(set(shared_memory())):
        return f"it has memory that forks would share: {', '.join(shared)}"
    return ""


def shared_memory() -> list[str]:
    """What is mapped so that a fork could change it for all others: anonymous, or a file that was opened for writing.
    VmFlags of proc_pid_smaps(5): `sh` is missing where the file was opened for reading only."""
    found, name = [], ""
    with open("/proc/self/smaps", "rb") as file:  # noqa: PTH123
        for line in file:
            words = line.split(None, 5)
            if b"-" in words[0]:
                name = words[5].decode(errors="replace").strip() if len(words) > 5 else "without a name"
            elif words[0] == b"VmFlags:" and b"sh" in line.split():
                found.append(name)
    return found


def bury() -> None:
    """Take the status of helpers that have ended; they have told it already."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def session(control: int, leash: int) -> list[str]:
    """The helper of one session; returns in the session itself, when it is told what to do."""
    try:
        os.setsid()
        os.write(control, b"K\n")
        plan = read_plan(control)

        def report(status: int, usage: resource.struct_rusage) -> NoReturn:
            cpu = usage.ru_utime + usage.ru_stime
            os.write(control, f"S{status} {cpu!r} {usage.ru_maxrss}\n".encode())
            os._exit(0)

        namespaced(plan, control, leash, report)
        os.setsid()
        inputs, outputs = same_file(0), same_file(1)
        replace(inputs, os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
        confine(plan, (control, *inputs, *outputs))
        os.write(control, b"R\n")
        return begin(control, outputs)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear it
        complain(control, error)
    os._exit(FAILED)


def same_file(descriptor: int) -> list[int]:
    """All descriptors of the file that this one is of: plug-ins keep copies of the standard ones."""
    wanted = file_of(descriptor)
    return [number for number, _, file in opened() if file == wanted]


def replace(numbers: list[int], descriptor: int) -> None:
    """Open these numbers on what a descriptor is open on, which is closed: offset, flags and locks of what they were
    open on are shared by all forks."""
    for number in numbers:
        os.dup2(descriptor, number, inheritable=number < 3)
    os.close(descriptor)


def opened() -> list[tuple[int, str, tuple[int, int]]]:
    """Number, name and file of every open descriptor."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            found.append((int(name), os.readlink(f"/proc/self/fd/{name}"), file_of(int(name))))  # noqa: PTH115
        except OSError:  # that of the listing itself
            continue
    return found


def file_of(descriptor: int) -> tuple[int, int]:
    """What a descriptor is open on: device and number."""
    info = os.fstat(descriptor)
    return info.st_dev, info.st_ino


def begin(control: int, outputs: list[int]) -> list[str]:
    """Wait for "go": the words of the session, and with them its output and perhaps its channel, the last word."""
    wire = socket.socket(fileno=control)
    message, descriptors, _, _ = socket.recv_fds(wire, LARGEST, 2)
    if not message:
        os._exit(FAILED)
    replace(outputs, descriptors[0])
    wire.close()
    words: list[str] = json.loads(message)
    return words + [str(descriptor) for descriptor in descriptors[1:]]
