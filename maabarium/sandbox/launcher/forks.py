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
            return session(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


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
        outputs = same_file(1)
        confine(plan, (control, *outputs))
        os.write(control, b"R\n")
        return begin(control, outputs)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent must hear it
        complain(control, error)
    os._exit(FAILED)


def same_file(descriptor: int) -> list[int]:
    """All descriptors of the file that this one is of: plug-ins keep copies of standard output and error."""
    wanted, found = os.fstat(descriptor), []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            if os.path.samestat(os.fstat(int(name)), wanted):
                found.append(int(name))
        except OSError:  # of the listing itself
            continue
    return found


def begin(control: int, outputs: list[int]) -> list[str]:
    """Wait for "go": the words of the session, and with them its output and perhaps its channel, the last word."""
    wire = socket.socket(fileno=control)
    message, descriptors, _, _ = socket.recv_fds(wire, LARGEST, 2)
    if not message:
        os._exit(FAILED)
    for number in outputs:
        os.dup2(descriptors[0], number, inheritable=number < 3)
    os.close(descriptors[0])
    wire.close()
    words: list[str] = json.loads(message)
    return words + [str(descriptor) for descriptor in descriptors[1:]]
