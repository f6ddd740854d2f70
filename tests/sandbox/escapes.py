"""Plants bait, lets `attempts.py` loose at one level of one backend, looks what happened; prints JSON.

    python escapes.py BACKEND LEVEL FOLDER

It is the parent that must survive: it runs in a process of its own, as root or as an ordinary user.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import site
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from kept_backend import BACKENDS, KEPT

from maabarium.blueprint.schema import SandboxOptions
from maabarium.plugins.processes import Command, Sandbox

SECRET = "s3cr3t-s3cr3t-s3cr3t"
MEMORY = ctypes.create_string_buffer(SECRET.encode())
CREATE = 0o1000 | 0o600


def plant(folder: Path, level: str) -> tuple[dict[str, Any], list[Any]]:
    """Files, sockets, processes and memory that nobody inside may reach."""
    home, repository, other = folder / "home", folder / "repository", folder / "other"
    for path in (".ssh/id_ed25519", ".aws/credentials", ".bashrc", "victim", "secret"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(SECRET)
    for path in (".git/config", ".git/hooks/pre-commit", ".env", "rules/test_rule.py", "data/maabarium.db"):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(SECRET)
    other.mkdir()
    (other / "module.py").write_text(SECRET)
    setuid = folder / "setuid" / "id"
    setuid.parent.mkdir(exist_ok=True)
    if not setuid.exists():
        shutil.copy(shutil.which("id") or "/usr/bin/id", setuid)
    kept: list[Any] = []
    bait: dict[str, Any] = {"pid": os.getpid(), "host": os.uname().nodename, "marker": SECRET, "names": None}

    def listener(name: str, family: int, address: Any, kind: int = socket.SOCK_STREAM) -> socket.socket | None:
        wire = socket.socket(family, kind)
        try:
            wire.bind(address)
        except OSError:
            return None
        if kind == socket.SOCK_STREAM:
            wire.listen(16)
        wire.setblocking(False)
        kept.append(wire)
        if family in (socket.AF_INET, socket.AF_INET6):
            bait[name] = wire.getsockname()[1]
        return wire

    listener("port4", socket.AF_INET, ("127.0.0.1", 0))
    if listener("port6", socket.AF_INET6, ("::1", 0)) is None:
        bait["port6"] = 9
    listener("udp", socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
    abstract = f"maabarium-escape-{os.getpid()}"
    listener("", socket.AF_UNIX, str(folder / "stream"))
    listener("", socket.AF_UNIX, str(folder / "datagram"), socket.SOCK_DGRAM)
    listener("", socket.AF_UNIX, f"\0{abstract}")
    listener("", socket.AF_UNIX, f"\0{abstract}d", socket.SOCK_DGRAM)
    secret = os.open(home / "secret", os.O_RDONLY)
    os.set_inheritable(secret, True)
    victim = subprocess.Popen(["/bin/sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept += [victim, secret]
    libc = ctypes.CDLL(None)
    key = 0x4D000000 | os.getpid()
    segment = libc.shmget(key, 4096, CREATE)
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(segment, None, 0)
    ctypes.memmove(place, SECRET.encode(), len(SECRET))
    kept.append(segment)
    bait |= {
        "home": str(home), "secret": str(home / "secret"), "repository": str(repository), "other": str(other),
        "database": str(repository / "data" / "maabarium.db"), "stream": str(folder / "stream"),
        "datagram": str(folder / "datagram"), "abstract": abstract, "victim": victim.pid, "fd": secret,
        "address": ctypes.addressof(MEMORY), "shmkey": key, "packages": site.getsitepackages()[0],
        "tmp": f"/tmp/{abstract}", "shm": f"/dev/shm/{abstract}", "setuid": str(setuid),
        "namespaced": level != "trusted",
    }  # fmt: skip
    return bait, kept


def arrived(kept: list[Any], data: bytes) -> bool:
    """Whether a datagram came to one of our sockets."""
    for wire in kept:
        if isinstance(wire, socket.socket) and wire.type == socket.SOCK_DGRAM:
            try:
                while True:
                    if wire.recv(64) == data:
                        return True
            except OSError:
                continue
    return False


def main(backend: str, level: str, folder: Path) -> None:
    """One round."""
    os.environ["OPENAI_API_KEY"] = SECRET
    tree, scratch = folder / "slots" / "one" / "tree", folder / "slots" / "one" / "scratch"
    for place in (tree, scratch / "home", scratch / "tmp"):
        place.mkdir(parents=True)
    bait, kept = plant(folder, level)
    bait["namespaced"] = backend in ("namespaces", "bubblewrap", KEPT)
    (scratch / "bait.json").write_text(json.dumps(bait))
    shutil.copy(Path(__file__).parent / "attempts.py", scratch / "attempts.py")
    options = SandboxOptions.model_validate({"level": level, "readable": [str(folder / "setuid")]})
    sandbox: Sandbox = BACKENDS[backend](options, threading.Event())
    done = sandbox.run(
        Command(
            [sys.executable, "-I", "-S", str(scratch / "attempts.py"), str(scratch / "bait.json")],
            cwd=tree,
            env={"HOME": str(scratch / "home"), "TMPDIR": str(scratch / "tmp")},
            writable=(tree, scratch),
        )
    )
    answers: dict[str, str] = {}
    for line in done.output.splitlines():
        if line.startswith("["):
            name, answer = json.loads(line)
            answers[name] = answer
    if answers.get("udp_over_ipv4") == "sent" and not arrived(kept, b"udp"):
        answers["udp_over_ipv4"] = "refused: nothing arrived"
    for name, place in (("write_host_temporary", bait["tmp"]), ("write_host_shared_memory", bait["shm"])):
        if answers.get(name) == "sent" and not Path(place).exists():
            answers[name] = "refused: it was not the host's"
        Path(place).unlink(missing_ok=True)
    ctypes.CDLL(None).shmctl(kept[-1], 0, None)  # IPC_RMID
    victim = next(one for one in kept if isinstance(one, subprocess.Popen))
    state = "alive" if victim.poll() is None else "dead"
    victim.kill()
    victim.wait()
    print(json.dumps({"answers": answers, "code": done.returncode, "victim": state, "output": done.output[-2000:]}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
