"""The arm `repairs`: undo usual faults in the lines that failing tests point at, likeliest first.

Puts the parts together; the bandit that spends a budget over arms is elsewhere. Evaluates nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.repairs.drafting import compiles
from maabarium.proposers.mutate.repairs.evidence import Evidence, Shelf, failing
from maabarium.proposers.mutate.repairs.history import learn, undone
from maabarium.proposers.mutate.repairs.ideas import Idea, think, weight

__all__ = ["Repairs"]

_MOST_CHANGES = 400
_KEPT = 4
"""States of the target whose ideas are remembered."""


@dataclass(frozen=True, slots=True)
class _Thoughts:
    """Ideas for one state of the target. `instead`: the state before all kept changes, not the champion's."""

    evidence: Evidence
    ideas: list[Idea]
    instead: bool


class Repairs:
    """Repairs of single faults, driven by failing tests and the lines they run (see `docs/repairs.md`)."""

    name = "repairs"

    def __init__(self) -> None:
        self._shelf = Shelf()
        self._thoughts: dict[object, _Thoughts | None] = {}

    def changes(self, request: ProposalRequest) -> Iterable[Mutation]:
        """Changes of the champion's target files, best guess first; none when no test fails."""
        if not failing(request.champion.evaluation.tests):
            return
        ranked: list[tuple[float, Idea, _Thoughts]] = []
        for thoughts in (self._of_champion(request), self._of_baseline(request)):
            if thoughts is None:
                continue
            tests = [symptom.test for symptom in thoughts.evidence.symptoms]
            lessons = learn(request.history, 0 if thoughts.instead else request.champion.number, tests)
            ranked += [(weight(i, lessons), i, thoughts) for i in thoughts.ideas if i.key not in lessons.tried]
        ranked.sort(key=lambda e: (-e[0], e[2].instead, e[1].path, e[1].draft.start, e[1].draft.end, e[1].draft.new))
        yield from _first(ranked)

    def _of_champion(self, request: ProposalRequest) -> _Thoughts | None:
        """Ideas for the champion as it is."""
        key = (request.champion.tree, request.champion.number, request.targets)
        if not request.champion.tree or key not in self._thoughts:
            contents = {path: request.files.read(path) for path in _python(request)}
            evidence = Evidence.of(request, contents, request.champion.evaluation, self._shelf)
            self._keep(key, evidence, instead=False)
        return self._thoughts[key]

    def _of_baseline(self, request: ProposalRequest) -> _Thoughts | None:
        """Ideas for the baseline's version of files in which a change was kept.

        A kept change may only have hidden the fault from some tests; then the true repair is one to be made
        instead of it, and would never be found from the champion.
        """
        if not any(attempt.outcome.verdict == "promoted" for attempt in request.history):
            return None
        key = (request.champion.tree, request.champion.number, request.targets, "instead")
        if not request.champion.tree or key not in self._thoughts:
            contents: dict[str, bytes] = {}
            for path in _python(request):
                file = self._shelf.file(path, request.files.read(path))
                text = None if file is None else undone(request.history, path, file.source.text)
                content = None if file is None or text is None else file.source.encoded(text)
                if content is not None:
                    contents[path] = content
            evidence = Evidence.of(request, contents, request.baseline, self._shelf) if contents else None
            self._keep(key, evidence, instead=True)
        return self._thoughts[key]

    def _keep(self, key: object, evidence: Evidence | None, *, instead: bool) -> None:
        while len(self._thoughts) >= _KEPT:
            del self._thoughts[next(iter(self._thoughts))]
        self._thoughts[key] = None if evidence is None else _Thoughts(evidence, think(evidence), instead)


def _python(request: ProposalRequest) -> list[str]:
    """Target files that exist (an exact target may be absent) and are Python."""
    there = set(request.files.paths())
    return [path for path in request.targets if path.endswith((".py", ".pyw")) and path in there]


def _first(ranked: list[tuple[float, Idea, _Thoughts]]) -> Iterator[Mutation]:
    """The best ideas that compile, as whole files, each content once."""
    states = {id(thoughts): thoughts for _, _, thoughts in ranked}.values()
    seen = {(path, file.content) for thoughts in states for path, file in thoughts.evidence.files.items()}
    most = len(seen) + _MOST_CHANGES
    for value, idea, thoughts in ranked:
        source, draft = thoughts.evidence.files[idea.path].source, idea.draft
        if not compiles(source, idea.statement, draft):
            continue
        content = source.encoded(source.replaced(draft.start, draft.end, draft.new))
        if content is None or (idea.path, content) in seen:
            continue
        seen.add((idea.path, content))
        yield _change(idea, thoughts, value, content)
        if len(seen) >= most:
            return


def _change(idea: Idea, thoughts: _Thoughts, value: float, content: bytes) -> Mutation:
    draft, source = idea.draft, thoughts.evidence.files[idea.path].source
    old, line = source.text[draft.start : draft.end], source.line(draft.start)
    scope = idea.statement.scope.qualname or "the module"
    count = idea.suspicion.failing
    tests = "1 failing test covers it" if count == 1 else f"{count} failing tests cover it"
    instead = ", instead of what was kept before" if thoughts.instead else ""
    summary = f"{_label(old, draft.new)} in {scope} (line {line}){instead}: {tests}"
    data: dict[str, str | int | float | bool] = {
        "line": line, "start": draft.start, "replaced": old, "replacement": draft.new, "site": idea.site,
        "suspicion": round(idea.suspicion.score, 4), "failing": count, "instead": thoughts.instead,
    }  # fmt: skip
    return Mutation(idea.path, draft.operator, idea.site, summary, content, value, data)


def _label(old: str, new: str) -> str:
    old, new = _short(old), _short(new)
    if not old:
        return f"insert `{new}`"
    return f"drop `{old}`" if not new else f"`{old}` -> `{new}`"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"
