"""Mistakes of the form do not hide those that binding finds."""

from __future__ import annotations

import tomllib

import pytest
from blueprint_samples import HEAD, METRIC

from maabarium.blueprint.document import Pruned, apart_from, mend
from maabarium.errors import Problem

WRONG = {
    "a number": ("max_iterations = 3", 'max_iterations = "three"'),
    "a choice": ('"maximize"', '"maximise"'),
    "missing": ("timeout_seconds = 10\n", ""),
    "optional": ('language = "python"\n', 'language = "python"\nisolation = "vm"\n'),
    "a list": ('target_files = ["src/**/*.py"]', 'target_files = "src"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_sound_stays(name: str) -> None:
    right, wrong = WRONG[name]
    text = HEAD + METRIC
    assert right in text
    blueprint = mend(Pruned(tomllib.loads(text.replace(right, wrong))).data)
    assert blueprint is not None
    assert blueprint.name == "sample" and blueprint.constraints.min_improvement == 0.0
    assert blueprint.metrics.metrics[0].name == "speed"


def test_too_little_is_sound() -> None:
    assert mend({"blueprint": 3}) is None
    assert mend({}) is None


def test_a_mended_place_says_nothing_more() -> None:
    known = (Problem("metrics.metrics[0].direction", "a"), Problem("domain.language", "b"))
    further = (
        Problem("metrics.metrics[0].source", "c"),
        Problem("domain.language", "d"),
        Problem("domain.target_files[0]", "e"),
    )
    assert apart_from(known, further) == [*known, further[2]]
