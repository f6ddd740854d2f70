"""What an evaluator from outside is asked: the original's question, and what it lacked beside it. Pure.

The original's keys are `iteration`, `proposal` and `metrics`; the rest is protocol version 2. docs/evaluators.md has
the whole with an example.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from maabarium.blueprint.schema import Metric
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, FileEdit

__all__ = ["PROTOCOL", "own_metrics", "question"]

PROTOCOL = 2


def own_metrics(request: EvaluationRequest, name: str) -> dict[str, Metric]:
    """The blueprint's metrics that the evaluator `name` measures, by their source without its name."""
    prefix = f"{name}:"
    return {
        metric.source.removeprefix(prefix): metric
        for metric in request.blueprint.metrics.metrics
        if metric.source is not None and metric.source.startswith(prefix)
    }


def question(request: EvaluationRequest, name: str, workspace: str, root: str) -> bytes:
    """The question as JSON in ASCII. `workspace`, `root`: the tree's paths as the evaluator will see them."""
    metrics = own_metrics(request, name)
    champion = request.champion.evaluation if request.champion else None
    asked = {
        "protocolVersion": PROTOCOL,
        "iteration": request.number,
        "proposal": _proposal(request),
        "metrics": [_metric(source, metric) for source, metric in metrics.items()],
        "workspacePath": workspace,
        "rootPath": root,
        "stage": request.stage,
        "seed": request.seed,
        "sources": sorted(request.sources),
        "baseline": _values(request.baseline, name, metrics),
        "champion": _values(champion, name, metrics),
    }
    return json.dumps(asked, ensure_ascii=True).encode("ascii")


def _proposal(request: EvaluationRequest) -> dict[str, Any]:
    """The original always had a proposal; the baseline is one that changes nothing."""
    if request.proposal is None:
        return {"summary": "", "file_patches": []}
    return {"summary": request.proposal.summary, "file_patches": [_patch(edit) for edit in request.proposal.edits]}


def _patch(edit: FileEdit) -> dict[str, Any]:
    row: dict[str, Any] = {"path": edit.path, "operation": edit.operation, "content": None}
    if edit.content is None:
        return row
    try:
        return row | {"content": edit.content.decode("utf-8")}
    except UnicodeDecodeError:
        return row | {"content_base64": base64.b64encode(edit.content).decode("ascii")}


def _metric(source: str, metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "weight": metric.weight,
        "direction": metric.direction,
        "description": metric.description,
        "source": source,
        "unit": metric.unit,
        "range": list(metric.range) if metric.range else None,
        "role": metric.role,
    }


def _values(evaluation: Evaluation | None, name: str, metrics: dict[str, Metric]) -> dict[str, float] | None:
    """What was measured before, by source; None when nothing was."""
    if evaluation is None:
        return None
    known = evaluation.values()
    found = {source: known.get(f"{name}:{source}") for source in metrics}
    return {source: value for source, value in found.items() if value is not None}
