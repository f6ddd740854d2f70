"""Files that foreign programs may touch: written so that no link is followed, recognised, and removed for good."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["discard", "remove", "replace_file", "stamp", "write_file"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_file(
    place: Path, content: bytes | Path, *, executable: bool, times: tuple[int, int] | None = None
) -> os.stat_result:
    """Write a new file: these bytes, or another's. OSError, also when something is there. `times`: in ns."""
    mode = 0o755 if executable else 0o644
    with os.fdopen(os.open(place, _NEW_FILE, mode), "wb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fchmod(file.fileno(), mode)  # whatever the umask is
        if times is not None:
            os.utime(file.fileno(), ns=times)
        return os.fstat(file.fileno())


def replace_file(
    place: Path, content: bytes, *, mode: int = 0o644, durable: bool = False, prefix: str = ".maabarium-"
) -> None:
    """Write a file whole or not at all, in the place of an older one. Raises OSError, and leaves nothing then.

    `durable`: the content has reached the disk before the older file goes. `prefix` names what a kill leaves behind.
    """
    beside = place.with_name(f"{prefix}{secrets.token_hex(8)}")
    file = os.open(beside, _NEW_FILE, mode)
    try:
        with os.fdopen(file, "wb", buffering=0) as out:
            rest = memoryview(content)
            while rest:
                rest = rest[out.write(rest) :]
            os.fchmod(file, mode)  # whatever the umask is
            if durable:
                os.fsync(file)
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def stamp(info: os.stat_result) -> tuple[int, ...]:
    """What differs after any change to a file, or its replacement: the change time cannot be set back."""
    return (
        info.st_mode, info.st_ino, info.st_dev, info.st_nlink, info.st_uid, info.st_gid, info.st_size,
        info.st_mtime_ns, info.st_ctime_ns,
    )  # fmt: skip


ATTEMPTS = 20
"""How often a removal begins anew because somebody else removes the same folder."""


def discard(path: Path) -> None:
    """`remove` without an error: what the system keeps stays. For the end of something temporary."""
    with suppress(OSError):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it; nothing happens when there is none.

    Never follows a link. Permissions that were taken away are taken back, and no depth exhausts stack, path or
    descriptors. Others may remove it at the same time. Raises OSError, the first one, when something is kept by the
    system; all else is gone then.
    """
    for attempt in reversed(range(ATTEMPTS)):
        try:
            _remove(path)
            return
        except FileNotFoundError:  # somebody else was faster, here or below
            if not attempt and path.exists():
                raise


def _remove(path: Path) -> None:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(info.st_mode):
        path.unlink()
        return
    failures: list[OSError] = []
    _empty(_opened(str(path)), failures)
    if failures:
        raise failures[0]
    path.rmdir()


def _empty(here: int, failures: list[OSError]) -> None:
    """Empty the folder of a descriptor, which is closed. Goes down and up again with one descriptor at a time."""
    above: list[tuple[str, list[str], os.stat_result]] = []
    """The folders on the way: name of the one below, what is still to be emptied, and what it is."""
    waiting = _unlink_files(here, failures)
    try:
        while waiting or above:
            if waiting:
                name = waiting.pop()
                try:
                    below = _opened(name, here)
                except OSError as error:
                    failures.append(error)
                    continue
                above.append((name, waiting, os.fstat(here)))
                os.close(here)
                here, waiting = below, _unlink_files(below, failures)
                continue
            name, waiting, known = above.pop()
            outer = os.open("..", _FOLDER, dir_fd=here)
            os.close(here)
            here = outer
            if not os.path.samestat(known, os.fstat(here)):
                raise OSError(f"the folder {name} was moved while it was removed")
            _attempt(os.rmdir, name, here, failures)
    finally:
        os.close(here)


def _unlink_files(here: int, failures: list[OSError]) -> list[str]:
    """Remove the files of a folder; the names of its folders."""
    with os.scandir(here) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            _attempt(os.unlink, name, here, failures)
    return [name for name, is_folder in found if is_folder]


def _attempt(action: Callable[..., None], name: str, here: int, failures: list[OSError]) -> None:
    try:
        action(name, dir_fd=here)
    except FileNotFoundError:
        pass
    except OSError as error:
        failures.append(error)


def _opened(name: str, here: int | None = None) -> int:
    """A descriptor of a folder whose content we may remove."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=here)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=here)
        descriptor = os.open(name, _FOLDER, dir_fd=here)
    if os.fstat(descriptor).st_mode & 0o700 != 0o700:
        with suppress(OSError):
            os.fchmod(descriptor, 0o700)
    return descriptor
