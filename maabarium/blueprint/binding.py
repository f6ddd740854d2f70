"""From a loaded blueprint to one that can run: every glob, source, name and key is there, or all problems at once.

Pure: what the repository, the plug-ins and the environment offer is given as facts by the layers above.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from maabarium.blueprint.globs import is_exact, matching
from maabarium.blueprint.loading import Loaded
from maabarium.blueprint.schema import Blueprint
from maabarium.blueprint.selection import LATER, Selection, select_evaluator
from maabarium.blueprint.sentences import quote
from maabarium.blueprint.sources import Offer, SourceBinding, best_direction, bind_metric, is_clock
from maabarium.errors import BlueprintError, Problem
from maabarium.suggestions import near, suggestion

__all__ = ["BindFacts", "Bound", "bind", "describe", "needed_sources"]


@dataclass(frozen=True)
class BindFacts:
    """What the surroundings offer, gathered by whoever binds.

    `tree_paths`: files of the commit that is measured, POSIX, relative to the target's top level.
    `sources`: evaluator -> what it measures; a name ending in `*` is a family.
    `bare`: evaluators whose sources are written without their name.
    `further`: problems found by others, reported together with those of binding.
    `rule_scores`, `timed_scores`: see `maabarium.blueprint.rules`; None means that nobody looked.
    """

    tree_paths: tuple[str, ...]
    target_name: str
    sources: Mapping[str, frozenset[str]]
    bare: frozenset[str] = frozenset()
    proposers: frozenset[str] = frozenset()
    executors: frozenset[str] = frozenset()
    strategies: frozenset[str] = frozenset()
    further: tuple[Problem, ...] = ()
    rule_scores: frozenset[str] | None = None
    timed_scores: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Bound:
    """A blueprint that can run: `blueprint` has every metric's source and final direction filled in."""

    loaded: Loaded
    blueprint: Blueprint
    evaluator: str
    """The primary evaluator; its gates always hold."""
    metric_sources: tuple[SourceBinding, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def evaluators(self) -> tuple[str, ...]:
        """All evaluators that are needed, the primary one first."""
        return tuple(dict.fromkeys((self.evaluator, *(binding.evaluator for binding in self.metric_sources))))


def bind(loaded: Loaded, facts: BindFacts) -> Bound:
    """Check a blueprint against its surroundings. Raises BlueprintError with every problem."""
    blueprint = loaded.blueprint
    selection = select_evaluator(blueprint)
    problems, warnings = _targets(blueprint, facts)
    bindings, unbound = _metrics(blueprint, selection, facts)
    problems += [*unbound, *_names(blueprint, facts), *facts.further]
    problems += _unheeded(blueprint)
    if problems:
        raise BlueprintError(str(loaded.path), dict.fromkeys(problems))
    warnings += [Problem(selection.where, selection.doubt)] if selection.doubt else []
    warnings += _doubts(bindings)
    metrics = blueprint.metrics.model_copy(update={"metrics": tuple(binding.metric for binding in bindings)})
    filled = blueprint.model_copy(update={"metrics": metrics})
    return Bound(loaded, filled, selection.name, tuple(bindings), (*loaded.warnings, *warnings))


def needed_sources(loaded: Loaded, facts: BindFacts) -> dict[str, frozenset[str]]:
    """Sources that will be needed by evaluator, as far as they bind; for asking what packages are missing.

    Never raises: what does not bind is reported by `bind`.
    """
    selection = select_evaluator(loaded.blueprint)
    needed: dict[str, frozenset[str]] = {selection.name: frozenset()}
    for binding in _metrics(loaded.blueprint, selection, facts)[0]:
        needed[binding.evaluator] = needed.get(binding.evaluator, frozenset()) | {binding.source}
    return needed


def describe(bound: Bound) -> tuple[str, ...]:
    """Lines for the head of a run: `metrics    throughput 0.8 <- score:lines_per_s, maximize, noisy`."""
    lines = []
    for index, binding in enumerate(bound.metric_sources):
        metric = binding.metric
        share = f"{metric.weight:g}" if metric.role == "objective" else "guard"
        words = [f"{quote(metric.name)[1:-1]} {share} <- {metric.source}", metric.direction]
        if metric.role == "guard" and metric.tolerance:
            words.append(f"tolerance {metric.tolerance * 100:g} %")
        if metric.noisy or (metric.noisy is None and binding.timed):
            words.append("noisy")
        lines.append(f"{'metrics' if index == 0 else '':<11}{', '.join(words)}")
    return tuple(lines)


def _metrics(blueprint: Blueprint, selection: Selection, facts: BindFacts) -> tuple[list[SourceBinding], list[Problem]]:
    offer = Offer(facts.sources, selection.name, facts.bare, facts.rule_scores)
    bindings: list[SourceBinding] = []
    problems: list[Problem] = []
    waiting: list[str] = []
    for index, metric in enumerate(blueprint.metrics.metrics):
        answer = bind_metric(metric, offer, f"metrics.metrics[{index}]")
        if isinstance(answer, SourceBinding):
            bindings.append(replace(answer, timed=_is_timed(answer, facts)))
            problems += _slower(bindings[-1], f"metrics.metrics[{index}].direction")
        elif selection.name not in facts.sources and metric.source is None:
            waiting.append(metric.name)  # the missing evaluator would measure it: one problem, not one each
        else:
            problems.append(answer)
    if selection.name not in facts.sources:
        problems.append(_missing_evaluator(selection, waiting, offer))
    return bindings, problems


def _missing_evaluator(selection: Selection, metrics: list[str], offer: Offer) -> Problem:
    whose = f" of {', '.join(quote(name) for name in metrics)}" if metrics else ""
    if selection.name in LATER:
        return Problem(
            selection.where,
            f"grading{whose} needs the {selection.name} evaluator ({LATER[selection.name]}), which is not installed "
            f'here. With [evaluator] kind = "pytest" each metric can have a source of: {offer.listing()}',
        )
    if selection.name == "code":
        return Problem(selection.where, 'no evaluator named "code"; write kind = "pytest"')
    return _unknown(selection.where, "evaluator", selection.name, (*offer.sources, "auto"))


def _slower(binding: SourceBinding, where: str) -> list[Problem]:
    """A problem for a timer's value that is minimised: it is work per second, so that would ask for slow code."""
    if binding.timed and binding.source.startswith("score:") and binding.metric.direction == "minimize":
        said = f'score.timer gives work per second for {quote(binding.source)}: more is better; write "maximize"'
        return [Problem(where, said)]
    return []


def _is_timed(binding: SourceBinding, facts: BindFacts) -> bool:
    family, _, name = binding.source.partition(":")
    return binding.bare and (is_clock(binding.source) or (family == "score" and name in facts.timed_scores))


def _unheeded(blueprint: Blueprint) -> list[Problem]:
    """Problems for protections that this version does not enforce: they are refused rather than ignored."""
    asked = {
        "integrity.equivalence": blueprint.integrity.equivalence != "off",
        "integrity.split": blueprint.integrity.split,
        "evaluator.gates": bool(blueprint.evaluator.gates),
    }
    return [Problem(key, "is not enforced by this version; remove it") for key, given in asked.items() if given]


def _targets(blueprint: Blueprint, facts: BindFacts) -> tuple[list[Problem], list[Problem]]:
    """Problems and warnings. One pattern of several may match nothing: templates list the usual folders."""
    problems: list[Problem] = []
    idle: list[Problem] = []
    patterns = blueprint.domain.target_files
    if not patterns:
        problems.append(Problem("domain.target_files", "is empty: nothing may change, so nothing can become better"))
    promising = False
    for index, pattern in enumerate(patterns):
        where = f"domain.target_files[{index}]"
        if ".." in pattern.split("/"):
            problems.append(Problem(where, f"{quote(pattern)} must stay inside the target"))
            continue
        found = _found(pattern, facts)
        if found is None:
            problems.append(Problem(where, f"{quote(pattern)} is not a pattern that .gitignore would know"))
            continue
        if found or is_exact(pattern):
            promising = promising or not pattern.startswith("!")
        else:
            said = f"{quote(pattern)} matches no file of {facts.target_name}{_near_pattern(pattern, facts.tree_paths)}"
            idle.append(Problem(where, said))
    protection, doubts = _protection(blueprint, facts)
    problems += protection
    if not promising:
        return problems + idle, doubts
    if not problems and not any(map(is_exact, patterns)) and not matching(patterns, facts.tree_paths):
        problems.append(Problem("domain.target_files", "takes back with ! every file that it names"))
    return problems, idle + doubts


def _protection(blueprint: Blueprint, facts: BindFacts) -> tuple[list[Problem], list[Problem]]:
    """Problems and warnings of `protected`; an entry that matches nothing is a warning."""
    problems, doubts = [], []
    for index, pattern in enumerate(blueprint.domain.protected):
        where, found = f"domain.protected[{index}]", _found(pattern, facts)
        if found is None:
            problems.append(Problem(where, f"{quote(pattern)} is not a pattern that .gitignore would know"))
        elif not found:
            doubts.append(
                Problem(where, f"{quote(pattern)} matches no file of {facts.target_name}: it protects nothing")
            )
    return problems, doubts


def _found(pattern: str, facts: BindFacts) -> tuple[str, ...] | None:
    """The files that a pattern speaks of, whether it adds or takes back; None if it is no pattern."""
    try:
        matching([pattern], ())
        return matching([pattern.removeprefix("!")], facts.tree_paths)
    except ValueError:
        return None


def _near_pattern(pattern: str, paths: tuple[str, ...]) -> str:
    """A suggestion when the first folder of a pattern is a near miss."""
    first, slash, rest = pattern.partition("/")
    folders = {path.partition("/")[0] for path in paths if "/" in path}
    close = near(first, folders) if slash and first not in folders else None
    if close is None:
        return ""
    better = f"{close}/{rest}"
    return f"; did you mean {quote(better)}?" if matching([better], paths) else ""


def _names(blueprint: Blueprint, facts: BindFacts) -> list[Problem]:
    """Problems for everything that is named and that no plug-in offers."""
    sources, asked = frozenset(facts.sources), blueprint.proposer.kind is None
    hint = '. [agents] and [models] ask for it; [proposer] kind = "mutate" needs no model' if asked else ""
    named = [
        *((f"evaluator.options.{name}", "evaluator", name, sources, "") for name in blueprint.evaluator.options),
        ("proposer.kind", "proposer", blueprint.proposer_kind, facts.proposers, hint),
        ("execution.executor", "executor", blueprint.execution.executor, facts.executors, ""),
        ("strategy.kind", "strategy", blueprint.strategy.kind, facts.strategies, ""),
    ]
    return [_unknown(where, what, name, known, more) for where, what, name, known, more in named if name not in known]


def _unknown(where: str, what: str, name: str, known: Iterable[str], more: str = "") -> Problem:
    return Problem(where, f"no {what} named {quote(name)}{suggestion(name, known)}{more}")


def _doubts(bindings: list[SourceBinding]) -> list[Problem]:
    return [
        Problem(
            f"metrics.metrics[{index}].direction",
            f"{binding.metric.direction}s {binding.source}, which is better the other way round",
        )
        for index, binding in enumerate(bindings)
        if binding.bare and best_direction(binding.source) not in (None, binding.metric.direction)
    ]
