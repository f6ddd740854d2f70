"""What an evaluator from outside answered, checked before anything believes it; or how its process ended instead.

Version 1 is the original's: scores between 0 and 1. Version 2 has values in the metrics' own units, and gates.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maabarium.blueprint.schema import Metric
from maabarium.blueprint.sentences import quote
from maabarium.errors import EvaluationError
from maabarium.plugins.processes import Completed
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, Gate, Measurement, ReasonCode
from maabarium.safe_text import listed, one_line
from maabarium.suggestions import suggestion

__all__ = ["LARGEST_ANSWER", "EvaluatorAnswer", "answered", "ended_badly", "failed_gate", "grader_of", "read_answer"]

LARGEST_ANSWER = 1024 * 1024
WEIGHT_TOLERANCE = 0.01
MOST_GATES = 100


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, extra="allow")


class AnswerScore(_Part):
    """One number. `name` is the source that the question names, which is the metric's name unless it has a source."""

    name: str
    value: float
    weight: float | None = None
    unit: str = ""


class Condition(_Part):
    """Version 2: something that must hold before scores count."""

    name: str = Field(min_length=1, max_length=80)
    passed: bool
    detail: str = ""


class EvaluatorAnswer(_Part):
    """One answer, as it was sent. Lists stand for tuples in JSON, hence the two fields that are not strict.

    `durationMs` and `research` are the original's: their types are checked, their values not used.
    """

    protocolVersion: Literal[1, 2] = 1
    scores: tuple[AnswerScore, ...] = Field(default=(), strict=False)
    weightedTotal: float | None = None
    durationMs: float | None = None
    research: dict[str, Any] | None = None
    gates: tuple[Condition, ...] = Field(default=(), max_length=MOST_GATES, strict=False)


def ended_badly(completed: Completed, seconds: float, who: str) -> Gate | None:
    """The gate that fails because a process did not end by itself with status 0; None when it did."""
    ends: tuple[tuple[bool, ReasonCode, str], ...] = (
        (completed.interrupted, "interrupted", "was interrupted"),
        (completed.flooded, "output_flood", "printed more than sandbox.output_mb allows"),
        (completed.timed_out, "timeout", f"did not end within {seconds:.3g} s"),
        (completed.out_of_memory, "out_of_memory", "was killed for lack of memory"),
        (completed.returncode != 0, "crashed", f"ended with {completed.ending}"),
    )
    lines = [line for line in completed.output.splitlines() if line.strip()]
    last = f": {one_line(lines[-1], 300)}" if lines else ""
    return next((failed_gate(code, f"{who} {said}{last}") for holds, code, said in ends if holds), None)


def failed_gate(code: ReasonCode, detail: str) -> Gate:
    """The gate of an evaluator that gave no answer that could be read."""
    return Gate(name="answer", passed=False, reason_code=code, detail=detail)


def grader_of(request: EvaluationRequest, **parts: Any) -> str:
    """A digest of what the scores of an evaluator depend on beside the tree: the metrics, and parts of its own."""
    parts["metrics"] = request.blueprint.metrics.model_dump(mode="json")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def answered(
    seen: Evaluation, failed: Gate | None, data: bytes | None, metrics: Mapping[str, Metric], wanted: frozenset[str]
) -> Evaluation:
    """The evaluation with what was answered, or with the one gate that failed instead. See `read_answer`."""
    if failed is not None:
        return seen.model_copy(update={"gates": (failed,)})
    try:
        measurements, gates = read_answer(data or b"", metrics, wanted)
    except EvaluationError as error:
        raise EvaluationError(f"its answer {error}") from error
    passed = Gate(name="answer", passed=True)
    return seen.model_copy(update={"measurements": measurements, "gates": (passed, *gates)})


def read_answer(
    data: bytes, metrics: Mapping[str, Metric], wanted: frozenset[str]
) -> tuple[tuple[Measurement, ...], tuple[Gate, ...]]:
    """The measurements and gates of an answer.

    `metrics`: what this evaluator may measure, by source; `wanted`: what is needed now. Raises EvaluationError with a
    sentence that names what is wrong; a condition that does not hold is a failed gate, and excuses missing scores.
    """
    answer = _parsed(data)
    if answer.protocolVersion == 2:
        _no_strangers(answer)
    elif answer.gates:
        raise EvaluationError('has gates, which are of protocol version 2; say so with "protocolVersion": 2')
    gates = tuple(_gate(condition) for condition in answer.gates)
    _unique([gate.name for gate in gates], "gate")
    _unique([score.name for score in answer.scores], "score")
    measurements = tuple(_measurement(score, metrics, answer.protocolVersion) for score in answer.scores)
    missing = sorted(wanted - {measurement.source for measurement in measurements})
    if missing and all(gate.passed for gate in gates):
        raise EvaluationError(f"has no score for {listed(missing, 12)}; every source of the question needs one")
    _consistent(answer, metrics)
    return measurements, gates


def _parsed(data: bytes) -> EvaluatorAnswer:
    if not data.strip():
        raise EvaluationError("is empty; one JSON object is expected")
    try:
        text = data.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise EvaluationError(f"is not UTF-8 (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"is not one JSON object: {one_line(str(error), 120)}") from error
    if not isinstance(document, dict):
        raise EvaluationError(f"must be one JSON object, not {_kind(document)}")
    try:
        return EvaluatorAnswer.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = one_line(".".join(str(part) for part in first["loc"]), 80)
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise EvaluationError(f"does not fit at {where}: {one_line(first['msg'], 120)}{more}") from error


def _no_strangers(answer: EvaluatorAnswer) -> None:
    parts: tuple[_Part, ...] = (answer, *answer.scores, *answer.gates)
    strange = [key for part in parts for key in part.__pydantic_extra__ or {}]
    if strange:
        known = tuple(EvaluatorAnswer.model_fields) + tuple(AnswerScore.model_fields) + tuple(Condition.model_fields)
        raise EvaluationError(f"has the unknown key {quote(strange[0])}{suggestion(strange[0], known)}")


def _gate(condition: Condition) -> Gate:
    name = one_line(condition.name, 80)
    if not name:
        raise EvaluationError("has a gate with a blank name")
    return Gate(name=name, passed=condition.passed, detail=one_line(condition.detail, 500))


def _unique(names: list[str], what: str) -> None:
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise EvaluationError(f"has the {what} {quote(one_line(twice, 80))} twice")


def _measurement(score: AnswerScore, metrics: Mapping[str, Metric], version: int) -> Measurement:
    name = quote(one_line(score.name, 80))
    metric = metrics.get(score.name)
    if metric is None:
        raise EvaluationError(
            f"scores {name}, which no metric of this evaluator asks for{suggestion(score.name, tuple(metrics))}"
        )
    value = score.value
    low, high = metric.range or ((0.0, 1.0) if version == 1 else (0.0, math.inf))
    if not low <= value <= high:
        raise EvaluationError(f"has {name} = {value:g}, {_outside(metric, version)}")
    if score.weight is not None and abs(score.weight - metric.weight) > WEIGHT_TOLERANCE:
        raise EvaluationError(f"gives {name} the weight {score.weight:g}; the blueprint says {metric.weight:g}")
    return Measurement(source=score.name, value=value, unit=one_line(score.unit, 40) or metric.unit)


def _outside(metric: Metric, version: int) -> str:
    if metric.range:
        return f"outside its range {metric.range[0]:g} to {metric.range[1]:g}"
    if version == 1:
        return 'outside 0 to 1; values in another unit need "protocolVersion": 2'
    return "and a metric with negative values needs a `range` in the blueprint"


def _consistent(answer: EvaluatorAnswer, metrics: Mapping[str, Metric]) -> None:
    """Raise EvaluationError for a version 1 total that is not that of its scores."""
    objectives = {source: metric.weight for source, metric in metrics.items() if metric.role == "objective"}
    given = {score.name: score.value for score in answer.scores}
    if answer.protocolVersion != 1 or answer.weightedTotal is None or not objectives.keys() <= given.keys():
        return
    total = sum(given[source] * weight for source, weight in objectives.items())
    if abs(sum(objectives.values()) - 1) < WEIGHT_TOLERANCE and abs(total - answer.weightedTotal) > WEIGHT_TOLERANCE:
        raise EvaluationError(
            f"has weightedTotal = {answer.weightedTotal:g}, but its scores make {total:.4g}; leave it out"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return made


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
