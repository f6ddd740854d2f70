"""The arm `repairs`: undo usual faults in the lines that failing tests point at, likeliest first.

What earlier experiments say is read after Metallaxis (Papadakis and Le Traon, 2015): a change in the faulty statement
turns some failing test green, a change elsewhere mostly turns passing ones red.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from maabarium.code.python_file import PythonFile
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.repairs.ideas import Idea, still_parses, think
from maabarium.proposers.mutate.repairs.localisation import Localisation
from maabarium.records import Attempt, Evaluation
from maabarium.safe_text import shortened

__all__ = ["Lessons", "Repairs", "learn", "undone"]

_MOST_CHANGES = 400
_LARGEST = 1_000_000
"""Bytes above which a file is passed over: parsing it would cost more than an evaluation."""
_KEPT = 4
"""States of the target whose ideas are remembered."""
_UNFINISHED = {"error", "cancelled"}
_TELLING = {"promoted", "rejected"}
_SILENT = {"timeout", "crashed", "out_of_memory", "output_flood", "import_failed", "does_not_apply", "out_of_bounds"}
_FULL = 50
"""An outcome names at most so many failing tests; a full list cannot be compared."""
_STALE, _PROMISING = 0.5, 2.0
"""Factors for what failed, or helped, on another champion."""
_FIXED, _BROKE, _SAME = 1.8, 0.95, 0.85
_LEAST, _MOST = 0.6, 2.5
"""Bounds of a statement's factor: many wrong edits of a long line say little against the line."""


@dataclass(frozen=True, slots=True)
class _State:
    """Ideas for one state of the target. `instead`: the state before all kept changes, not the champion's."""

    localisation: Localisation
    ideas: list[Idea]
    instead: bool


class Repairs:
    """Repairs of single faults, driven by failing tests and the lines they run (see `docs/repairs.md`)."""

    name = "repairs"

    def __init__(self) -> None:
        self._read = functools.lru_cache(maxsize=256)(PythonFile.read)
        self._states: dict[object, _State | None] = {}

    def changes(self, request: ProposalRequest) -> Iterable[Mutation]:
        """Changes of the champion's target files, best guess first; none when no test fails.

        A kept change may only have hidden the fault from some tests; then the true repair is one to be made
        instead of it, and is found in the baseline's version of the files in which a change was kept.
        """
        if not any(test.failed for test in request.champion.evaluation.tests):
            return
        states = [self._state(request, request.champion.evaluation, self._contents(request), instead=False)]
        if any(attempt.outcome.verdict == "promoted" for attempt in request.history):
            states.append(self._state(request, request.baseline, self._undone(request), instead=True))
        ranked: list[tuple[float, Idea, _State]] = []
        for state in filter(None, states):
            number = 0 if state.instead else request.champion.number
            lessons = learn(request.history, number, state.localisation.faults.tests)
            ranked += [(lessons.weight(idea), idea, state) for idea in state.ideas if idea.key not in lessons.tried]
        ranked.sort(key=lambda entry: (-entry[0], entry[2].instead, entry[1].suspect.path, entry[1].repair.key))
        yield from _first(ranked)

    def _contents(self, request: ProposalRequest) -> dict[str, bytes]:
        """Target files that exist (an exact target may be absent), are Python, and not huge."""
        there = set(request.files.paths())
        paths = [path for path in request.targets if path.endswith((".py", ".pyw")) and path in there]
        contents = ((path, request.files.read(path)) for path in paths)
        return {path: content for path, content in contents if len(content) <= _LARGEST}

    def _undone(self, request: ProposalRequest) -> dict[str, bytes]:
        """Those of them in which a change was kept, as they were before."""
        found: dict[str, bytes] = {}
        for path, content in self._contents(request).items():
            if (file := self._read(content)) and (text := undone(request.history, path, file.text)) is not None:
                before = file.encoded(text)
                found |= {path: before} if before is not None else {}
        return found

    def _state(
        self, request: ProposalRequest, evaluation: Evaluation, contents: dict[str, bytes], *, instead: bool
    ) -> _State | None:
        """The state that was made for this champion before, or a new one."""
        key = (request.champion.tree, request.champion.number, request.targets, instead)
        if not request.champion.tree or key not in self._states:
            found = Localisation.of(request, contents, evaluation, self._read)
            while len(self._states) >= _KEPT:
                del self._states[next(iter(self._states))]
            self._states[key] = None if found is None else _State(found, think(found), instead)
        return self._states[key]


def _first(ranked: list[tuple[float, Idea, _State]]) -> Iterator[Mutation]:
    """The best ideas that compile, as whole files, each content once."""
    states = {state.instead: state for _, _, state in ranked}
    seen = {(path, file.content) for state in states.values() for path, file in state.localisation.files.items()}
    most = len(seen) + _MOST_CHANGES
    for value, idea, state in ranked:
        path, repair = idea.suspect.path, idea.repair
        file = state.localisation.files[path]
        if not still_parses(file, idea.suspect.statement, repair):
            continue
        content = file.encoded(file.replaced(repair.start, repair.end, repair.new))
        if content is None or (path, content) in seen:
            continue
        seen.add((path, content))
        yield _mutation(idea, file, content, value, instead=state.instead)
        if len(seen) >= most:
            return


def _mutation(idea: Idea, file: PythonFile, content: bytes, value: float, *, instead: bool) -> Mutation:
    repair, suspect = idea.repair, idea.suspect
    old, line = file.text[repair.start : repair.end], file.line(repair.start)
    scope = suspect.statement.scope.qualname or "the module"
    tests = "1 failing test covers it" if suspect.failing == 1 else f"{suspect.failing} failing tests cover it"
    kept = ", instead of what was kept before" if instead else ""
    summary = f"{_label(old, repair.new)} in {scope} (line {line}){kept}: {tests}"
    data: dict[str, str | int | float | bool] = {
        "line": line, "start": repair.start, "replaced": old, "replacement": repair.new, "site": idea.site,
        "suspicion": round(suspect.score, 4), "failing": suspect.failing, "instead": instead,
    }  # fmt: skip
    return Mutation(suspect.path, repair.operator, idea.site, summary, content, value, data, arm="repairs")


def _label(old: str, new: str) -> str:
    old, new = (shortened(" ".join(text.split()), 40) for text in (old, new))
    if not old:
        return f"insert `{new}`"
    return f"drop `{old}`" if not new else f"`{old}` -> `{new}`"


@dataclass
class Lessons:
    """What to make of (site, replacement): `tried` here, `stale` or `promising` on another champion."""

    tried: set[tuple[str, str]] = field(default_factory=set)
    stale: set[tuple[str, str]] = field(default_factory=set)
    promising: set[tuple[str, str]] = field(default_factory=set)
    lines: dict[tuple[str, int], float] = field(default_factory=dict)
    """Factors by path and line."""

    def factor(self, path: str, first: int, last: int) -> float:
        """How much more (or less) a statement is worth than its suspicion says."""
        value = 1.0
        for line in range(first, last + 1):
            value *= self.lines.get((path, line), 1.0)
        return min(max(value, _LEAST), _MOST)

    def weight(self, idea: Idea) -> float:
        """The chance that a change pays, kept below 1 without losing the order."""
        worth = idea.worth * self.factor(idea.suspect.path, idea.suspect.statement.first, idea.suspect.statement.last)
        if idea.key in self.stale:
            worth *= _STALE
        elif idea.key in self.promising:
            worth *= _PROMISING
        return worth / (1.0 + worth)


def learn(history: Iterable[Attempt], state: int, failing: Iterable[str]) -> Lessons:
    """Read the attempts that this arm's changes led to; `state` is the number of the champion they must start from.

    A change made "instead" of kept ones starts from the baseline, whoever was champion then.
    """
    lessons = Lessons()
    before = set(failing)
    for attempt in history:
        outcome, data = attempt.outcome, attempt.data
        if outcome.verdict in _UNFINISHED or "replacement" not in data:
            continue
        after = set(outcome.failing)
        same = state == (0 if data.get("instead") else outcome.parent)
        key = (outcome.origin.site or str(data.get("site", "")), str(data["replacement"]))
        if same:
            lessons.tried.add(key)
        elif outcome.verdict == "promoted" or (0 < len(after) < _FULL and 2 * len(before & after) <= len(before)):
            lessons.promising.add(key)  # it cured half of the tests or more: elsewhere it may be the whole repair
        else:
            lessons.stale.add(key)
        line = data.get("line")
        if same and isinstance(line, int) and outcome.verdict in _TELLING and outcome.reason_code not in _SILENT:
            known = outcome.verdict == "promoted" or bool(after)
            if known and len(before) < _FULL and len(after) < _FULL:
                place = (key[0].partition("::")[0], line)
                moved = _FIXED if before - after else (_BROKE if after - before else _SAME)
                lessons.lines[place] = lessons.lines.get(place, 1.0) * moved
    return lessons


def undone(history: Iterable[Attempt], path: str, text: str) -> str | None:
    """The text of a file as it was before all kept changes; None if no change of it was kept or one is unknown."""
    kept = [
        attempt.data
        for attempt in history
        if attempt.outcome.verdict == "promoted"
        and (path in attempt.paths or str(attempt.data.get("site", "")).startswith(f"{path}::"))
    ]
    for data in reversed(kept):
        start, old, new = data.get("start"), data.get("replaced"), data.get("replacement")
        if not (isinstance(start, int) and isinstance(old, str) and isinstance(new, str)):
            return None
        if not text.startswith(new, start):
            return None
        text = text[:start] + old + text[start + len(new) :]
        if data.get("instead"):
            break  # this one was made to the baseline's text: nothing older is left in the file
    return text if kept else None
