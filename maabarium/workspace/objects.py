"""Git objects by id: read through one `cat-file --batch` process, written as loose files. No refs, no index.

An object's format (`type size NUL content`, hashed, deflated) is fixed by git's own documentation
(gitformat-loose). Writing it here costs a tenth of a millisecond where a git process costs one or two.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import weakref
import zlib
from collections import OrderedDict
from pathlib import Path

from maabarium.errors import WorkspaceError
from maabarium.folders import replace_file
from maabarium.workspace.git import Git, close_pipes
from maabarium.workspace.storage import storing

__all__ = ["Objects"]

KEPT_BYTES = 16 * 1024 * 1024
LARGEST_KEPT = 256 * 1024
"""Contents that were read are kept up to these sizes: an id stands for the same content for ever."""


class Objects:
    """The object store of the private repository. Thread-safe; usable again in a forked child."""

    def __init__(self, git_dir: Path, object_format: str) -> None:
        self.git_dir = git_dir
        self.object_format = object_format
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._kept_bytes = 0
        self._closer: weakref.finalize[[subprocess.Popen[bytes], int], Objects] | None = None

    def _ask(self, oid: str) -> tuple[list[bytes], bytes] | None:
        """Words of the header and the content; None if the process is gone."""
        process = self._batch()
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(oid.encode("ascii") + b"\n")
            process.stdin.flush()
            words = process.stdout.readline().split()
            if words:
                content = process.stdout.read(int(words[2]) + 1) if len(words) == 3 else b""
                return words, content[:-1]
        except BrokenPipeError:
            pass
        self._drop()
        return None

    def blob(self, oid: str) -> bytes:
        """Content of a blob."""
        return self.content(oid, "blob")

    def content(self, oid: str, kind: str) -> bytes:
        """Content of an object of this type. Raises WorkspaceError when the repository lacks it (a partial clone)."""
        with self._lock, storing("read objects of", self.git_dir):
            if (known := self._kept.get((oid, kind))) is not None:
                self._kept.move_to_end((oid, kind))
                return known
            try:
                answer = self._ask(oid) or self._ask(oid)  # twice: somebody may have killed the process
            except BaseException:
                self._drop()  # an interrupt in the middle of an answer: the rest of it must not be the next one
                raise
        if answer is None:
            raise WorkspaceError(f"git cannot read the objects of {self.git_dir}")
        words, content = answer
        if len(words) != 3:
            raise WorkspaceError(
                f"the repository lacks the {kind} {oid}; if it is a partial clone, fetch everything first"
                " (git fetch --refetch --no-filter), else check it with git fsck"
            )
        if words[1].decode() != kind:
            raise WorkspaceError(f"{oid} is a {words[1].decode()}, not a {kind}")
        self._keep((oid, kind), content)
        return content

    def _keep(self, name: tuple[str, str], content: bytes) -> None:
        if len(content) > LARGEST_KEPT:
            return
        with self._lock:
            self._kept_bytes += len(content) - len(self._kept.pop(name, b""))
            self._kept[name] = content
            while self._kept_bytes > KEPT_BYTES:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    def name(self, kind: str, content: bytes) -> str:
        """The id that this content has as an object."""
        return hashlib.new(self.object_format, b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest()

    def write(self, kind: str, content: bytes) -> str:
        """Store an object and return its id. Raises WorkspaceError when the disk does not take it."""
        oid = self.name(kind, content)
        folder = self.git_dir / "objects" / oid[:2]
        path = folder / oid[2:]
        with storing("store an object in", self.git_dir):
            if path.exists():
                return oid
            folder.mkdir(exist_ok=True)
            packed = zlib.compress(b"%s %d\0" % (kind.encode(), len(content)) + content, 1)
            replace_file(path, packed, mode=0o444, prefix="tmp_obj_")
        self._keep((oid, kind), content)
        return oid

    def close(self) -> None:
        """End the reading process; the next read starts another."""
        with self._lock:
            self._drop()

    def _batch(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._owner == os.getpid():
            return self._process
        self._drop()
        process = Git(self.git_dir).start("cat-file", "--batch")
        if process.stderr is not None:
            process.stderr.close()
        self._process, self._owner = process, os.getpid()
        self._closer = weakref.finalize(self, _end, process, os.getpid())
        return process

    def _drop(self) -> None:
        if self._closer is not None:
            self._closer()
        self._process = self._closer = None


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the process, unless we are a fork of its owner: then it is not ours."""
    if owner == os.getpid():
        close_pipes(process)
    else:
        process.returncode = 0
