"""Which source measures a metric: as written, by the rules files, by the evaluator, or by the family of its name.

`FAMILIES` is the table of what a name means when no source is given; `docs/blueprint.md` shows it. A bare source
(`tests.cpu`, `score:latency`) belongs to an evaluator that says so (`pytest`); another's is written `evaluator:name`.
Pure: what exists is given as names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from maabarium.blueprint.rules import ANY
from maabarium.blueprint.schema import Direction, Metric
from maabarium.blueprint.selection import LATER
from maabarium.blueprint.sentences import quote
from maabarium.errors import Problem
from maabarium.safe_text import listed
from maabarium.suggestions import near

__all__ = ["FAMILIES", "Family", "Offer", "SourceBinding", "best_direction", "bind_metric", "family_of", "is_clock"]

_LESS = ("tests.duration", "tests.cpu", "complexity", "lint", "size")
_MORE = ("tests.passed", "coverage", "maintainability")
_CLOCKS = ("tests.duration", "tests.cpu")


@dataclass(frozen=True)
class Family:
    """Names measured alike. `names` must fit whole, `words` may stand anywhere in a name (`parser_latency`).

    `source` may contain `{name}`, which stands for the metric's own name. `opposite` marks names that praise what the
    source counts against: "performance" is bound to the CPU time of the tests with its direction turned round.
    """

    title: str
    names: tuple[str, ...]
    source: str
    words: tuple[str, ...] = ()
    opposite: bool = False


FAMILIES: tuple[Family, ...] = (
    Family(
        "correctness", ("tests", "correct", "functionality", "stability"), "tests.passed",
        words=("correctness", "reliability", "robustness", "pass_rate", "tests_passed"),
    ),
    Family(
        "failures", ("bugs", "defects", "errors"), "tests.passed",
        words=("failures", "failing_tests", "failed_tests"), opposite=True,
    ),
    Family(
        "speed", ("fast", "scalability"), "tests.cpu",
        words=("performance", "speed", "throughput", "efficiency"), opposite=True,
    ),
    Family(
        "time", ("time", "cpu"), "tests.cpu",
        words=("latency", "runtime", "cpu_time", "execution_time", "response_time", "slowness"),
    ),
    Family("duration of the suite", ("duration",), "tests.duration", words=("wall_time", "test_duration", "test_time")),
    Family(
        "readability", ("readable", "understandability"), "complexity",
        words=("readability", "simplicity"), opposite=True,
    ),
    Family("complexity", (), "complexity", words=("complexity", "cyclomatic")),
    Family(
        "maintainability", ("quality", "modularity", "cleanliness"), "maintainability",
        words=("maintainability", "code_quality", "code_health"),
    ),
    Family("test coverage", ("coverage",), "coverage", words=("test_coverage", "line_coverage", "branch_coverage")),
    Family("lint", ("warnings",), "lint", words=("lint", "style_violations", "style_errors")),
    Family("style", ("style", "tidiness"), "lint", words=("code_style", "style_quality"), opposite=True),
    Family("size", ("bloat", "footprint", "verbosity"), "size", words=("size", "loc", "lines_of_code")),
    Family(
        "brevity", ("brevity", "compactness"), "size",
        words=("conciseness", "code_brevity"), opposite=True,
    ),
    Family(
        "judged prose and product",
        (
            "clarity", "specificity", "actionability", "consistency", "revenue_signal", "product_coherence",
            "ux_quality", "shipping_readiness", "impact", "safety",
        ),
        "prompt:{name}",
        words=("clarity", "specificity", "actionability", "coherence", "tone", "helpfulness"),
    ),
    Family(
        "research", ("factual_grounding", "citation_coverage", "source_quality", "synthesis_quality"),
        "research:{name}", words=("citation", "citations", "grounding", "factual", "synthesis"),
    ),
    Family(
        "LoRA adapters",
        ("lora_quality", "artifact_completeness", "metadata_hygiene", "reproducibility"),
        "lora:{name}", words=("lora", "adapter"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Offer:
    """What can be measured: sources by evaluator, and the scores of the rules files (None: not looked at).

    `bare` are the evaluators whose sources are written without their name (see `plugins.protocols.BareSources`).
    """

    sources: Mapping[str, frozenset[str]]
    primary: str
    bare: frozenset[str] = frozenset()
    rule_scores: frozenset[str] | None = None

    def has(self, evaluator: str, source: str) -> bool:
        """Whether that evaluator measures that source, by name or as one of a family (`score:*`)."""
        offered = self.sources.get(evaluator, frozenset())
        return source in offered or any(
            name.endswith("*") and source.startswith(name[:-1]) and len(source) >= len(name) for name in offered
        )

    def names(self) -> tuple[str, ...]:
        """All sources as a blueprint writes them."""
        return tuple(sorted(self.written(owner, name) for owner, names in self.sources.items() for name in names))

    def written(self, evaluator: str, source: str) -> str:
        """A source as a blueprint writes it."""
        return source if evaluator in self.bare else f"{evaluator}:{source}"

    def owner(self, source: str) -> str | None:
        """The evaluator that measures a source written without a name: a bare one, else the primary one."""
        candidates = (*sorted(self.bare, key=lambda name: (name != self.primary, name)), self.primary)
        return next((name for name in candidates if self.has(name, source)), None)

    def listing(self) -> str:
        """The sources for a sentence."""
        return listed((name.replace("*", "<name>") for name in self.names()), 20)


@dataclass(frozen=True)
class SourceBinding:
    """One metric, bound. `metric` has its source filled in and its final direction."""

    metric: Metric
    evaluator: str
    source: str
    """The source as that evaluator knows it."""
    timed: bool = False

    @property
    def bare(self) -> bool:
        """Whether the source is written without its evaluator's name."""
        return self.metric.source == self.source


def bind_metric(metric: Metric, offer: Offer, where: str) -> SourceBinding | Problem:
    """Bind one metric. `where` is its key path, such as `metrics.metrics[1]`."""
    if metric.source is not None:
        return _given(metric, metric.source.strip(), offer, f"{where}.source")
    score = f"score:{metric.name}"
    if offer.rule_scores is not None and metric.name in offer.rule_scores and (owner := offer.owner(score)):
        return _bound(metric, offer, owner, score)
    if offer.primary not in offer.bare and offer.has(offer.primary, metric.name):
        return _bound(metric, offer, offer.primary, metric.name)
    return _by_family(metric, offer, f"{where}.name")


def _given(metric: Metric, source: str, offer: Offer, where: str) -> SourceBinding | Problem:
    owner, colon, name = source.partition(":")
    if colon and owner in offer.sources:
        if offer.has(owner, name):
            missing = _missing_score(name, offer, where) if owner in offer.bare else None
            return missing or _bound(metric, offer, owner, name)
        there = listed(sorted(offer.sources[owner]), 12)
        return Problem(where, f"the evaluator {owner} does not measure {quote(name)}; it measures: {there}")
    if measuring := offer.owner(source):
        missing = _missing_score(source, offer, where) if measuring in offer.bare else None
        return missing or _bound(metric, offer, measuring, source)
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
    hint = f'; did you mean "score:{close}"?' if close else f"; they measure: {listed(sorted(known), 12)}"
    return Problem(where, f"no rules file measures {quote(name)}{hint}")


def _by_family(metric: Metric, offer: Offer, where: str) -> SourceBinding | Problem:
    family = family_of(metric.name)
    help_ = f'give it a source, or a rules file with score.measure("{metric.name}", …); {_today(offer)}'
    if family is None:
        return Problem(where, f"nothing says how {quote(metric.name)} is measured: {help_}")
    source = family.source.replace("{name}", metric.name)
    owner, colon, name = source.partition(":")
    if not colon:
        owner, name = offer.owner(source) or "", source
    if not offer.has(owner, name):
        lacking = (
            f"the {owner} evaluator ({LATER[owner]}), which is not installed here"
            if owner in LATER
            else f"{quote(source)}, which no evaluator here measures"
        )
        return Problem(where, f"{quote(metric.name)} needs {lacking}: {help_}")
    return _bound(metric, offer, owner, name, turn=family.opposite)


def _bound(metric: Metric, offer: Offer, evaluator: str, source: str, turn: bool = False) -> SourceBinding:
    filled: dict[str, str] = {"source": offer.written(evaluator, source)}
    if turn:
        filled["direction"] = "minimize" if metric.direction == "maximize" else "maximize"
    return SourceBinding(metric.model_copy(update=filled), evaluator, source)


def _today(offer: Offer) -> str:
    return f"sources here: {offer.listing()}"


def family_of(name: str) -> Family | None:
    """The family that a metric's name belongs to: a whole name first, else the longest word in it."""
    plain = re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
    for family in FAMILIES:
        if plain in family.names or plain in family.words:
            return family
    padded = f"_{plain}_"
    fits = [(len(word), family) for family in FAMILIES for word in family.words if f"_{word}_" in padded]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def best_direction(source: str) -> Direction | None:
    """Which way a built-in source is better; None when only its author knows (`score:*`, plug-ins)."""
    if source in _LESS or source.startswith("benchmark:"):
        return "minimize"
    return "maximize" if source in _MORE else None


def is_clock(source: str) -> bool:
    """Whether a built-in source is a time, and therefore noisy."""
    return source in _CLOCKS or source.startswith("benchmark:")
