"""The folder through which question and answer pass: files, so that no pipe can fill and no side wait for the other.

The folder is in the workspace's scratch, which the other side may write: what is read back is opened relative to the
folder as it was made, never through a link, and never beyond a limit.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maabarium.errors import EvaluationError

__all__ = ["Exchange", "exchange"]


@dataclass(frozen=True)
class Exchange:
    """`question` is written; `answer` and `log` are where the other side writes."""

    folder: Path
    descriptor: int

    @property
    def question(self) -> Path:
        return self.folder / "question.json"

    @property
    def answer(self) -> Path:
        return self.folder / "answer.json"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def read(self, name: str, most: int) -> bytes | None:
        """The beginning of a file of the folder, one byte more than `most` if there is; None when there is no file."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most + 1)


@contextlib.contextmanager
def exchange(scratch: Path, question: bytes) -> Iterator[Exchange]:
    """A fresh folder with the question in it. Raises EvaluationError when the disk does not allow it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="evaluator-", dir=scratch))
        (folder / "question.json").write_bytes(question)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise EvaluationError(f"the question to an evaluator cannot be written: {error}") from error
    try:
        yield Exchange(folder, descriptor)
    finally:
        os.close(descriptor)
