"""The last steps before a program begins: descriptors, capabilities, limits, Landlock, system call filter."""

from __future__ import annotations

import os
import resource

from . import syscalls

TYPE_CHECKING = False  # importing `typing` would double the start-up time
if TYPE_CHECKING:
    from typing import Any, NoReturn

SIGPIPE, SIGXFSZ = 13, 25


def confine(plan: dict[str, Any], keep: tuple[int, ...]) -> None:
    """Give up everything the plan does not leave. Raises OSError. Nothing may be imported after it."""
    below = 2
    for descriptor in sorted(keep):
        os.closerange(below + 1, descriptor)
        below = max(below, descriptor)
    os.closerange(below + 1, 1 << 20)
    os.chdir(plan["cwd"])
    for number, value in plan["limits"]:
        lower(number, value)
    syscalls.drop_capabilities()
    syscalls.control(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    if plan["landlock"]:
        syscalls.restrict(*plan["landlock"])
    syscalls.libc.signal(SIGPIPE, 0)  # the interpreter ignores them; a program expects the default
    syscalls.libc.signal(SIGXFSZ, 0)
    if plan["filter"]:
        syscalls.filter_calls(plan["filter"])


def lower(number: int, value: int) -> None:
    """Set a soft and hard limit, never above what there is, getrlimit(2)."""
    ceiling = resource.getrlimit(number)[1]
    bound = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
    try:
        resource.setrlimit(number, (bound, bound))
    except ValueError as error:
        raise OSError(22, f"resource limit {number} = {value}: {error}") from None


def become(plan: dict[str, Any]) -> NoReturn:
    """Execute the program."""
    os.execvpe(plan["argv"][0], plan["argv"], plan["env"])
