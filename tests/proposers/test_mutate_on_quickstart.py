"""The quickstart's example: the gains that a newcomer should see are among the first that `mutate` proposes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from proposal_requests import Files, make_attempt, make_context, make_request

from maabarium.code.moved_lines import moved_lines
from maabarium.proposers.mutate.proposer import Mutate
from maabarium.records import Attempt, LineMap

EXAMPLE = Path(__file__).parents[2] / "examples" / "quickstart"
GAINS = {
    ("cache-timestamps", "loglens/parser.py::parse_line"),
    ("compile-pattern", "loglens/parser.py::parse_line"),
    ("seen-set", "loglens/statistics.py::unique"),
    ("invariant-call", "loglens/statistics.py::spread"),
    ("choice", "loglens/agents.py::AGENT_CACHE"),
    ("cache-pure", "loglens/paths.py::route"),
    ("cache-pure", "loglens/hosts.py::is_internal"),
    ("RUF017", "loglens/paths.py::words"),
    ("membership-set", "loglens/analysis.py::without_robots"),
    ("append-in-place", "loglens/analysis.py::pages_of"),
}
"""Each was measured to save between 2 % and two fifths."""
COUNT_LINES = """
import json, os, sys
from loglens import analyse
hits = {}
def count(frame, event, argument):
    if event == "line":
        path = os.path.relpath(frame.f_code.co_filename)
        hits.setdefault(path, {}).setdefault(frame.f_lineno, 0)
        hits[path][frame.f_lineno] += 1
    return count
lines = open("data/access.log", encoding="utf-8").readlines()
sys.settrace(lambda frame, event, argument: count if os.sep + "loglens" + os.sep in frame.f_code.co_filename else None)
analyse(lines)
sys.settrace(None)
print(json.dumps(hits))
"""


@pytest.fixture(scope="module")
def traced() -> LineMap:
    """The lines that the timed call runs, and how often."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT_LINES], cwd=EXAMPLE, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(EXAMPLE)},
    )  # fmt: skip
    return LineMap.model_validate({"hits": json.loads(done.stdout)})


def lines_of(traced: LineMap, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> LineMap:
    """As the engine gives them: where the champion's files have them."""
    return moved_lines(traced, {path: (before[path], after[path]) for path in before if before[path] != after[path]})


@pytest.mark.parametrize("seed", range(3))
def test_the_gains_come_early(traced: LineMap, seed: int) -> None:
    """A gain is kept when it is proposed, everything else is worse: at least half of the first 16 are gains."""
    start = {p.relative_to(EXAMPLE).as_posix(): p.read_bytes() for p in EXAMPLE.glob("loglens/*.py")}
    start["pyproject.toml"] = (EXAMPLE / "pyproject.toml").read_bytes()
    proposer = Mutate(make_context())
    files, champion = dict(start), 0
    history: list[Attempt] = []
    seen: list[str] = []
    kept: list[tuple[str, str]] = []
    for number in range(1, 21):
        drawn = int(hashlib.sha256(f"{seed}:{number}".encode()).hexdigest()[:12], 16)
        request = make_request(
            files, number=number, seed=drawn, champion=champion, history=history, seen=seen,
            hits=lines_of(traced, start, files).hits,
        )  # fmt: skip
        targets = tuple(path for path in request.targets if path.endswith(".py"))
        proposal = proposer.propose(replace(request, targets=targets))
        assert proposal is not None
        after = Files(files).after(proposal.edits)
        seen.append(after.tree)
        place = (proposal.origin.operator, proposal.origin.site.rpartition("::")[0])
        gain = place in GAINS and place not in kept
        fields: dict[str, Any] = {"effect": 1.1 if gain else 0.999, "interval": None, "parent": champion}
        history.append(
            make_attempt(
                number, "promoted" if gain else "rejected", data=proposal.data, origin=proposal.origin.model_dump(),
                summary=proposal.summary, **fields,
            ).model_copy(update={"paths": tuple(edit.path for edit in proposal.edits)})
        )  # fmt: skip
        if gain:
            files, champion = after.files, number
            kept.append(place)
    early = sum(attempt.outcome.verdict == "promoted" for attempt in history[:16])
    assert early >= 8, kept
    assert set(kept) >= GAINS - {("compile-pattern", "loglens/parser.py::parse_line")}


def test_the_suite_and_the_rule_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests", "rules"],
        cwd=EXAMPLE, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lines_per_s = " in done.stdout
