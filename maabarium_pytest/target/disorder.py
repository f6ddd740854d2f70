"""Other orders of what has none: entries of folders, and addresses, by which sets of plain objects are ordered.

A session of this kind finds out whether tests pass only because such an order happens to be the usual one.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

SIZES = range(16, 513, 16)
"""Bytes: small objects of these sizes share pools."""
EACH = 400
_held: list[Any] = []


def begin(seed: int) -> None:
    """From here on folders are listed, and small objects placed, in orders that the seed decides."""
    coin = random.Random(seed)
    _scatter(coin)
    _shuffle_folders(coin)


def _scatter(coin: random.Random) -> None:
    """Leave holes of every size all over the heap, so that new objects are not placed in the order of their making."""
    for size in SIZES:
        made: list[Any] = [bytes(size - 33) if size > 48 else object() for _ in range(EACH)]
        coin.shuffle(made)
        del made[EACH // 2 :]
        _held.append(made)


def _shuffle_folders(coin: random.Random) -> None:
    listdir, scandir = os.listdir, os.scandir

    def shuffled_listdir(path: Any = ".") -> list[Any]:
        names: list[Any] = listdir(path)
        coin.shuffle(names)
        return names

    def shuffled_scandir(path: Any = ".") -> Any:
        with scandir(path) as entries:
            found = list(entries)
        coin.shuffle(found)
        return Entries(found)

    os.listdir = shuffled_listdir
    os.scandir = shuffled_scandir


class Entries:
    """What `os.scandir` returns: an iterator that can be closed."""

    def __init__(self, entries: list[Any]) -> None:
        self._left = iter(entries)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._left)

    def __enter__(self) -> Entries:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more comes."""
        self._left = iter(())
