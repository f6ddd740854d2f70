"""What an evaluator from outside is asked, and the folder through which question and answer pass.

The original's keys are `iteration`, `proposal` and `metrics`; the rest is protocol version 2: docs/evaluators.md. The
folder is in the workspace's scratch, which the other side may write: what is read back is opened relative to the
folder as it was made, never through a link, and never beyond a limit.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Metric
from maabarium.errors import EvaluationError
from maabarium.plugins.protocols import EvaluationRequest
from maabarium.records import Evaluation, FileEdit, Proposal

__all__ = ["PROTOCOL", "QuestionFolder", "own_metrics", "question", "question_folder"]

PROTOCOL = 2
SHOWN = {"name", "weight", "direction", "description", "unit", "range", "role"}
NOTHING = Proposal(summary="", edits=())
"""The original always had a proposal; the baseline is one that changes nothing."""


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
    metrics, proposal = own_metrics(request, name), request.proposal or NOTHING
    champion = request.champion.evaluation if request.champion else None
    asked = {
        "protocolVersion": PROTOCOL,
        "iteration": request.number,
        "proposal": {"summary": proposal.summary, "file_patches": list(map(_patch, proposal.edits))},
        "metrics": [
            metric.model_dump(mode="json", include=SHOWN) | {"source": source} for source, metric in metrics.items()
        ],
        "workspacePath": workspace,
        "rootPath": root,
        "stage": request.stage,
        "seed": request.seed,
        "sources": sorted(request.sources),
        "baseline": _values(request.baseline, name, metrics),
        "champion": _values(champion, name, metrics),
    }
    return json.dumps(asked, ensure_ascii=True).encode("ascii")


def _patch(edit: FileEdit) -> dict[str, Any]:
    row: dict[str, Any] = {"path": edit.path, "operation": edit.operation, "content": None}
    if edit.content is None:
        return row
    try:
        return row | {"content": edit.content.decode("utf-8")}
    except UnicodeDecodeError:
        return row | {"content_base64": base64.b64encode(edit.content).decode("ascii")}


def _values(evaluation: Evaluation | None, name: str, metrics: dict[str, Metric]) -> dict[str, float] | None:
    """What was measured before, by source; None when nothing was."""
    if evaluation is None:
        return None
    known = evaluation.values()
    return {source: known[f"{name}:{source}"] for source in metrics if f"{name}:{source}" in known}


@dataclass(frozen=True)
class QuestionFolder:
    """Paths in the folder: `question` is there; `answer` and `log` are where the other side writes."""

    question: Path
    answer: Path
    log: Path
    descriptor: int
    """The folder itself, opened."""

    def read(self, name: str, most: int) -> bytes | None:
        """The beginning of a file of the folder, one byte more than `most` if there is; None when there is no file."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most + 1)


@contextlib.contextmanager
def question_folder(scratch: Path, question: bytes) -> Iterator[QuestionFolder]:
    """A fresh folder with the question in it. Raises EvaluationError when the disk does not allow it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="evaluator-", dir=scratch))
        (folder / "question.json").write_bytes(question)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise EvaluationError(f"the question to an evaluator cannot be written: {error}") from error
    try:
        yield QuestionFolder(folder / "question.json", folder / "answer.json", folder / "log.txt", descriptor)
    finally:
        os.close(descriptor)
