"""The rewrites as an arm: every operator over every target file, hot code first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from maabarium.code.concrete import ConcreteFile
from maabarium.code.python_file import compiles
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.file_arm import FileArm, FileChange
from maabarium.proposers.mutate.rewrites.building import append_in_place, join, sum_loop, use_deque
from maabarium.proposers.mutate.rewrites.caching import cache_pure
from maabarium.proposers.mutate.rewrites.calls import (
    cache_timestamps,
    compile_pattern,
    iso_timestamps,
    key_getter,
    sorted_to_heap,
)
from maabarium.proposers.mutate.rewrites.comprehension import comprehension
from maabarium.proposers.mutate.rewrites.counting import count_by_counter, group_by_setdefault
from maabarium.proposers.mutate.rewrites.hoisting import invariant_call, local_name, repeated_call
from maabarium.proposers.mutate.rewrites.iteration import (
    dict_keys,
    enumerate_loop,
    get_with_default,
    iterate_file,
    length_test,
)
from maabarium.proposers.mutate.rewrites.membership import constant_membership, membership_set, seen_set
from maabarium.proposers.mutate.rewrites.rewrite import Operator

__all__ = ["ALL_OPERATORS", "Rewrites", "find"]

ALL_OPERATORS = (
    compile_pattern, constant_membership, membership_set, seen_set, comprehension, cache_timestamps, iso_timestamps,
    cache_pure, count_by_counter, group_by_setdefault, sorted_to_heap, key_getter, invariant_call, repeated_call,
    local_name, enumerate_loop, iterate_file, dict_keys, append_in_place, use_deque, join, sum_loop, get_with_default,
    length_test,
)  # fmt: skip
"""In the order in which they are tried when nothing else tells them apart. A new operator goes here."""


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
