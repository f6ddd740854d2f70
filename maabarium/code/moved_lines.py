"""The lines that ran in one version of the files, where another version has them."""

from __future__ import annotations

from collections.abc import Mapping

from maabarium.code.edits import changed_blocks
from maabarium.records import LineMap

__all__ = ["moved_lines"]


def moved_lines(lines: LineMap, changed: Mapping[str, tuple[bytes, bytes]]) -> LineMap:
    """What was traced, with the numbers that the lines have after the change; `changed` maps paths to both contents.

    A line that was replaced passes its hits to all that stand in its place; an inserted one has none. The engine asks
    for each champion, since only the baseline is traced.
    """
    moves = {path: _moves(*contents) for path, contents in changed.items()}
    return LineMap(
        by_test={
            test: {
                path: tuple(sorted({new for line in ran for new in moves[path].get(line, ())}))
                if path in moves
                else ran
                for path, ran in files.items()
            }
            for test, files in lines.by_test.items()
        },
        hits={path: _moved_hits(hits, moves[path]) if path in moves else hits for path, hits in lines.hits.items()},
    )


def _moves(before: bytes, after: bytes) -> dict[int, range]:
    """The lines, from 1, in which each line of the text before ended up; of those that were deleted none."""
    moves: dict[int, range] = {}
    line, shift = 1, 0
    for (first, last), new in sorted(changed_blocks(before, after).items()):
        moves |= {same: range(same + shift, same + shift + 1) for same in range(line, first)}
        moves |= dict.fromkeys(range(first, last + 1), range(first + shift, first + shift + len(new)))
        line, shift = last + 1, shift + len(new) - (last + 1 - first)
    count = before.count(b"\n") + 1
    return moves | {same: range(same + shift, same + shift + 1) for same in range(line, count + 1)}


def _moved_hits(hits: Mapping[int, int], moves: Mapping[int, range]) -> dict[int, int]:
    moved: dict[int, int] = {}
    for line, count in hits.items():
        for new in moves.get(line, ()):
            moved[new] = max(moved.get(new, 0), count)
    return moved
