"""The arm `repairs`: undo usual faults in the lines that failing tests point at, likeliest first.

Puts the parts together; the bandit that spends a budget over arms is elsewhere. Evaluates nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from maabarium.proposers.mutate.change import Change
from maabarium.proposers.mutate.repairs.drafting import compiles, drafts
from maabarium.proposers.mutate.repairs.evidence import Evidence, File, Shelf, failing
from maabarium.proposers.mutate.repairs.history import Lessons, learn
from maabarium.proposers.mutate.repairs.place import Draft
from maabarium.proposers.mutate.repairs.spectrum import Suspicion
from maabarium.proposers.mutate.repairs.survey import Statement
from maabarium.proposers.mutate.repairs.symptoms import boost, words
from maabarium.protocols import ProposalRequest

__all__ = ["Repairs"]

_MOST_STATEMENTS = 150
_MOST_CHANGES = 400
_SHARPNESS = 2.0
"""Exponent of the suspicion: a line half as suspicious is worth a quarter."""


@dataclass(frozen=True, slots=True)
class _Idea:
    """A draft with the place it came from; `worth` leaves the history out."""

    path: str
    statement: Statement
    draft: Draft
    site: str
    suspicion: Suspicion
    worth: float


class Repairs:
    """Repairs of single faults, driven by failing tests and the lines they run (see `docs/repairs.md`)."""

    name = "repairs"

    def __init__(self) -> None:
        self._shelf = Shelf()
        self._last: tuple[object, Evidence, list[_Idea]] | None = None

    def changes(self, request: ProposalRequest) -> Iterable[Change]:
        """Changes of the champion's target files, best guess first; none when no test fails."""
        found = self._ideas(request)
        if found is None:
            return
        evidence, ideas = found
        tests = [result.id for result in failing(request.champion.evaluation.tests)]
        lessons = learn(request.history, request.champion, tests)
        ranked = sorted(
            ((_weight(idea, lessons), idea) for idea in ideas if (idea.site, idea.draft.new) not in lessons.tried),
            key=lambda pair: (-pair[0], pair[1].path, pair[1].draft.start, pair[1].draft.end, pair[1].draft.new),
        )
        yield from _first(ranked, evidence)

    def _ideas(self, request: ProposalRequest) -> tuple[Evidence, list[_Idea]] | None:
        """Evidence and ideas for the champion; kept until the champion changes."""
        champion = request.champion
        key = (champion.tree, champion.number, request.targets)
        if champion.tree and self._last is not None and self._last[0] == key:
            return self._last[1], self._last[2]
        evidence = Evidence.of(request, self._shelf)
        if evidence is None:
            return None
        self._last = (key, evidence, _think(evidence))
        return self._last[1], self._last[2]


def _think(evidence: Evidence) -> list[_Idea]:
    """All drafts for the most suspicious statements."""
    suspects = [
        (suspicion, path, statement)
        for path, file in evidence.files.items()
        for statement in file.statements
        if (suspicion := evidence.spectrum.suspicion(path, statement, evidence.using(statement))).score > 0
    ]
    suspects.sort(key=lambda suspect: (-suspect[0].score, suspect[1], suspect[2].first))
    found = words(evidence.symptoms)
    hints = boost(evidence.symptoms)
    ideas: list[_Idea] = []
    for suspicion, path, statement in suspects[:_MOST_STATEMENTS]:
        seats: dict[str, list[int]] = {}
        for draft in sorted(drafts(evidence.files[path].source, statement, found), key=lambda d: (d.start, d.end)):
            starts = seats.setdefault(draft.operator, [])
            if draft.start not in starts:
                starts.append(draft.start)
            scope = statement.scope.qualname or "<module>"
            site = f"{path}::{scope}::{statement.number}.{draft.operator}.{starts.index(draft.start) + 1}"
            hint = max((hints.get(tag, 1.0) for tag in draft.tags), default=1.0)
            worth = suspicion.score**_SHARPNESS * draft.prior * hint
            ideas.append(_Idea(path, statement, draft, site, suspicion, worth))
    return ideas


def _weight(idea: _Idea, lessons: Lessons) -> float:
    """The chance that a change pays, kept below 1 without losing the order."""
    worth = idea.worth * lessons.factor(idea.path, idea.statement.first, idea.statement.last)
    if (idea.site, idea.draft.new) in lessons.stale:
        worth *= 0.5
    return worth / (1.0 + worth)


def _first(ranked: list[tuple[float, _Idea]], evidence: Evidence) -> Iterator[Change]:
    """The best ideas that compile, as whole files, each content once."""
    seen: set[tuple[str, bytes]] = set()
    for weight, idea in ranked:
        file, draft = evidence.files[idea.path], idea.draft
        if not compiles(file.source, idea.statement, draft):
            continue
        content = file.source.encoded(file.source.replaced(draft.start, draft.end, draft.new))
        if content is None or (idea.path, content) in seen:
            continue
        seen.add((idea.path, content))
        yield _change(idea, file, weight, content)
        if len(seen) >= _MOST_CHANGES:
            return


def _change(idea: _Idea, file: File, weight: float, content: bytes) -> Change:
    draft = idea.draft
    line = file.source.line(draft.start)
    scope = idea.statement.scope.qualname or "the module"
    count = idea.suspicion.failing
    tests = "1 failing test covers it" if count == 1 else f"{count} failing tests cover it"
    summary = f"{_label(file.source.text[draft.start : draft.end], draft.new)} in {scope} (line {line}): {tests}"
    data = {
        "line": line, "replacement": draft.new, "suspicion": round(idea.suspicion.score, 4), "failing": count,
        "site": idea.site,
    }  # fmt: skip
    return Change(idea.path, draft.operator, idea.site, summary, content, weight, data)


def _label(old: str, new: str) -> str:
    old, new = _short(old), _short(new)
    if not old:
        return f"insert `{new}`"
    return f"drop `{old}`" if not new else f"`{old}` -> `{new}`"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"
