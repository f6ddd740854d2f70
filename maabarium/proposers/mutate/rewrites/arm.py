"""The rewrites as an arm: every operator over every target file, hot code first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from maabarium.code.concrete import ConcreteFile
from maabarium.code.python_file import compiles
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import FileArm, FileChange
from maabarium.proposers.mutate.rewrites import (
    building,
    caching,
    calls,
    comprehension,
    containers,
    hoisting,
    iteration,
)  # fmt: skip
from maabarium.proposers.mutate.rewrites.rewrite import Operator

__all__ = ["ALL_OPERATORS", "Rewrites", "find"]

ALL_OPERATORS = (
    calls.compile_pattern, containers.constant_membership, containers.membership_set, containers.seen_set,
    comprehension.comprehension, calls.cache_timestamps, calls.iso_timestamps, caching.cache_pure,
    containers.count_by_counter, containers.group_by_setdefault, calls.sorted_to_heap, calls.key_getter,
    hoisting.invariant_call, hoisting.repeated_call, hoisting.local_name, iteration.enumerate_loop,
    iteration.iterate_file, iteration.dict_keys, building.append_in_place, building.use_deque, building.join,
    building.sum_loop, iteration.get_with_default, iteration.length_test,
)  # fmt: skip
"""In the order in which they are tried when nothing else tells them apart. A new operator goes here."""


class Rewrites(FileArm):
    """The arm `rewrites`."""

    name = "rewrites"

    def find(self, files: Sequence[tuple[str, bytes]], request: ProposalRequest) -> Iterable[Sequence[FileChange]]:
        """What all operators find in each file."""
        return [tuple(find(content, ALL_OPERATORS)) for _, content in files]


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
