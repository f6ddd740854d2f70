"""The arm `repairs`: undo usual faults in the lines that failing tests point at, likeliest first.

Puts the parts together; the bandit that spends a budget over arms is elsewhere. Evaluates nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from maabarium.code.python_file import PythonFile
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.repairs.history import learn, undone
from maabarium.proposers.mutate.repairs.ideas import Idea, still_parses, think, weight
from maabarium.proposers.mutate.repairs.localisation import Localisation
from maabarium.records import Evaluation

__all__ = ["Repairs"]

_MOST_CHANGES = 400
_LARGEST = 1_000_000
"""Bytes above which a file is passed over: parsing it would cost more than an evaluation."""
_KEPT = 4
"""States of the target whose ideas are remembered."""


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
        states = [self._state(request, request.champion.evaluation, self._contents, instead=False)]
        if any(attempt.outcome.verdict == "promoted" for attempt in request.history):
            states.append(self._state(request, request.baseline, self._undone, instead=True))
        ranked: list[tuple[float, Idea, _State]] = []
        for state in filter(None, states):
            number = 0 if state.instead else request.champion.number
            lessons = learn(request.history, number, state.localisation.faults.tests)
            ranked += [(weight(idea, lessons), idea, state) for idea in state.ideas if idea.key not in lessons.tried]
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
        self,
        request: ProposalRequest,
        evaluation: Evaluation,
        contents: Callable[[ProposalRequest], dict[str, bytes]],
        *,
        instead: bool,
    ) -> _State | None:
        """The state that was made for this champion before, or a new one."""
        key = (request.champion.tree, request.champion.number, request.targets, instead)
        if not request.champion.tree or key not in self._states:
            found = Localisation.of(request, contents(request), evaluation, self._read)
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
    return Mutation(suspect.path, repair.operator, idea.site, summary, content, value, data)


def _label(old: str, new: str) -> str:
    old, new = _short(old), _short(new)
    if not old:
        return f"insert `{new}`"
    return f"drop `{old}`" if not new else f"`{old}` -> `{new}`"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"
