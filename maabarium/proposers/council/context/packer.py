"""Packs what a model should see into a number of tokens: the most important first, nothing cut without a word.

Each kind of material is a step with a priority; plug-in sections come in between by theirs. A step may spend what is
left, less what later steps are known to need, so that no early step starves the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from maabarium.code.tree import Imports
from maabarium.plugins.protocols import ProposalRequest, Section
from maabarium.proposers.council.context.excerpts import Excerpt, Excerpts, Packed, PromptPart, cost_of, cost_of_lines
from maabarium.proposers.council.context.failures import failed_functions, show_failures
from maabarium.proposers.council.context.files import Priorities, ranked, show_code
from maabarium.proposers.council.context.guidance import creatable_files, guidance, measured_now, style_text
from maabarium.proposers.council.context.related import show_related
from maabarium.proposers.council.context.source_files import HOLDOUT, SourceFiles, printable
from maabarium.proposers.council.feedback import Advice, attempts_text
from maabarium.safe_text import one_line

__all__ = ["LEAST", "pack"]

LEAST = 100
"""Tokens below which nothing is packed at all."""

_CRAMPED = 320
"""Room that is left to code alone: delimiters around failing tests would take half of it."""
_NAMES = 6
"""Hidden symbols of one file that are named."""


class Step(NamedTuple):
    """One kind of material. `reserve` is what earlier steps leave for it, `most` what it may take."""

    priority: int
    reserve: int
    most: int
    run: Callable[[int], int]
    """Spend at most so many tokens; returns what was spent."""


def pack(
    request: ProposalRequest,
    *,
    tokens: int,
    sections: Sequence[Section] = (),
    advice: Advice | None = None,
    library: SourceFiles | None = None,
) -> Packed:
    """Pack for one experiment; the estimate of what comes back never exceeds `tokens`.

    A `library` of the same tree may be handed in again, so that its files are read once for several models.
    """
    if tokens < LEAST:
        return Packed(omitted=(f"{max(tokens, 0)} tokens leave no room for any material; {LEAST} are the least",))
    library = library or SourceFiles(request.files, request.blueprint)
    return _Packing(request, tokens, advice or Advice(), library).packed(sections)


class _Packing:
    """One packing under way."""

    def __init__(self, request: ProposalRequest, tokens: int, advice: Advice, library: SourceFiles) -> None:
        self.request, self.tokens, self.advice, self.library = request, tokens, advice, library
        self.excerpts = Excerpts(library, request.targets)
        self.imports = Imports(library)
        self.failures = failed_functions(request.champion.evaluation.tests, library)
        self.priorities = Priorities(request, self.failures, library, self.imports)
        self.order: list[str] = []
        self.parts: list[PromptPart | Excerpt] = []
        self.left_out: list[str] = []
        """Sentences, the more important first."""

    def packed(self, sections: Sequence[Section]) -> Packed:
        """Run the steps and put the result together."""
        creatable = self._creatable()
        reserved = min(max(64, self.tokens // 12), 600)
        left = self.tokens - reserved - cost_of_lines(creatable)
        steps = sorted([*self._steps(left), *self._plug_ins(sections, left)], key=lambda step: step.priority)
        for number, step in enumerate(steps):
            later = sum(other.reserve for other in steps[number + 1 :])
            before = len(self.parts)
            left -= step.run(max(0, min(left - later, step.most)))
            self.parts[before:before] = [each for each in self.excerpts.by_path.values() if each not in self.parts]
        for excerpt in self.excerpts.by_path.values():
            excerpt.settle()
        parts = tuple(each.part() if isinstance(each, Excerpt) else each for each in self.parts)
        used = sum(map(cost_of, parts)) + cost_of_lines(creatable)
        omitted = self._omitted(min(self.tokens - used, max(reserved, self.tokens // 8)))
        shown = tuple(excerpt.shown() for excerpt in self.excerpts.editable())
        return Packed(parts, shown, creatable, omitted, used + cost_of_lines(omitted))

    def _steps(self, room: int) -> list[Step]:
        history = self._history(room // 4)
        narrow = self.advice.scope == "narrow"
        related = partial(show_related, self.excerpts, self.request, self.imports)
        tests = 0.0 if room < _CRAMPED else 0.25 if narrow else 0.4
        return [
            Step(5, 0, room // 3, self._task),
            Step(10, room // 4 if self.failures else 0, int(room * tests), self._tests),
            Step(20, room // 3, room, self._code),
            Step(30, room // 20, 0 if narrow else room // 5, related),
            Step(40, min(cost_of(history), room // 8) if history else 0, room // 4, self._told),
            Step(50, min(60, room // 20), room // 10, self._style),
        ]

    def _plug_ins(self, sections: Sequence[Section], room: int) -> list[Step]:
        """What plug-ins add; together they are sure of a fifth, one alone gets at most two fifths."""
        steps = []
        sure = room // 5
        for section in sorted(sections, key=lambda section: section.priority):
            part = PromptPart(one_line(section.title, 120), section.text, "plug-in")
            reserve = cost_of(part) if cost_of(part) <= sure else 0
            sure -= reserve
            missing = f'the section "{part.title}" of a plug-in: {cost_of(part)} tokens do not fit'
            steps.append(Step(section.priority, reserve, int(room * 0.4), partial(self._add, part, missing=missing)))
        return steps

    def _add(self, part: PromptPart | None, limit: int, missing: str = "") -> int:
        """Put a part with text into the prompt if it fits, or say that it is missing. Returns what it costs, or 0."""
        if part is None or not part.text.strip():
            return 0
        if cost_of(part) > limit:
            self.left_out += [missing] if missing else []
            return 0
        self.parts.append(part)
        return cost_of(part)

    def _task(self, limit: int) -> int:
        guide = PromptPart("How to work", guidance(self.request, self.library), "blueprint", "rules")
        spent = self._add(guide, limit, "the advice on writing documents")
        measured = PromptPart("Measured now", measured_now(self.request), "baseline", "rules")
        return spent + self._add(measured, min(limit - spent, limit // 3))

    def _tests(self, limit: int) -> int:
        most = 4 if self.advice.scope == "narrow" else 12
        part, spent, missing = show_failures(self.excerpts, self.failures, limit, most)
        if part is not None:
            self.parts.append(part)
        if missing:
            self.left_out.append(f"{missing} failing {'test' if missing == 1 else 'tests'} more")
        return spent

    def _code(self, limit: int) -> int:
        self.order = ranked(self.request, self.priorities, self.library, self.imports, self.advice.scope)
        scope, seed = self.advice.scope, self.request.seed
        return show_code(self.excerpts, self.order, self.priorities, limit=limit, scope=scope, seed=seed)

    def _history(self, tokens: int) -> PromptPart | None:
        text = attempts_text(self.request.history, self.request.champion.number, tokens=max(0, tokens - 60))
        return PromptPart("What was tried before, newest last", text, "history") if text else None

    def _told(self, limit: int) -> int:
        spent = self._add(self._history(limit), limit)
        if not spent and self.request.history:
            self.left_out.append("the earlier attempts")
        return spent

    def _style(self, limit: int) -> int:
        said = style_text(self.library, [excerpt.path for excerpt in self.excerpts.editable()])
        return self._add(PromptPart("Style", said, "style", "rules"), limit)

    def _creatable(self) -> tuple[str, ...]:
        """Paths to create, as many as an eighth of the room takes."""
        found: list[str] = []
        for path in creatable_files(self.request, self.library):
            if cost_of_lines([*found, path]) > self.tokens // 8:
                self.left_out.append("some paths that could be created")
                break
            found.append(path)
        return tuple(found)

    def _omitted(self, room: int) -> tuple[str, ...]:
        """What was left out in so many tokens: things, files shown in part, files not shown; the rest is counted."""
        partly = sorted(self.excerpts.by_path.values(), key=lambda excerpt: not excerpt.editable)
        others = [*self.left_out, *(_partly(excerpt) for excerpt in partly if not excerpt.whole)]
        every = [*others, *self._unseen()]
        kept: list[str] = []
        for number, sentence in enumerate(every):
            counts = [_rest(max(len(others) - n, 0), len(every) - max(len(others), n)) for n in (number, number + 1)]
            if cost_of_lines([sentence, counts[1]] if counts[1] else [sentence]) > room:
                return (*kept, counts[0])
            room -= cost_of_lines([sentence])
            kept.append(sentence)
        return tuple(kept)

    def _unseen(self) -> list[str]:
        """A sentence for each target file that is not shown at all, best ones first."""
        found: list[str] = []
        for path in dict.fromkeys([*self.order, *self.request.targets]):
            reason = self.library.hidden(path)
            if path in self.excerpts.by_path or reason == HOLDOUT:
                continue
            if not reason and len(found) < 40:  # looking into every file of a large tree would take long
                reason = self.library.obstacle(path)
            found.append(f"{printable(path)} is not shown" + (f": {reason}" if reason else ""))
        return found


def _rest(others: int, files: int) -> str:
    """A sentence that counts what is not said; empty when that is nothing."""
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
