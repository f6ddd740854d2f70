"""Which source measures a metric: as written, by the rules files, by the evaluator, or by the family of its name.

A bare source (`tests.cpu`, `score:latency`) belongs to the `pytest` evaluator; another evaluator's is written
`evaluator:name`. Pure: what exists is given as names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from maabarium.blueprint.families import best_direction, family_of, turned
from maabarium.blueprint.rules import ANY
from maabarium.blueprint.schema import Metric
from maabarium.blueprint.selection import LATER
from maabarium.blueprint.sentences import listed, near, quote
from maabarium.errors import Problem

__all__ = ["PYTEST", "Offer", "SourceBinding", "against_the_grain", "bind_metric", "written"]

PYTEST = "pytest"
How = Literal["given", "rules", "evaluator", "family"]


@dataclass(frozen=True)
class Offer:
    """What can be measured: sources by evaluator, and the scores of the rules files (None: not looked at)."""

    sources: Mapping[str, frozenset[str]]
    primary: str
    rule_scores: frozenset[str] | None = None

    def has(self, evaluator: str, source: str) -> bool:
        """Whether that evaluator measures that source, by name or as one of a family (`score:*`)."""
        offered = self.sources.get(evaluator, frozenset())
        return source in offered or any(
            name.endswith("*") and source.startswith(name[:-1]) and len(source) >= len(name) for name in offered
        )

    def names(self) -> tuple[str, ...]:
        """All sources as a blueprint writes them."""
        return tuple(sorted(written(owner, name) for owner, names in self.sources.items() for name in names))

    def listing(self) -> str:
        """The sources for a sentence."""
        return listed((name.replace("*", "<name>") for name in self.names()), most=20)


@dataclass(frozen=True)
class SourceBinding:
    """One metric, bound. `metric` has its source filled in and, if `turned_round`, the other direction."""

    metric: Metric
    evaluator: str
    source: str
    """The source as that evaluator knows it."""
    how: How
    turned_round: bool = False
    timed: bool = False


def written(evaluator: str, source: str) -> str:
    """A source as a blueprint writes it."""
    return source if evaluator == PYTEST else f"{evaluator}:{source}"


def bind_metric(metric: Metric, offer: Offer, where: str) -> SourceBinding | Problem:
    """Bind one metric. `where` is its key path, such as `metrics.metrics[1]`."""
    if metric.source is not None:
        return _given(metric, metric.source.strip(), offer, f"{where}.source")
    if offer.rule_scores is not None and metric.name in offer.rule_scores and offer.has(PYTEST, f"score:{metric.name}"):
        return _bound(metric, PYTEST, f"score:{metric.name}", "rules")
    if offer.primary != PYTEST and offer.has(offer.primary, metric.name):
        return _bound(metric, offer.primary, metric.name, "evaluator")
    return _by_family(metric, offer, f"{where}.name")


def _given(metric: Metric, source: str, offer: Offer, where: str) -> SourceBinding | Problem:
    owner, colon, name = source.partition(":")
    if colon and owner in offer.sources:
        if offer.has(owner, name):
            missing = _missing_score(name, offer, where) if owner == PYTEST else None
            return missing or _bound(metric, owner, name, "given")
        there = listed(offer.sources[owner])
        return Problem(where, f"the evaluator {owner} does not measure {quote(name)}; it measures: {there}")
    if offer.has(PYTEST, source):
        return _missing_score(source, offer, where) or _bound(metric, PYTEST, source, "given")
    if offer.has(offer.primary, source):
        return _bound(metric, offer.primary, source, "given")
    if colon and owner in LATER and name:
        return Problem(where, f"the {owner} evaluator ({LATER[owner]}) is not installed here; {_today(offer)}")
    close = near(source, offer.names())
    hint = f'did you mean "{close}"?' if close and not close.endswith("*") else _today(offer)
    return Problem(where, f"nothing measures {quote(source)}; {hint}")


def _missing_score(source: str, offer: Offer, where: str) -> Problem | None:
    """A `score:` that no rules file gives, when that can be told from the files."""
    known = offer.rule_scores
    family, _, name = source.partition(":")
    if family != "score" or known is None or name in known or ANY in known:
        return None
    if not known:
        return Problem(where, f'{quote(source)} needs a rules file with score.measure("{name}", …) in evaluator.rules')
    close = near(name, known)
    hint = f'; did you mean "score:{close}"?' if close else f"; they measure: {listed(known)}"
    return Problem(where, f"no rules file measures {quote(name)}{hint}")


def _by_family(metric: Metric, offer: Offer, where: str) -> SourceBinding | Problem:
    family = family_of(metric.name)
    help_ = f'give it a source, or a rules file with score.measure("{metric.name}", …); {_today(offer)}'
    if family is None:
        return Problem(where, f"nothing says how {quote(metric.name)} is measured: {help_}")
    source = family.source.replace("{name}", metric.name)
    owner, colon, name = source.partition(":")
    if not colon:
        owner, name = PYTEST, source
    if not offer.has(owner, name):
        lacking = (
            f"the {owner} evaluator ({LATER[owner]}), which is not installed here"
            if owner in LATER
            else f"{quote(name)} of the evaluator {owner}, which does not offer it"
        )
        return Problem(where, f"{quote(metric.name)} needs {lacking}: {help_}")
    return _bound(metric, owner, name, "family", turn=family.opposite)


def _bound(metric: Metric, evaluator: str, source: str, how: How, turn: bool = False) -> SourceBinding:
    direction = turned(metric.direction) if turn else metric.direction
    filled = metric.model_copy(update={"source": written(evaluator, source), "direction": direction})
    return SourceBinding(filled, evaluator, source, how, turn)


def _today(offer: Offer) -> str:
    return f"sources here: {offer.listing()}"


def against_the_grain(binding: SourceBinding) -> bool:
    """Whether the blueprint asks for more of what is better when it is less, or the reverse."""
    best = best_direction(binding.source) if binding.evaluator == PYTEST else None
    return best is not None and best != binding.metric.direction
