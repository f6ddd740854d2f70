"""A new root with nothing in it but what the plan lists. Runs in new user, mount and pid namespaces only.

The order matters: copies of all mounts are taken first, while everything is visible; then an empty tmpfs covers a
folder, the copies are attached beneath it, and it becomes the root. What was not listed does not exist.
"""

from __future__ import annotations

import os

from . import syscalls

TYPE_CHECKING = False  # importing `typing` would double the start-up time
if TYPE_CHECKING:
    from typing import Any

BASE = "/tmp"
"""Where the new root grows: any folder that exists; it is covered in our mount namespace only."""
Place = tuple[str, str, int]
"""Name in the pool, place in the new root, mode."""
POOL: dict[str, int] = {}
"""Descriptors of private folders that wait for their place."""
ROOT_DATA = "mode=0755,size=16m,nr_inodes=65536"


def build_root(plan: dict[str, Any]) -> None:
    """Build the new root of `plan["mounts"]` and move into it. Raises OSError."""
    syscalls.mount("", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    steps = plan["mounts"]
    trees = {step[1]: syscalls.clone_tree(step[1]) for step in steps if step[0] in BOUND}
    syscalls.mount("tmpfs", BASE, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, ROOT_DATA)
    os.chdir(BASE)
    for step in steps:
        if step[0] in BOUND:
            bind(trees[step[1]], step[1], step[2], BOUND[step[0]])
        else:
            STEPS[step[0]](*step[1:])
    syscalls.pivot_here()
    make_readonly("/")


def make_readonly(path: str) -> None:
    """The mount at a path, without those beneath it."""
    root = os.open(path, os.O_PATH | os.O_CLOEXEC)
    syscalls.set_attributes(root, syscalls.ATTR_RDONLY, recursive=False)
    os.close(root)


def make_place(path: str, folder: bool) -> None:
    """Make a folder or an empty file to mount on, with the folders above. What exists stays."""
    os.makedirs(BASE + path if folder else os.path.dirname(BASE + path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    if not os.path.lexists(BASE + path):
        os.close(os.open(BASE + path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))


def bind(tree: int, path: str, folder: bool, attributes: int) -> None:
    """Attach the copy of a mount at `path`."""
    syscalls.set_attributes(tree, attributes)
    make_place(path, folder)
    syscalls.attach(tree, BASE + path)


def link(path: str, target: str) -> None:
    """A symbolic link; one that is there already (beneath a bind) stays."""
    os.makedirs(os.path.dirname(BASE + path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    if not os.path.lexists(BASE + path):
        os.symlink(target, BASE + path)  # noqa: PTH211


def text(path: str, content: bytes) -> None:
    """A small file of ours."""
    os.makedirs(os.path.dirname(BASE + path), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    with open(BASE + path, "wb") as file:  # noqa: PTH123
        file.write(content)
    os.chmod(BASE + path, 0o444)  # noqa: PTH101


def memory(path: str, data: str, pool: list[Place], first: list[Place]) -> None:
    """One size-capped tmpfs whose subfolders are attached at several places, so that the cap is one for all: those of
    `first` now, the others by a step `attach`. The tmpfs itself does not stay visible."""
    make_place(path, True)
    syscalls.mount("tmpfs", BASE + path, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, data)
    for name, place, mode in pool:
        os.mkdir(f"{BASE}{path}/{name}")  # noqa: PTH102
        os.chmod(f"{BASE}{path}/{name}", mode)  # noqa: PTH101
        POOL[place] = syscalls.clone_tree(f"{BASE}{path}/{name}")
    syscalls.unmount(BASE + path)
    os.rmdir(BASE + path)  # noqa: PTH106
    attach_private(path, first)


def attach_private(path: str, places: list[Place]) -> None:
    """Attach private folders made before."""
    for _name, place, _mode in places:
        make_place(place, True)
        syscalls.attach(POOL.pop(place), BASE + place)


def processes(path: str, masked: list[str]) -> None:
    """A /proc of the new pid namespace, read-only: uid 0 needs no capability to write to most of /proc/sys. Before
    that, no further user namespaces beneath this one: user_namespaces(7), /proc/sys/user."""
    make_place(path, True)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", BASE + path, "proc", flags)
    try:
        with open(f"{BASE}{path}/sys/user/max_user_namespaces", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(b"0")
    except OSError:
        pass  # the filter refuses them as well
    for name in masked:
        if os.path.exists(f"{BASE}{path}/{name}"):  # noqa: PTH110
            syscalls.attach(syscalls.clone_tree(f"{BASE}/dev/null"), f"{BASE}{path}/{name}")
    make_readonly(BASE + path)


def terminals(path: str) -> None:
    """Pseudo terminals of our own; a kernel without them costs only the tests that need one."""
    make_place(path, True)
    flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
    try:  # noqa: SIM105 - contextlib costs start-up time
        syscalls.mount("devpts", BASE + path, "devpts", flags, "newinstance,ptmxmode=0666,mode=0620")
    except OSError:
        pass


BOUND = {
    "read": syscalls.ATTR_RDONLY | syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV,
    "write": syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV,
    "device": syscalls.ATTR_NOSUID,
}
"""Attributes of what is bound into the new root. `read` is read-only for everybody."""
STEPS: dict[str, Any] = {
    "link": link,
    "text": text,
    "memory": memory,
    "attach": attach_private,
    "processes": processes,
    "terminals": terminals,
}
"""The other steps of a plan by name."""
