"""Numbers that are read off the source text: complexity, maintainability, size and lint.

No process is started and nothing is imported from the tree; the text is parsed by this interpreter.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from maabarium.code.python_file import decode, parse_strictly

__all__ = ["STATIC_SOURCES", "UnreadableFile", "measure_text"]


LARGEST = 1_000_000
"""Bytes of a file: above it, parsing in this process would hold up the run."""


class UnreadableFile(Exception):
    """A file that this interpreter cannot parse."""

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(path, why)


def _complexity(text: str) -> float:
    from radon.visitors import ComplexityVisitor

    visitor = ComplexityVisitor.from_code(text)
    # Decisions, not blocks: cutting a function in two neither helps nor harms.
    return float(visitor.complexity - 1 + sum(_decisions(block) for block in [*visitor.functions, *visitor.classes]))


def _decisions(block: Any) -> int:
    """Branches of a function with its closures, or of a class with its methods and inner classes."""
    if hasattr(block, "methods"):
        return sum(_decisions(inner) for inner in [*block.methods, *block.inner_classes])
    return int(block.complexity) - 1 + sum(_decisions(closure) for closure in block.closures)


def _maintainability(text: str) -> float:
    from radon.metrics import mi_visit

    return float(mi_visit(text, multi=True))


def _size(text: str) -> float:
    from radon.raw import analyze

    return float(analyze(text).lloc)


def _lint(text: str) -> float:
    from pyflakes.checker import Checker  # type: ignore[import-untyped]

    return float(len(Checker(parse_strictly(text)).messages))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


STATIC_SOURCES: Mapping[str, tuple[Callable[[str], float], Callable[[list[float]], float], str]] = {
    "complexity": (_complexity, sum, "decisions"),
    "maintainability": (_maintainability, _mean, "index"),
    "size": (_size, sum, "lines"),
    "lint": (_lint, sum, "messages"),
}
"""By source: the number of one file, how files are put together, unit."""


class _Content:
    """The bytes of a file, compared by their digest alone; whoever has measured them may let them go."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._digest = hashlib.sha256(content).digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._digest == other._digest


@lru_cache(maxsize=16_384)
def _value(source: str, file: _Content) -> float:
    """The number of one file: an experiment changes few of them. Raises what `measure_text` translates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the text, such as a backslash too many: not ours to show
        parse_strictly(file.content)  # in bytes, as the interpreter reads it; the tools want text
        value = STATIC_SOURCES[source][0](decode(file.content)[0])
    file.content = b""
    return value


def measure_text(source: str, files: Iterable[tuple[str, bytes]]) -> float:
    """One static source over files given as (path, content). Raises UnreadableFile; ValueError without files."""
    _, together, _ = STATIC_SOURCES[source]
    values = []
    for path, content in files:
        if len(content) > LARGEST:
            raise UnreadableFile(path, f"it has {len(content):,} bytes; static sources read files of up to {LARGEST:,}")
        try:
            values.append(_value(source, _Content(content)))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UnreadableFile(path, str(error) or type(error).__name__) from error
    if not values:
        raise ValueError("no files")
    return together(values)
