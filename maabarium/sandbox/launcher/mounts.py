"""The root of a confined process: a new one, or changes to its present one. Always in namespaces of its own.

A new root has nothing in it but what the plan lists. The order matters: copies of all mounts are taken first, while
everything is visible; then an empty tmpfs covers a folder, the copies are attached beneath it, and it becomes the root.
"""

from __future__ import annotations

import os

from . import syscalls

TYPE_CHECKING = False  # importing `typing` would double the start-up time
if TYPE_CHECKING:
    from typing import Any

BASE = "/tmp"
"""Where a new root grows: any folder that exists; it is covered in our mount namespace only."""
ROOT_DATA = "mode=0755,size=16m,nr_inodes=65536"
READ = syscalls.ATTR_RDONLY | syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV
BOUND = {
    "read": READ,
    "write": syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV,
    "device": syscalls.ATTR_NOSUID,
}
"""Attributes of what is bound into the root. `read` is read-only for everybody."""

COPIED = ("again", "only", "within")
"""Changes of a root for which a copy of a mount is taken first, before anything is covered."""


def build_root(steps: list[tuple[Any, ...]]) -> None:
    """Build a new root of these steps and move into it. Raises OSError."""
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    trees = [syscalls.clone_tree(step[-1] if len(step) > 3 else step[1]) if step[0] in BOUND else 0 for step in steps]
    syscalls.mount("tmpfs", BASE, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, ROOT_DATA)
    os.chdir(BASE)
    root = Root(BASE)
    for step, tree in zip(steps, trees):  # noqa: B905 - it also runs in Python 3.9
        if step[0] in BOUND:
            root.bind(tree, step[1], step[2], BOUND[step[0]])
        else:
            getattr(root, step[0])(*step[1:])
    syscalls.pivot_here()
    make_readonly("/")


def change_root(steps: list[tuple[Any, ...]]) -> None:
    """Take these steps in the root that is there, in a mount namespace of our own. Raises OSError."""
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    trees = [syscalls.clone_tree(step[1]) if step[0] in COPIED else 0 for step in steps]
    root = Root("")
    for step, tree in zip(steps, trees):  # noqa: B905 - it also runs in Python 3.9
        if tree:
            getattr(root, step[0])(tree, *step[1:])
        else:
            getattr(root, step[0])(*step[1:])


def make_readonly(path: str) -> None:
    """The mount at a path, without those beneath it."""
    root = os.open(path, os.O_PATH | os.O_CLOEXEC)
    syscalls.set_attributes(root, syscalls.ATTR_RDONLY, recursive=False)
    os.close(root)


class Root:
    """Its methods are the steps of a plan. `base` is where the root is to be seen until it is moved into."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._pool: dict[str, int] = {}
        """Descriptors of private folders that wait for their place."""

    def _make_place(self, path: str, folder: bool) -> str:
        """Make a folder or an empty file to mount on, with the folders above. What exists stays."""
        place = self._base + path
        os.makedirs(place if folder else os.path.dirname(place), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
        if not os.path.lexists(place):
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
        return place

    def bind(self, tree: int, path: str, folder: bool, attributes: int) -> None:
        """Attach the copy of a mount at `path`."""
        syscalls.set_attributes(tree, attributes)
        syscalls.attach(tree, self._make_place(path, folder))

    def again(self, tree: int, path: str, folder: bool) -> None:
        """Attach at its own place what has been covered since."""
        syscalls.attach(tree, self._make_place(path, folder))

    def only(self, tree: int, source: str, above: str, place: str, writable: bool) -> None:
        """Show one folder, `source`, at `place`, and nothing any more of what else is beneath `above`."""
        top = self._make_place(above, True)
        syscalls.mount("tmpfs", top, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, ROOT_DATA)
        self.bind(tree, place, True, BOUND["write" if writable else "read"])
        make_readonly(top)

    def within(self, tree: int, source: str, place: str) -> None:
        """Show the folder or file `source` as it is at `place`, which is beneath that of `only`."""
        syscalls.attach(tree, place)

    def link(self, path: str, target: str) -> None:
        """A symbolic link; one that is there already (beneath a bind) stays."""
        os.makedirs(os.path.dirname(self._base + path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
        if not os.path.lexists(self._base + path):
            os.symlink(target, self._base + path)  # noqa: PTH211

    def text(self, path: str, content: bytes) -> None:
        """A small file of ours."""
        os.makedirs(os.path.dirname(self._base + path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
        with open(self._base + path, "wb") as file:  # noqa: PTH123
            file.write(content)
        os.chmod(self._base + path, 0o444)  # noqa: PTH101

    def memory(self, path: str, data: str, pool: list[tuple[str, str, int]], first: list[tuple[str, str, int]]) -> None:
        """One size-capped tmpfs whose subfolders are attached at several places, so that the cap is one for all: those
        of `first` now, the others by a step `attach`. The tmpfs itself does not stay visible. Of the pool are told:
        name, place, mode."""
        top = self._make_place(path, True)
        syscalls.mount("tmpfs", top, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, data)
        for name, place, mode in pool:
            os.mkdir(f"{top}/{name}")  # noqa: PTH102
            os.chmod(f"{top}/{name}", mode)  # noqa: PTH101
            self._pool[place] = syscalls.clone_tree(f"{top}/{name}")
        syscalls.unmount(top)
        if self._base:
            os.rmdir(top)  # noqa: PTH106
        self.attach(first)

    def attach(self, places: list[tuple[str, str, int]]) -> None:
        """Attach private folders made before."""
        for _name, place, _mode in places:
            syscalls.attach(self._pool.pop(place), self._make_place(place, True))

    def processes(self, path: str, masked: list[str], sealed: bool) -> None:
        """A /proc of the new pid namespace. `sealed`: read-only (uid 0 needs no capability to write to most of
        /proc/sys), some of it masked, and no further user namespaces beneath this one: user_namespaces(7),
        /proc/sys/user. Inside an unsealed one a sealed one can be mounted, not the other way round."""
        place = self._make_place(path, True)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount("proc", place, "proc", flags)
        if not sealed:
            return
        try:
            with open(f"{place}/sys/user/max_user_namespaces", "wb", buffering=0) as file:  # noqa: PTH123
                file.write(b"0")
        except OSError:
            pass  # the filter refuses them as well
        for name in masked:
            if os.path.exists(f"{place}/{name}"):  # noqa: PTH110
                syscalls.attach(syscalls.clone_tree(f"{self._base}/dev/null"), f"{place}/{name}")
        make_readonly(place)

    def terminals(self, path: str) -> None:
        """Pseudo terminals of our own; a kernel without them costs only the tests that need one."""
        place = self._make_place(path, True)
        flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
        try:  # noqa: SIM105 - contextlib costs start-up time
            syscalls.mount("devpts", place, "devpts", flags, "newinstance,ptmxmode=0666,mode=0620")
        except OSError:
            pass
