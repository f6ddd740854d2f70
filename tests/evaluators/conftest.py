"""Requests to evaluators from outside."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from evaluator_desk import Asking, Desk

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import EvaluationRequest


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    """Make a request: `asking(blueprint, stage="screen", seconds=10, ...)`."""

    def make(blueprint: Blueprint, *, seconds: float = 20, **more: Any) -> EvaluationRequest:
        name = blueprint.evaluator.kind
        own = {str(metric.source).removeprefix(f"{name}:") for metric in blueprint.metrics.metrics}
        given = {
            "workspace": Desk(tmp_path, blueprint),
            "blueprint": blueprint,
            "folder": tmp_path,
            "stage": "screen",
            "seed": 7,
            "deadline": time.monotonic() + seconds,
            "number": 3,
            "sources": frozenset(own),
        }
        return EvaluationRequest(**{**given, **more})

    return make
