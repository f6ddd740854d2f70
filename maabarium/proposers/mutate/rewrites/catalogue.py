"""The list of all operators, and nothing else. A new operator is known once it stands here."""

from __future__ import annotations

from maabarium.proposers.mutate.rewrites.building import AppendInPlace, Join, UseDeque
from maabarium.proposers.mutate.rewrites.caching import CachePure
from maabarium.proposers.mutate.rewrites.comprehension import Comprehension
from maabarium.proposers.mutate.rewrites.counting import CountByCounter, GroupBySetdefault
from maabarium.proposers.mutate.rewrites.hoisting import InvariantCall, LocalName, RepeatedCall
from maabarium.proposers.mutate.rewrites.iteration import DictKeys, Enumerate, GeneratorArgument, IterateFile
from maabarium.proposers.mutate.rewrites.membership import ConstantMembership, MembershipSet, SeenSet
from maabarium.proposers.mutate.rewrites.operator import Operator
from maabarium.proposers.mutate.rewrites.patterns import CompilePattern
from maabarium.proposers.mutate.rewrites.reduction import AnyAll, SumLoop
from maabarium.proposers.mutate.rewrites.simplification import GetWithDefault, LengthTest, MergeTests
from maabarium.proposers.mutate.rewrites.sorting import KeyGetter, SortedToHeap, SortedToMin
from maabarium.proposers.mutate.rewrites.timestamps import CacheTimestamps, IsoTimestamps

__all__ = ["ALL_OPERATORS"]

ALL_OPERATORS: tuple[Operator, ...] = (
    CompilePattern(),
    ConstantMembership(),
    MembershipSet(),
    SeenSet(),
    Comprehension(),
    CacheTimestamps(),
    IsoTimestamps(),
    CachePure(),
    CountByCounter(),
    GroupBySetdefault(),
    SortedToMin(),
    SortedToHeap(),
    KeyGetter(),
    InvariantCall(),
    RepeatedCall(),
    LocalName(),
    Enumerate(),
    GeneratorArgument(),
    IterateFile(),
    DictKeys(),
    AppendInPlace(),
    UseDeque(),
    Join(),
    AnyAll(),
    SumLoop(),
    GetWithDefault(),
    MergeTests(),
    LengthTest(),
)
"""In the order in which they are tried when nothing else tells them apart."""
