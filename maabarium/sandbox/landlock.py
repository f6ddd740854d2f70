"""What a Landlock domain forbids and allows, as numbers for the kernel at hand. Restricts nothing by itself.

Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h. The version (ABI) says which rights the
kernel knows: 2 moving across folders, 3 truncation, 5 device control, 6 abstract sockets and signals to outsiders.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["READ", "SCOPE_ABI", "Rights", "handled_rights", "path_rules"]

Rights = tuple[int, int, int]
"""File system, network, scopes."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST = (1 << 13) - 1
SCOPES = 3  # abstract Unix sockets, signals
SCOPE_ABI = 6
READ = EXECUTE | READ_FILE | READ_DIR
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def handled_rights(abi: int) -> Rights:
    """What is forbidden unless a rule allows it: file system, network (left to the filter), scopes."""
    rights = FIRST
    for version, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        rights |= right if abi >= version else 0
    return rights, 0, SCOPES if abi >= SCOPE_ABI else 0


def path_rules(abi: int, readable: Iterable[str], writable: Iterable[str]) -> list[tuple[str, int]]:
    """Rules for paths, which reach beneath folders; on files only some rights are legal (else EINVAL)."""
    handled = handled_rights(abi)[0]
    rules = [(path, READ & handled) for path in readable] + [(path, handled) for path in writable]
    return [(path, access if Path(path).is_dir() else access & ON_FILES) for path, access in rules]
