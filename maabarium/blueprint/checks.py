"""What the schema cannot say about a blueprint: sums, duplicates, references, and values that can only fail.

Works on the parsed document rather than on the finished record, so that these problems are reported together with
the schema's. Each check looks only at values of the right type; the schema reports the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from maabarium.blueprint.sentences import key_path, quote
from maabarium.errors import Problem
from maabarium.suggestions import suggestion

__all__ = ["check", "doubts"]

_WEIGHT_TOLERANCE = 0.01
_OURS = {
    "HOME": "it is an empty folder",
    "TMPDIR": "it is an empty folder",
    "PAD": "choose another name",
    "PATH": "programs are found on the PATH with which Maabarium is started",
    "PYTHONPATH": "name folders in the target's own configuration: pythonpath = ...",
    "PYTHONHASHSEED": "sessions have several on purpose",
    "PYTHONDONTWRITEBYTECODE": "a session leaves no bytecode behind",
    "PYTEST_ADDOPTS": "write the options into evaluator.args",
    "PYTEST_PLUGINS": 'write args = ["-p", "NAME"]',
}
"""Variables that `evaluator.env` must not set, and what to do instead."""
_Document = Mapping[str, Any]


def check(document: _Document) -> list[Problem]:
    """All problems of the document beyond types and ranges of single values."""
    return [
        *_names(document),
        *_weights(document),
        *_metrics(document),
        *_council(document),
        *_evaluator(document),
        *_environment(document),
        *_promotion(document),
    ]


def doubts(document: _Document) -> list[Problem]:
    """What is accepted but probably not meant."""
    found = []
    gain = _at(document, "constraints").get("min_improvement")
    if _is_number(gain) and gain < 0:
        found.append(
            Problem("constraints.min_improvement", f"is {gain:g}: proposals that are worse by less than this are kept")
        )
    agents = _at(document, "agents")
    size, members = agents.get("council_size"), _rows(document, "agents")
    if _is_whole(size) and members and size > len(members):
        found.append(
            Problem("agents.council_size", f"is {size} but only {len(members)} agents are listed: all are used")
        )
    for index, metric in _rows(document, "metrics"):
        if metric.get("role", "objective") == "objective" and metric.get("tolerance"):
            found.append(
                Problem(f"metrics.metrics[{index}].tolerance", "only has a meaning for a guard and is ignored")
            )
    promotion = _at(document, "promotion")
    if promotion.get("branch") and promotion.get("autonomy", 2) != 3:
        found.append(Problem("promotion.branch", "is only used with autonomy = 3"))
    if _at(document, "models").get("assignment") == "round_robin":
        found += _unknown_models(document)
    return found


def _names(document: _Document) -> Iterator[Problem]:
    name = _at(document, "blueprint").get("name")
    if isinstance(name, str) and name and not name.strip():
        yield Problem("blueprint.name", "must not be blank")
    for section in ("metrics", "agents", "models"):
        seen: dict[str, int] = {}
        for index, row in _rows(document, section):
            named = row.get("name")
            if not isinstance(named, str) or not named:
                continue
            where = f"{section}.{section}[{index}].name"
            if not named.strip():
                yield Problem(where, "must not be blank")
            elif named in seen:
                yield Problem(where, f"{quote(named)} is also the name of {section}.{section}[{seen[named]}]")
            seen.setdefault(named, index)


def _weights(document: _Document) -> Iterator[Problem]:
    metrics = _rows(document, "metrics")
    objectives = [(index, metric) for index, metric in metrics if metric.get("role", "objective") != "guard"]
    if metrics and not objectives:
        yield Problem("metrics.metrics", "are all guards; at least one metric must be an objective")
        return
    for index, metric in objectives:
        if "weight" not in metric:
            yield Problem(f"metrics.metrics[{index}].weight", "is missing")
    given = [metric.get("weight") for _, metric in objectives]
    weights = [weight for weight in given if _is_number(weight) and math.isfinite(weight) and weight >= 0]
    if not weights or len(weights) != len(given):
        return
    total = sum(weights)
    if abs(total - 1.0) > _WEIGHT_TOLERANCE + 1e-9:
        whose = "of the objectives " if len(objectives) != len(metrics) else ""
        yield Problem("metrics.metrics", f"the weights {whose}sum to {total:.4g}; they must sum to 1 (within 0.01)")


def _metrics(document: _Document) -> Iterator[Problem]:
    for index, metric in _rows(document, "metrics"):
        where = f"metrics.metrics[{index}]"
        weight = metric.get("weight")
        if metric.get("role") == "guard" and _is_number(weight) and weight:
            yield Problem(f"{where}.weight", f"is {weight:g}, but a guard has weight 0: it gates and earns nothing")
        limits = metric.get("range")
        if isinstance(limits, tuple) and len(limits) == 2 and all(_is_number(limit) for limit in limits):
            low, high = limits
            if not low < high:
                yield Problem(f"{where}.range", f"must rise: {low:g} is not below {high:g}")
        source = metric.get("source")
        if isinstance(source, str) and not source.strip():
            yield Problem(f"{where}.source", "must not be blank; leave it out to bind the metric by its name")


def _council(document: _Document) -> Iterator[Problem]:
    if _at(document, "proposer").get("kind") == "council":
        for section in ("agents", "models"):
            if section not in document and (section == "agents" or "agents" not in document):
                yield Problem(section, "is missing: a council needs [agents] and [models]")
    if "agents" in document and "models" not in document:
        yield Problem("models", "is missing: the agents of [agents] name models")
    if _at(document, "models").get("assignment") != "round_robin":
        yield from _unknown_models(document)


def _unknown_models(document: _Document) -> list[Problem]:
    names = tuple(row["name"] for _, row in _rows(document, "models") if isinstance(row.get("name"), str))
    if not names:
        return []
    return [
        Problem(f"agents.agents[{index}].model", f"no model named {quote(agent['model'])}{_suggested(agent, names)}")
        for index, agent in _rows(document, "agents")
        if isinstance(agent.get("model"), str) and agent["model"] not in names
    ]


def _suggested(agent: _Document, names: tuple[str, ...]) -> str:
    """The models there are when they are few (a guess would hide them), else the nearest."""
    return f"; there is: {', '.join(sorted(names))}" if len(names) <= 4 else suggestion(agent["model"], names)


def _evaluator(document: _Document) -> Iterator[Problem]:
    options = _at(document, "evaluator")
    kind, builtin, manifest = options.get("kind", "auto"), options.get("builtin"), options.get("manifest_path")
    own = _at(_at(options, "options"), "process")
    if not isinstance(kind, str):
        return
    if not kind.strip():
        yield Problem("evaluator.kind", 'must not be blank; "auto" finds the evaluator by itself')
    elif kind == "builtin" and builtin is None:
        yield Problem("evaluator.builtin", 'is missing: kind = "builtin" needs one of code, prompt, research, lora')
    elif kind == "process" and _blank(manifest) and _blank(own.get("manifest_path")):
        yield Problem("evaluator.manifest_path", 'is missing: kind = "process" needs the path of its manifest')
    if builtin is not None and kind != "builtin":
        yield Problem("evaluator.builtin", f'is only allowed with kind = "builtin", and kind is {quote(kind)}')


def _environment(document: _Document) -> Iterator[Problem]:
    """Names and values of `evaluator.env`: those of ours would change what is graded, or have no effect."""
    for name, value in _at(_at(document, "evaluator"), "env").items():
        where = key_path(("evaluator", "env", name))
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Problem(where, "cannot be the name of a variable: use letters, digits and _")
        elif name in _OURS or name.startswith("MAABARIUM_"):
            yield Problem(where, f"is set for every session; {_OURS.get(name, 'choose another name')}")
        elif isinstance(value, str) and "\0" in value:
            yield Problem(where, "must not hold a null character")


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _promotion(document: _Document) -> Iterator[Problem]:
    promotion = _at(document, "promotion")
    branch = promotion.get("branch")
    if promotion.get("autonomy") == 3 and not (isinstance(branch, str) and branch.strip()):
        yield Problem("promotion.branch", "is missing: autonomy = 3 fast-forwards the branch named here")


def _at(document: _Document, section: str) -> _Document:
    table = document.get(section)
    return table if isinstance(table, Mapping) else {}


def _rows(document: _Document, section: str) -> list[tuple[int, _Document]]:
    """The entries of `section.section` that are tables, with their positions."""
    entries = _at(document, section).get(section)
    if not isinstance(entries, tuple):
        return []
    return [(index, entry) for index, entry in enumerate(entries) if isinstance(entry, Mapping)]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
