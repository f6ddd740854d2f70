# ruff: noqa: PTH100, PTH120, E402 - standard library only, as old as Python 3.9, and small
"""A program to be kept, for tests: each session runs what a command would have run, without a new interpreter.

    python forking.py FOLDER_OF_THE_LAUNCHER [CODE]

CODE is executed before it is ready; its facts are its number and whether it is fit to be kept.
A session is told variables and argv as JSON, and behind them the number of its channel if it has one.
"""

import json
import os
import runpy
import signal
import socket
import sys

sys.path[:0] = [os.path.dirname(sys.argv[1]), os.path.dirname(os.path.abspath(__file__))]
from launcher import forks


def run(argv, variables):
    """Become what a process started with this argv would be, as far as a fork can."""
    os.environ.update(variables)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if argv[0] != sys.executable:
        os.execvpe(argv[0], argv, os.environ)
    rest = [word for word in argv[1:] if word not in ("-I", "-S")]
    if rest[0] == "-c":
        sys.argv = ["-c", *rest[2:]]
        exec(compile(rest[1], "<string>", "exec"), {"__name__": "__main__"})
    elif rest[0] == "-m":
        sys.path.insert(0, "")
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = rest
        runpy.run_path(rest[0], run_name="__main__")


control = socket.socket(fileno=int(os.environ.pop("MAABARIUM_CHANNEL")))
exec("".join(sys.argv[2:]))
words = forks.serve(control, {"pid": os.getpid(), "unfit": forks.unfit(control)})
if words[2:]:
    os.environ["MAABARIUM_CHANNEL"] = words[2]
run(json.loads(words[1]), json.loads(words[0]))
