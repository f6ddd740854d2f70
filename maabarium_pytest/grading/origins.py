"""Whether the tests imported the tree that is being graded, and not another copy of it installed elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

from maabarium.errors import EvaluationError
from maabarium.records import Gate
from maabarium.safe_text import plain
from maabarium_pytest.grading.suite import Suite
from maabarium_pytest.grading.targets import module_names
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["origin_gate"]


def origin_gate(suite: Suite, heard: Transcript) -> Gate:
    """A gate that fails when a target module came from outside the tree.

    Raises EvaluationError at the baseline: every change would score the same.
    """
    top = Path(os.path.realpath(suite.targets.top))
    expected = module_names(suite.request.workspace.root, suite.targets)
    for name, place in sorted(heard.origins.items()):
        if name not in expected or Path(place).is_relative_to(top):
            continue
        where = plain(place)
        if suite.request.baseline is None:
            raise EvaluationError(
                f"the tests import {name} from {where} instead of {suite.targets.top / expected[name]}, so no change "
                "could make a difference. It is probably installed from elsewhere (an editable install) or put on "
                f"the path by a conftest: uninstall it from {suite.python}, or remove that path"
            )
        return Gate(name="origin", passed=False, reason_code="tampered", detail=f"{name} was imported from {where}")
    return Gate(name="origin", passed=True)
