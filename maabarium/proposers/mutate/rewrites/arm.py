"""The rewrites as an arm: every operator over every target file, hot code first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from maabarium.code.concrete import ConcreteFile
from maabarium.code.python_file import compiles
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.file_arm import FileArm, FileChange
from maabarium.proposers.mutate.rewrites.catalogue import ALL_OPERATORS
from maabarium.proposers.mutate.rewrites.operator import Operator

__all__ = ["Rewrites", "find"]


class Rewrites(FileArm):
    """The arm `rewrites`. Operators may be chosen; by default all of them."""

    name = "rewrites"

    def __init__(self, operators: Sequence[Operator] = ALL_OPERATORS) -> None:
        super().__init__()
        self.operators = tuple(operators)

    def find(self, files: Sequence[tuple[str, bytes]], request: ProposalRequest) -> Iterable[Sequence[FileChange]]:
        """What all operators find in each file."""
        return [tuple(find(content, self.operators)) for _, content in files]


def find(content: bytes, operators: Sequence[Operator]) -> Iterator[FileChange]:
    """All changes of one file that compile, each result once; none for a file that cannot be read."""
    source = ConcreteFile.read(content)
    if source is None:
        return
    seen = {content}
    for operator in operators:
        for rewrite in sorted(operator.rewrites(source), key=lambda rewrite: source.order(rewrite.anchor)):
            new = source.apply(rewrite.edits)
            if new is None or new in seen or not compiles(new):
                continue
            seen.add(new)
            yield FileChange(
                operator=operator.name,
                prior=min(1.0, operator.prior * rewrite.factor),
                name=source.qualified_name(rewrite.anchor),
                what=rewrite.what,
                why=rewrite.why,
                lines=source.lines(rewrite.anchor),
                edits=rewrite.edits,
                raw=source.raw,
                encoding=source.file.encoding,
            )
