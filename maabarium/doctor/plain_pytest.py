"""The user's plain pytest beside our baseline: which ids, outcomes, warnings and imports differ.

Runs the tests of the checkout once, as its user would and with no cage, and leaves no file of its own there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from maabarium.causes import error_line
from maabarium.doctor import witness
from maabarium.doctor.findings import Finding, passed, warned
from maabarium.records import Evaluation, TestResult
from maabarium.run.binding import Binding
from maabarium.safe_text import listed, one_line

__all__ = ["Plain", "compare", "differences", "run_plain"]

SHOWN = 5
SOURCE_ROOTS = ("src", "lib")


@dataclass(frozen=True)
class Plain:
    """What one session of plain pytest did; `problem` says why there was none."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    """Real path of each module that was imported, by its name."""
    problem: str = ""


def compare(binding: Binding, path: Path, evaluation: Evaluation) -> Iterator[Finding]:
    """Run plain pytest once and hold it beside the baseline. Yields nothing where another evaluator grades."""
    if "pytest" not in binding.bound.evaluators:
        return
    plain = run_plain(binding, path)
    if plain.problem:
        yield warned("target", "plain pytest", f"it could not be compared: {plain.problem}", "try it by hand: pytest")
        return
    found = differences(plain, evaluation, binding.target.top, binding.targets)
    if found:
        advice = "see docs/troubleshooting.md for the kinds that are known; what is green in both gates as it should"
        yield warned("target", "plain pytest", "; ".join(found), advice)
        return
    count = f"{len(plain.outcomes)} tests, {len(plain.warnings)} warnings"
    yield passed("target", "plain pytest", f"the same ids, outcomes and imports as in our session: {count}")


def run_plain(binding: Binding, path: Path) -> Plain:
    """One session of plain pytest in the checkout, with the blueprint's own arguments; bounded by its timeout."""
    options, target = binding.bound.blueprint.evaluator, binding.target
    python = _interpreter(options.python, path.resolve().parent)
    with tempfile.TemporaryDirectory(prefix="maabarium-plain-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.copy(witness.__file__, folder / "maabarium_witness.py")
        script = Path(python).with_name("pytest")
        command = [str(script)] if script.is_file() else [python, "-m", "pytest"]
        command += ["-p", "maabarium_witness", "-o", f"cache_dir={folder / 'cache'}", *options.args]
        known = os.environ.get("PYTHONPATH")
        environment = os.environ | {
            "PYTHONPATH": f"{folder}{os.pathsep}{known}" if known else str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            witness.VARIABLE: str(folder / "found.json"),
        }
        limit = float(binding.bound.blueprint.constraints.timeout_seconds)
        try:
            done = subprocess.run(
                command, cwd=target.top / target.prefix, env=environment, stdin=subprocess.DEVNULL, timeout=limit,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        except subprocess.TimeoutExpired:
            return Plain(problem=f"it did not end within {limit:g} s (constraints.timeout_seconds)")
        except OSError as error:
            if isinstance(error, FileNotFoundError) and error.filename == str(folder / "found.json"):
                said = error_line(done.stdout.decode("utf-8", "replace")) or "it printed nothing"
                return Plain(problem=f"it ended with status {done.returncode}: {said}")
            return Plain(problem=f"{one_line(str(python))} cannot be started: {error.strerror}")
    return Plain(found["outcomes"], tuple(found["warnings"]), found["origins"])


def _interpreter(given: str | None, folder: Path) -> str:
    """As the evaluator takes it: ours, a command, or a path relative to the blueprint."""
    if given is None:
        return sys.executable
    return str((folder / Path(given).expanduser()).absolute()) if "/" in given else shutil.which(given) or given


def differences(plain: Plain, evaluation: Evaluation, top: Path, targets: tuple[str, ...]) -> list[str]:
    """A sentence for each kind of difference; none when both sessions agree."""
    ours = {test.id: test for test in evaluation.tests if test.role == "suite"}
    flaky = frozenset(evaluation.flaky)
    found = [
        _ids("only in plain pytest", sorted(plain.outcomes.keys() - ours.keys() - flaky)),
        _ids("only in our session", sorted(ours.keys() - plain.outcomes.keys() - flaky)),
    ]
    other = [id for id in sorted(ours.keys() & plain.outcomes.keys() - flaky) if plain.outcomes[id] != ours[id].outcome]
    found += [_outcome(ours[id], plain.outcomes[id]) for id in other[:SHOWN]]
    if len(other) > SHOWN:
        found.append(f"and {len(other) - SHOWN} more end otherwise")
    count = re.findall(r"(\d+) warnings?\b", evaluation.log[-300:])
    if count and int(count[-1]) != len(plain.warnings):
        found.append(f"warnings: {len(plain.warnings)} in plain pytest, {count[-1]} in our session")
    return [*filter(None, found), *_imports(plain, top, targets)]


def _ids(where: str, ids: list[str]) -> str:
    return f"{where}: {listed(ids, SHOWN)}" if ids else ""


def _outcome(ours: TestResult, plain: str) -> str:
    why = f" ({error_line(ours.detail)})" if ours.failed and ours.detail else ""
    return f"{one_line(ours.id)}: {plain} in plain pytest, {ours.outcome} in our session{why}"


def _imports(plain: Plain, top: Path, targets: tuple[str, ...]) -> Iterator[str]:
    """Packages that may change, and that plain pytest imports from elsewhere than the checkout."""
    parts = (path.removesuffix(".py").split("/") for path in targets)
    names = {each[1] if each[0] in SOURCE_ROOTS and len(each) > 1 else each[0] for each in parts}
    real = top.resolve()
    for name in sorted(names & plain.origins.keys()):
        if not Path(plain.origins[name]).is_relative_to(real):
            place = one_line(plain.origins[name])
            yield f"{one_line(name)} is imported from {place} in plain pytest, from the tree in ours"
