"""The canary: a program that is run inside a sandbox, tries what a hostile candidate would, and says what it could do.

    python canary.py BAIT ATTEMPT...

BAIT is a JSON file that says what was planted outside. Started by its path: it imports nothing of ours. Each attempt
has a process of its own and ends with one JSON line `[name, whether it worked, detail]`. It harms nothing where it gets
through: it touches only what was planted for it, and every hog has a bound.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time

TYPE_CHECKING = False  # `typing`, like `ctypes` and `hashlib`, would double the start-up time: every run waits for it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Bait = dict[str, Any]

NEWNS, NEWUSER = 0x00020000, 0x10000000
PTRACE_SEIZE = 0x4206
MEGABYTE = 1024 * 1024
CONNECT_SECONDS = 2.0
OUTLIVE_SECONDS = 20.0
FORKS, MEMORY_MB, DISK_MB = 128, 384, 64
"""How far a hog goes where nothing stops it."""
LINGER = 0.5
"""Seconds for which it stays there, for whoever watches from outside."""


def digest(content: bytes) -> str:
    """What is said of a secret instead of the secret."""
    import hashlib

    return hashlib.sha256(content).hexdigest()


def content_of(path: str) -> bytes:
    """All of a file."""
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def connect(family: int, address: Any) -> str:
    """Connect, go."""
    with socket.socket(family, socket.SOCK_STREAM) as wire:
        wire.settimeout(CONNECT_SECONDS)
        wire.connect(address)
    return ""


def send(bait: Bait) -> str:
    """Send the word in a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.sendto(bait["word"].encode(), ("127.0.0.1", bait["udp"]))
    return ""


def write(path: str) -> str:
    """Write a file anew."""
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"x")
    return ""


def change(path: str) -> str:
    """Change a file's mode, or its content."""
    try:
        os.chmod(path, 0o640)  # noqa: PTH101
    except OSError:
        with open(path, "ab") as file:  # noqa: PTH123
            file.write(b"x")
    return ""


def kill(pid: int, number: int) -> str:
    """Send a signal; 0 asks whether one may."""
    os.kill(pid, number)
    return pid_namespace()


def see_other_processes(bait: Bait) -> str:
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                if bait["word"].encode() in content_of(f"/proc/{name}/cmdline"):
                    return ""
            except OSError:
                continue
    raise OSError("none of those outside is there")


def trace(pid: int) -> str:
    """Attach as a tracer; it does not stop what is traced, and our end lets go."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, pid, None, None):
        refuse()
    return pid_namespace()


def mount_a_file_system(bait: Bait) -> str:
    """In a mount namespace of its own, so that nothing is left of it on a machine that allows it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNS) and libc.unshare(NEWNS | NEWUSER):
        refuse()
    os.mkdir("mounted")  # noqa: PTH102
    if libc.mount(b"none", b"mounted", b"tmpfs", 0, None):
        refuse()
    return "in a mount namespace of its own"


def outlive_the_evaluation(bait: Bait) -> str:
    """Fork twice, leave the session, let go of the output, ignore SIGTERM. Whether it lives is seen from outside."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            os.closerange(3, 64)
            time.sleep(OUTLIVE_SECONDS)
        os._exit(0)
    return ""


def fork_without_end(bait: Bait) -> str:
    children: list[int] = []
    try:
        while len(children) < FORKS:
            child = os.fork()
            if child == 0:
                time.sleep(OUTLIVE_SECONDS)
                os._exit(0)
            children.append(child)
    except OSError as error:
        raise OSError(f"stopped after {len(children)} processes: {error.strerror}") from error
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    return f"{len(children)} processes"


def take_memory_without_end(bait: Bait) -> str:
    taken: list[bytearray] = []
    for step in range(MEMORY_MB // 16):
        try:
            taken.append(bytearray(b"x") * (16 * MEGABYTE))
        except MemoryError:
            del taken[:]
            raise OSError(f"stopped after {step * 16} MB") from None
    time.sleep(LINGER)
    return f"{MEMORY_MB} MB"


def fill_the_disk(bait: Bait) -> str:
    for step in range(DISK_MB // 8):
        try:
            with open(f"fill-{step}", "wb") as file:  # noqa: PTH123
                file.write(b"x" * (8 * MEGABYTE))
        except OSError as error:
            raise OSError(f"stopped after {step * 8} MB: {error.strerror}") from error
    time.sleep(LINGER)
    return f"{DISK_MB} MB"


def work(bait: Bait) -> str:
    """What every program must be able to do there: write to the tree and to the temporary folder, and read again."""
    for path in ("worked", os.path.join(os.environ["TMPDIR"], "worked")):  # noqa: PTH118
        write(path)
        content_of(path)
    return ""


TRIES: dict[str, Callable[[Bait], str]] = {
    "connect over TCP": lambda bait: connect(socket.AF_INET, ("127.0.0.1", bait["tcp"])),
    "send over UDP": send,
    "connect to a socket file": lambda bait: connect(socket.AF_UNIX, bait["outside"] + "/socket"),
    "connect to an abstract socket": lambda bait: connect(socket.AF_UNIX, "\0" + bait["word"]),
    "write outside": lambda bait: write(bait["outside"] + "/new"),
    "change a file outside": lambda bait: change(bait["outside"] + "/file"),
    "read a secret file": lambda bait: digest(content_of(bait["outside"] + "/secret")),
    "read a .env file": lambda bait: digest(content_of(bait["outside"] + "/.env")),
    "find a secret in the environment": lambda bait: digest(os.environ[bait["variable"]].encode()),
    "read the parent's environment": lambda bait: digest(content_of(f"/proc/{bait['parent']}/environ")),
    "signal the parent": lambda bait: kill(bait["parent"], 0),
    "see other processes": see_other_processes,
    "end another process": lambda bait: kill(bait["victim"], signal.SIGTERM),
    "trace the parent": lambda bait: trace(bait["parent"]),
    "mount a file system": mount_a_file_system,
    "learn the host name": lambda bait: digest(os.uname().nodename.encode()),
    "outlive the evaluation": outlive_the_evaluation,
    "fork without end": fork_without_end,
    "take memory without end": take_memory_without_end,
    "fill the disk": fill_the_disk,
}
"""By the name under which reports call it. Each returns a detail, and raises when it is refused."""
WORK = "work inside"
"""No attack: without it nothing else is worth anything."""


def pid_namespace() -> str:
    """Whose process numbers these are; empty where it cannot be known."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        return ""


def refuse() -> None:
    """Raise what errno says."""
    import ctypes

    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def outcome(name: str, bait: Bait) -> list[Any]:
    """Try one thing."""
    try:
        return [name, True, (TRIES | {WORK: work})[name](bait)]
    except (OSError, MemoryError, AttributeError, LookupError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error) or "refused"
        return [name, False, f"{type(error).__name__}: {said}"]


def main(words: list[str]) -> None:
    """Each attempt in a process of its own, so that one cannot spoil the next."""
    bait = json.loads(content_of(words[0]))
    for name in words[1:]:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.write(writing, json.dumps(outcome(name, bait)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            line = pipe.read() or json.dumps([name, False, "the process was ended"])
        os.waitpid(child, 0)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
