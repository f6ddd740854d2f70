"""A plug-in for the user's own pytest: writes down ids, outcomes, warnings, and where modules came from.

It is copied into a folder of its own and runs in the target's interpreter: standard library only, Python 3.9.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

VARIABLE = "MAABARIUM_WITNESS"
"""Names the file that is written."""

outcomes: dict[str, str] = {}
warned: list[str] = []


def pytest_runtest_logreport(report: Any) -> None:
    """One phase of a test ended."""
    expected = hasattr(report, "wasxfail")
    if report.outcome == "rerun":
        outcomes.pop(report.nodeid, None)
    elif report.failed:
        outcomes[report.nodeid] = "failed" if report.when == "call" else "error"
    elif report.skipped:
        outcomes[report.nodeid] = "xfailed" if expected else "skipped"
    elif report.when == "call":
        outcomes.setdefault(report.nodeid, "xpassed" if expected else "passed")


def pytest_collectreport(report: Any) -> None:
    """A file was collected, or not."""
    if report.failed:
        outcomes[report.nodeid] = "error"


def pytest_warning_recorded(warning_message: Any) -> None:
    """A warning that the summary will show."""
    warned.append(f"{warning_message.category.__name__}: {warning_message.message}"[:300])


def pytest_unconfigure() -> None:
    """The session is over."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    origins = {name: os.path.realpath(path) for name, path in files.items() if isinstance(path, str)}
    found = {"outcomes": outcomes, "warnings": warned, "origins": origins}
    Path(os.environ[VARIABLE]).write_text(json.dumps(found), encoding="utf-8")
