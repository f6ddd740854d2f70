"""The list of all operators, and nothing else. A new operator is known once it stands here."""

from __future__ import annotations

from maabarium.proposers.mutate.rewrites.building import append_in_place, join, sum_loop, use_deque
from maabarium.proposers.mutate.rewrites.caching import cache_pure
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
from maabarium.proposers.mutate.rewrites.patterns import compile_pattern
from maabarium.proposers.mutate.rewrites.sorting import key_getter, sorted_to_heap
from maabarium.proposers.mutate.rewrites.timestamps import cache_timestamps, iso_timestamps

__all__ = ["ALL_OPERATORS"]

ALL_OPERATORS = (
    compile_pattern, constant_membership, membership_set, seen_set, comprehension, cache_timestamps, iso_timestamps,
    cache_pure, count_by_counter, group_by_setdefault, sorted_to_heap, key_getter, invariant_call, repeated_call,
    local_name, enumerate_loop, iterate_file, dict_keys, append_in_place, use_deque, join, sum_loop, get_with_default,
    length_test,
)  # fmt: skip
"""In the order in which they are tried when nothing else tells them apart."""
