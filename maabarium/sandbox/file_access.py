"""What a confined process may see of the file system: folders of the operating system and of the program, and what
command and blueprint name. Everything else is absent: other people's files, the home folder, keys, the database, the
rules' originals, other worktrees. Confines nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command
from maabarium.sandbox.interpreter import folders_of_program

__all__ = ["DEVICES", "FileAccess", "access_of", "tops", "traced", "without"]

SYSTEM = (
    "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32",
    "/usr/lib64", "/usr/libexec", "/usr/include", "/usr/share", "/usr/local", "/nix/store", "/gnu/store",
    "/sys/devices/system/cpu",
)  # fmt: skip
"""Programs and libraries of the operating system. Not `/usr/src`, `/opt`, `/srv`, where applications are put."""
ETC = Path("/etc")
SETTINGS = (
    "alternatives", "ca-certificates", "ca-certificates.conf", "debian_version", "default/locale", "fonts", "gai.conf",
    "group", "host.conf", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime",
    "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki", "profile", "protocols", "rpc",
    "services", "shells", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
)  # fmt: skip
"""What programs look up in /etc; no host name, no keys, no passwords."""
WHOLE = ("/", "/usr", "/opt", "/home", "/root", "/var", "/tmp", "/etc")
"""Never shown whole, not even when an interpreter calls one its prefix: what it needs of them is listed here."""
DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True)
class FileAccess:
    """Real paths: readable, writable, and the links by which they are also known (place -> target)."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]
    links: Mapping[str, str]

    def holds(self, place: str) -> bool:
        """Whether a place lies below something that is shown."""
        return any(place.startswith(path + "/") for path in (*self.readable, *self.writable))


def access_of(command: Command, options: SandboxOptions, env: Mapping[str, str]) -> FileAccess:
    """What one command may see. Raises SandboxError for a path of the blueprint that cannot be meant."""
    settings = [str(ETC / name) for name in (*SETTINGS, *(("resolv.conf",) if options.network else ()))]
    settings += map(str, sorted(ETC.glob("python3*")))  # the target's interpreter may be another than ours
    program = folders_of_program(command.argv[0], env["PATH"], command.cwd) if command.argv else ()
    libraries = [entry for entry in env.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry.startswith("/")]
    # Uncovered by no system folder: home, the folder we were started in, and the user's caches.
    private = (os.path.expanduser("~"), os.curdir, os.environ.get("XDG_CACHE_HOME"), "/root", "/home")  # noqa: PTH111
    hidden = {os.path.realpath(place) for place in private if place} - {"/"}
    links: dict[str, str] = {}
    readable: set[str] = set()
    for place in (*SYSTEM, *settings, *program, *libraries):
        seen = [real for real in _seen(place, links) if real not in WHOLE]
        readable.update(entry for real in seen for entry in without(real, hidden))
    chosen = [_absolute(entry) for entry in options.readable]
    for wanted in (command.cwd, *command.readable, *chosen):
        readable.update(_seen(str(wanted), links))
    writable = {real for place in command.writable for real in _seen(str(place), links)}
    return FileAccess(tuple(tops(readable, beneath=writable)), tuple(tops(writable)), links)


def without(path: str, hidden: Iterable[str]) -> list[str]:
    """A folder, or, when something hidden is beneath it, its entries but for those; recursively. A path that is
    itself beneath a hidden one was named on purpose and stays."""
    beneath = [place for place in hidden if place == path or place.startswith(path.rstrip("/") + "/")]
    if not beneath:
        return [path]
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:
        return []
    shown = [entry.path for entry in entries if entry.path not in beneath and not entry.is_symlink()]
    return [kept for entry in shown for kept in without(entry, beneath)]


def traced(path: str) -> tuple[dict[str, str], str]:
    """The symbolic links on the way to a path (place -> target as written), and the real path. OSError with ELOOP
    after 40 links, as the kernel says."""
    links: dict[str, str] = {}
    todo = [part for part in path.split("/") if part]
    done = ""
    while todo:
        part = todo.pop(0)
        if part == ".":
            continue
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        place = f"{done}/{part}"
        if not os.path.islink(place):  # noqa: PTH114
            done = place
            continue
        target = os.readlink(place)  # noqa: PTH115
        if len(links) > 40:
            raise OSError(40, os.strerror(40), path)
        if place not in links:
            links[place] = target
        done = "" if target.startswith("/") else done
        todo = [piece for piece in target.split("/") if piece] + todo
    return links, done or "/"


def _seen(place: str, links: dict[str, str]) -> list[str]:
    """The real path of a place that exists, noting the links on the way."""
    try:
        found, real = traced(os.path.abspath(place))  # noqa: PTH100
    except OSError:
        return []
    if not os.path.lexists(real):
        return []
    links.update(found)
    return [real]


def _absolute(entry: str) -> Path:
    """A path of the blueprint's `readable`."""
    path = Path(entry).expanduser()
    if not path.is_absolute() or path == Path("/"):
        raise SandboxError(
            f'[sandbox] readable: "{entry}" must be an absolute path or begin with ~/, and not be the root folder'
        )
    return path


def tops(paths: Iterable[str], beneath: Iterable[str] = ()) -> list[str]:
    """Sorted paths without those that another one, or a place of `beneath`, contains already."""
    kept: list[str] = []
    above = list(beneath)
    for path in sorted(set(paths), key=lambda path: (path.count("/"), path)):
        if not any(path == place or path.startswith(place + "/") for place in (*above, *kept)):
            kept.append(path)
    return kept
