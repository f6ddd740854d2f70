"""One run in a process of its own, which may be told to die: `crash_child.py BLUEPRINT [--resume] [--die before:7]`.

`before:N` kills the process with SIGKILL when it is about to store its N-th transition, `after:N` when it has just
stored it. SIGTERM ends the run in order. Prints how the run ended; exit status 4 for a usage problem.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from itertools import count
from pathlib import Path

import crash_calm as crash_calm

from maabarium.errors import MaabariumError
from maabarium.plugins.manager import build_plugins
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run
from maabarium.store import Store


def doom(when: str) -> None:
    """Make this process kill itself at one transition."""
    side, _, number = when.partition(":")
    append, numbers = Store.append, count(1)

    def dying(store, run_id, transition):
        now = next(numbers) == int(number)
        if now and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        event = append(store, run_id, transition)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return event

    Store.append = dying


def main() -> int:
    """Run, or go on with the last run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("blueprint", type=Path)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--die", default="")
    options = parser.parse_args()
    if options.die:
        doom(options.die)
    resume = "last" if options.resume else None
    wanted = RunOptions(database=options.database, iterations=options.iterations, resume=resume)
    try:
        with open_run(prepare_run(options.blueprint, wanted, build_plugins())) as run:
            signal.signal(signal.SIGTERM, lambda *_: run.prepared.cancel("SIGTERM"))
            for outcome in run.outcomes():
                print(outcome.number, outcome.verdict, outcome.reason_code, outcome.reason, flush=True)
    except MaabariumError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 4
    print(run.end)
    return 0 if run.end and run.end.state == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
