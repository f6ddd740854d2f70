"""The environment of a sandboxed process: written from an allow-list, never copied and then cleaned.

A secret that nobody thought of stays out because only names on the list get in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["CHANNEL", "INHERITED", "RUN_MARK", "scrubbed_environment"]

CHANNEL = "MAABARIUM_CHANNEL"
"""Names the descriptor of the channel to the parent."""
RUN_MARK = "MAABARIUM_RUN_MARK"
"""Names the run that a process belongs to; see `process_tree`."""

INHERITED = ("LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Passed on when set. An interpreter built with a shared library (as CI images and conda make them) does not
even start without the first; tools that look for the active environment go by the second. Neither is a secret."""

LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

FIXED = {
    "LANG": LOCALE,
    "LC_ALL": LOCALE,
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    # Numeric libraries start one thread per core on import: noise for the clock, and unfair to pinned runs.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
"""The same for every process, so that two evaluations differ in the code only."""


def scrubbed_environment(
    source: Mapping[str, str], own: Mapping[str, str], *, cwd: Path, private: Path, pass_env: Iterable[str] = ()
) -> dict[str, str]:
    """Build the environment of one process.

    Later wins: what every process gets, what `source` (our own environment) may pass on, the names that the
    blueprint lists in `pass_env` (absent ones are skipped), and `own`, the variables of the command itself.
    `private` is the folder that HOME and TMPDIR name unless `own` says otherwise.
    """
    env = dict(FIXED)
    # No empty and relative entries, which would find programs in the target's own folder.
    path = [entry for entry in source.get("PATH", os.defpath).split(os.pathsep) if entry.startswith("/")]
    env["PATH"] = os.pathsep.join(path) or os.defpath
    env["HOME"] = env["TMPDIR"] = str(private)
    # Git must not find a repository above the tree: it would read that one's configuration and history.
    env["GIT_CEILING_DIRECTORIES"] = str(cwd.resolve().parent)
    env.update((name, source[name]) for name in (*INHERITED, *pass_env) if name in source)
    env.update(own)
    return env
