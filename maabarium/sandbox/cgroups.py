"""Control groups: caps of the kernel on a whole process tree, also for root, where we may make groups.

Version 1 (`pids` only) and version 2 (`pids` and `memory` where the parent enables them): Documentation/admin-guide/
cgroup-v1/, cgroup-v2.rst. A group is made beside or below our own; where that is not allowed there is none.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Group", "controllers"]

PREFIX = "maabarium-"
REMOVAL_SECONDS = 1.0


@functools.cache
def controllers() -> dict[str, Path]:
    """The folder in which a group can be made, by controller. Tried, not read."""
    found: dict[str, Path] = {}
    for folder, name in _candidates():
        if name not in found and _works(folder, name):
            found[name] = folder
    return found


def _candidates() -> Iterator[tuple[Path, str]]:
    """Folders in which a group might be made, with the controller: below our own group, and beside it."""
    mounts = _mounts()
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        mount = mounts.get(names.split(",")[0])
        if mount is None:
            continue
        own = mount / path.lstrip("/")
        if names:  # version 1
            yield from [(own, "pids")] if "pids" in names.split(",") else []
            continue
        for folder in (own, own.parent):
            with contextlib.suppress(OSError):
                enabled = (folder / "cgroup.subtree_control").read_text().split()
                yield from ((folder, name) for name in ("pids", "memory") if name in enabled)


def _mounts() -> dict[str, Path]:
    """Mount points of control groups by controller, the second version under the empty name; proc_mounts(5)."""
    mounts: dict[str, Path] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, place, kind, options, *_ = line.split(" ")
            if kind == "cgroup2":
                mounts.setdefault("", Path(place))
            elif kind == "cgroup":
                for option in options.split(","):
                    mounts.setdefault(option, Path(place))
    return mounts


def _works(folder: Path, name: str) -> bool:
    """Whether a group with this controller can be made there. Leftovers of dead runs are removed on the way."""
    for old in folder.glob(f"{PREFIX}*-*"):
        maker = old.name.split("-")[1]
        if maker.isdigit() and not Path(f"/proc/{maker}").exists():
            with contextlib.suppress(OSError):
                old.rmdir()  # refused while anything is in it
    trial = folder / f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return all(os.access(trial / file, os.W_OK) for file in (f"{name}.max", "cgroup.procs"))
    finally:
        with contextlib.suppress(OSError):
            trial.rmdir()


class Group:
    """A group for one run. `bound` names the caps that hold in it; none hold when groups cannot be made."""

    def __init__(self, wanted: dict[str, int]) -> None:
        """`wanted`: `pids` (count) and `memory` (bytes), as far as they are to be capped."""
        self.bound: set[str] = set()
        self._folders: list[Path] = []
        name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        for controller in wanted.keys() & controllers().keys():
            folder = controllers()[controller] / name
            with contextlib.suppress(OSError):
                if folder not in self._folders:
                    folder.mkdir()
                    self._folders.append(folder)
                (folder / f"{controller}.max").write_text(str(wanted[controller]))
                swap = folder / f"{controller}.swap.max"
                if swap.exists():
                    swap.write_text("0")
                self.bound.add(controller)

    def join(self, pid: int) -> None:
        """Move a process in, while it has no children. Raises OSError."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def forbid_forks(self) -> None:
        """No process of the group can fork any more."""
        for folder in self._folders:
            with contextlib.suppress(OSError):  # a group without this controller
                (folder / "pids.max").write_text("0")

    def close(self) -> None:
        """Remove the group; its processes are dead, but the kernel may need a moment to let go of them."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        for folder in self._folders:
            while folder.exists():
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                if time.monotonic() > deadline:
                    break  # left for the next one that looks
                time.sleep(0.001)
        self._folders.clear()
