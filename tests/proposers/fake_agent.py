"""A coding agent for tests: it does what its arguments say, one after another, in the folder it is started in.

fake_agent.py PROMPT_FILE ACTION[=ARGUMENT[=TEXT]] ...
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text.encode().decode("unicode_escape"))


def read(path, text):
    """Try to read something that is not ours; tell what came of it."""
    try:
        print(f"READ {path}: {Path(path).read_text()}")
    except OSError as error:
        print(f"DENIED {path}: {error.strerror}")


def attempt(path, text):
    """Try to write something that is not ours; tell what came of it."""
    try:
        write(path, text)
        print(f"WROTE {path}")
    except OSError as error:
        print(f"DENIED {path}: {error.strerror}")


def connect(port, text):
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=2).close()
        print("CONNECTED")
    except OSError as error:
        print(f"NO NETWORK: {error.strerror or error}")


def daemon(path, text):
    """Leave the session twice and go on writing."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                Path(path).write_text(str(time.time()))
                time.sleep(0.01)
        os._exit(0)
    while not Path(path).exists():
        time.sleep(0.005)


def dig(path, depth):
    for _ in range(int(depth)):
        Path("deeper").mkdir()
        os.chdir("deeper")


ACTIONS = {
    "write": write,
    "read": read,
    "attempt": attempt,
    "connect": connect,
    "daemon": daemon,
    "dig": dig,
    "delete": lambda path, text: Path(path).unlink(),
    "touch": lambda path, text: os.utime(path),
    "chmod": lambda path, mode: Path(path).chmod(int(mode, 8)),
    "link": lambda path, target: Path(path).symlink_to(target),
    "replace": lambda path, target: (Path(path).unlink(), Path(path).symlink_to(target)),
    "swap": lambda path, target: (shutil.rmtree(path), Path(path).symlink_to(target)),
    "pipe": lambda path, text: os.mkfifo(path),
    "say": lambda text, more: print(text.encode().decode("unicode_escape")),
    "prompt": lambda path, text: print(Path(sys.argv[1]).read_text()),
    "stdin": lambda path, text: print("STDIN", sys.stdin.read()[:40]),
    "list": lambda path, text: print("FILES", sorted(str(p) for p in Path().rglob("*") if not p.is_dir())),
    "environment": lambda path, text: print("ENV", json.dumps(dict(os.environ))),
    "flood": lambda path, text: [print("x" * 10_000) for _ in range(100_000)],
    "hang": lambda path, text: (signal.signal(signal.SIGTERM, signal.SIG_IGN), time.sleep(600)),
    "exit": lambda status, text: sys.exit(int(status)),
    "run": lambda program, text: print(subprocess.run([program], capture_output=True, text=True)),
}

if __name__ == "__main__":
    for argument in sys.argv[2:]:
        action, _, rest = argument.partition("=")
        first, _, second = rest.partition("=")
        ACTIONS[action](first, second)
        sys.stdout.flush()
