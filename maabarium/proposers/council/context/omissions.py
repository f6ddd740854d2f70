"""Sentences on what did not fit. Complete when there is room; otherwise the last sentence counts the rest."""

from __future__ import annotations

from collections.abc import Sequence

from maabarium.proposers.council.context.excerpts import Excerpt, Excerpts
from maabarium.proposers.council.context.library import HOLDOUT, SourceFiles, printable
from maabarium.proposers.council.context.part import cost_of_lines

__all__ = ["Omissions"]

_NAMES = 6


class Omissions:
    """What was left out, the more important first."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._files: list[str] = []
        """One sentence for each file that is not shown at all."""

    def say(self, sentence: str) -> None:
        """Note something that was left out."""
        self._said.append(sentence)

    def of_files(self, library: SourceFiles, excerpts: Excerpts, order: Sequence[str], targets: Sequence[str]) -> None:
        """Note the files that are shown in part, and the target files that are not shown, best ones first."""
        for excerpt in sorted(excerpts.by_path.values(), key=lambda excerpt: not excerpt.editable):
            if not excerpt.whole:
                self._said.append(_partly(excerpt))
        for path in dict.fromkeys([*order, *targets]):
            if path in excerpts.by_path:
                continue
            reason = library.hidden(path)
            if reason == HOLDOUT:
                continue
            if not reason and len(self._files) < 40:  # looking into every file of a large tree would take long
                reason = library.obstacle(path)
            self._files.append(f"{printable(path)} is not shown" + (f": {reason}" if reason else ""))

    def sentences(self, room: int) -> tuple[str, ...]:
        """The sentences that fit into so many tokens; what does not fit is counted."""
        every = [*self._said, *self._files]
        kept: list[str] = []
        for number, sentence in enumerate(every):
            rest = self._rest(number + 1)
            if cost_of_lines([sentence, rest] if rest else [sentence]) > room:
                return (*kept, self._rest(number))
            room -= cost_of_lines([sentence])
            kept.append(sentence)
        return tuple(kept)

    def _rest(self, start: int) -> str:
        """A sentence that counts what comes from `start` on; empty when nothing does."""
        others = max(len(self._said) - start, 0)
        files = len(self._files) - max(start - len(self._said), 0)
        pieces = [f"{files} more {'file' if files == 1 else 'files'}"] if files else []
        pieces += [f"{others} other {'thing' if others == 1 else 'things'}"] if others else []
        return f"{' and '.join(pieces)} that may matter" if pieces else ""


def _partly(excerpt: Excerpt) -> str:
    if not excerpt.editable:
        return f"{printable(excerpt.path)} is shown in part"
    names = [chunk.name for chunk in excerpt.hidden_chunks()]
    said = ", ".join(printable(name)[:40] for name in names[:_NAMES])
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"of {printable(excerpt.path)} these parts are not shown: {said}{more}"
