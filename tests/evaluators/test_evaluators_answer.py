"""Answers of evaluators from outside: what is believed, and the sentence for everything else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.blueprint.schema import Metric
from maabarium.errors import EvaluationError
from maabarium.evaluators.answer import read_answer

METRICS = {
    "quality": Metric(name="quality", weight=0.75, direction="maximize"),
    "kb": Metric(name="kb", weight=0.25, direction="minimize", range=(0, 500), unit="KiB"),
}
WANTED = frozenset({"quality"})


def answer(document: Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def scored(value: Any, **more: Any) -> dict[str, Any]:
    return {"scores": [{"name": "quality", "value": value, **more}]}


def test_the_original_s_answer_is_understood() -> None:
    research = {"sources": [{"url": "x"}], "citations": [], "queryTraces": []}
    document = {**scored(0.87, weight=0.75), "weightedTotal": None, "durationMs": 12, "research": research, "note": 1}
    measurements, gates = read_answer(answer(document), METRICS, WANTED)
    assert [(m.source, m.value, m.unit) for m in measurements] == [("quality", 0.87, "")]
    assert gates == ()


def test_version_2_has_units_and_gates() -> None:
    document = {
        "protocolVersion": 2,
        "scores": [{"name": "quality", "value": 41200}, {"name": "kb", "value": 12.5}],
        "gates": [{"name": "links", "passed": True}, {"name": "tone", "passed": False, "detail": "shouts\x1b[2J"}],
    }
    measurements, gates = read_answer(answer(document), METRICS, WANTED)
    assert [(m.source, m.value, m.unit) for m in measurements] == [("quality", 41200, ""), ("kb", 12.5, "KiB")]
    assert [(g.name, g.passed, g.detail) for g in gates] == [("links", True, ""), ("tone", False, "shouts")]


def test_a_failed_gate_excuses_missing_scores_and_a_passed_one_does_not() -> None:
    gate = {"name": "parses", "passed": False, "detail": "line 3"}
    assert read_answer(answer({"protocolVersion": 2, "gates": [gate]}), METRICS, WANTED)[0] == ()
    with pytest.raises(EvaluationError, match="no score for quality"):
        read_answer(answer({"protocolVersion": 2, "gates": [{**gate, "passed": True}]}), METRICS, WANTED)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"{", "is not one JSON object"),
        (b'{"scores": []} trailing', "is not one JSON object"),
        (b'{"scores": [{"name": "quality", "value": NaN}]}', "NaN is not a JSON number"),
        (b'{"scores": [{"name": "quality", "value": 1e999}]}', r"does not fit at scores\.0\.value"),
        (b'{"scores": [{"name": "quality", "value": 1' + b"0" * 400 + b"}]}", "quality|scores"),
        (b'{"scores": [{"name": "quality", "value": 1' + b"0" * 5000 + b"}]}", "is not one JSON object"),
        (b'{"scores": [], "scores": []}', "a key appears twice"),
        (b"[" * 100_000, "is not one JSON object"),
        (b"[]", "must be one JSON object, not an array"),
        (b"7", "must be one JSON object, not a number"),
        ({}, "no score for quality"),
        ({"scores": []}, "no score for quality"),
        ({"scores": {"quality": 1}}, "does not fit at scores"),
        ({"scores": ["quality"]}, r"does not fit at scores\.0"),
        (scored("0.5"), r"scores\.0\.value"),
        (scored(True), r"scores\.0\.value"),
        (scored(None), r"scores\.0\.value"),
        (scored(1.5), "outside 0 to 1.*protocolVersion"),
        (scored(-0.1), "outside 0 to 1"),
        (scored(0.5, weight=0.2), "gives .quality. the weight 0.2; the blueprint says 0.75"),
        ({"scores": [*scored(0.5)["scores"], *scored(0.6)["scores"]]}, "the score .quality. twice"),
        ({"scores": [{"name": "qualitty", "value": 1}]}, 'no metric of this evaluator.*did you mean "quality"'),
        ({"protocolVersion": 3, **scored(0.5)}, "does not fit at protocolVersion"),
        ({"protocolVersion": 2, **scored(-1)}, "negative values needs a `range`"),
        ({"protocolVersion": 2, "scores": [{"name": "kb", "value": 501}]}, "outside its range 0 to 500"),
        ({"protocolVersion": 2, **scored(1), "gate": []}, 'unknown key .gate.; did you mean "gates"'),
        ({"protocolVersion": 2, **scored(1, wieght=1)}, 'unknown key .wieght.; did you mean "weight"'),
        ({**scored(0.5), "gates": [{"name": "a", "passed": True}]}, "protocol version 2"),
        ({"protocolVersion": 2, **scored(1), "gates": [{"name": "\x1b[2J", "passed": True}]}, "a blank name"),
        ({"protocolVersion": 2, **scored(1), "gates": [{"name": "a", "passed": 1}]}, r"gates\.0\.passed"),
        (
            {"scores": [{"name": "quality", "value": 1}, {"name": "kb", "value": 0}], "weightedTotal": 0.2},
            "weightedTotal = 0.2, but its scores make 0.75",
        ),
    ],
)
def test_every_other_answer_is_an_error_with_a_sentence(document: Any, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=sentence) as caught:
        read_answer(answer(document), METRICS, WANTED)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


texts = st.text(max_size=12) | st.sampled_from(["quality", "kb", "scores", "gates", "\ud800", "\x1b[31m"])
numbers = st.floats() | st.integers() | st.integers(min_value=10**300, max_value=10**400)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
near_misses = st.fixed_dictionaries(
    {},
    optional={
        "protocolVersion": st.sampled_from([1, 2, 3, "1", None]),
        "scores": st.lists(
            st.fixed_dictionaries(
                {}, optional={"name": texts, "value": numbers | texts, "weight": numbers, "unit": texts}
            ),
            max_size=3,
        )
        | documents,
        "weightedTotal": numbers | st.none(),
        "gates": st.lists(
            st.fixed_dictionaries({}, optional={"name": texts, "passed": st.booleans(), "detail": texts}), max_size=3
        )
        | documents,
        "research": documents,
    },
)


@given(near_misses | documents)
def test_whatever_is_answered_is_a_measurement_a_gate_or_a_named_error(document: Any) -> None:
    try:
        measurements, gates = read_answer(json.dumps(document).encode(), METRICS, WANTED)
    except EvaluationError as error:
        assert str(error).isprintable()
        return
    assert {m.source for m in measurements} >= WANTED or any(not gate.passed for gate in gates)
    for measurement in measurements:
        low, high = METRICS[measurement.source].range or (0, math.inf)
        assert low <= measurement.value <= high
        assert math.isfinite(measurement.value)


@given(st.binary(max_size=200))
def test_bytes_are_no_answer(data: bytes) -> None:
    with pytest.raises(EvaluationError):
        read_answer(data, METRICS, WANTED)
