"""One case: start, kill, resume (perhaps killed again), and compare with the run that nobody disturbed."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from crash_stage import Stage, kill
from crash_state import State, harm, has_run, state

__all__ = ["Case", "Result", "differences", "draw", "reference", "run_case"]

TIMEOUT = 180.0


@dataclass(frozen=True)
class Case:
    """When to kill: so many seconds after the start, or after so many transitions of the log."""

    number: int
    seconds: float
    transitions: int = 0
    again: float | None = None
    """Seconds after which the resumed run is killed as well."""
    group: bool = False
    """Kill the whole process group, git included, and not the one process alone."""
    commits_before: bool = False


@dataclass
class Result:
    """What came of a case."""

    case: Case
    kills: int = 0
    transitions: int = 0
    """Stored when the first kill came."""
    anew: bool = False
    """The kill came before the run was stored, so that it was started and not resumed."""
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def reference(root: Path, *, by_pytest: bool) -> tuple[State, float, int]:
    """The state that an undisturbed run ends in, the seconds it takes, and its number of transitions."""
    stage = Stage(root, by_pytest=by_pytest).build()
    began = time.perf_counter()
    status = stage.start().wait(TIMEOUT)
    took = time.perf_counter() - began
    problems = [f"exit status {status}\n{stage.output()}"] if status else harm(stage)
    if problems:
        raise SystemExit("the undisturbed run is not as it should be: " + "; ".join(problems))
    return state(stage), took, stage.transitions()


def differences(expected: State, found: State) -> list[str]:
    """Sentences on what is not equal."""
    said = []
    for name in sorted(expected.keys() | found.keys()):
        one, other = expected.get(name), found.get(name)
        if one == other:
            continue
        pairs = [(a, b) for a, b in zip(one or [], other or [], strict=False) if a != b]
        first = f", first {str(pairs[0][0])[:300]} / {str(pairs[0][1])[:300]}" if pairs else ""
        said.append(f"{name}: {len(one or [])} rows expected, {len(other or [])} found{first}")
    return said


def run_case(root: Path, case: Case, expected: State, *, by_pytest: bool) -> Result:
    """Play a case on a fresh stage; the stage is kept only when something is wrong."""
    began = time.perf_counter()
    result, stage = Result(case), Stage(root / f"case-{case.number}", by_pytest=by_pytest).build()
    process = stage.start()
    if case.commits_before:
        stage.commit()
    _wait(stage, case)
    result.kills += kill(process, group=case.group)
    result.transitions = stage.transitions()
    stage.commit()
    process = _go_on(stage, result)
    if case.again is not None:
        time.sleep(case.again)
        result.kills += kill(process, group=case.group)
        process = _go_on(stage, result)
    status = process.wait(TIMEOUT)
    if status:
        result.problems.append(f"exit status {status}: {stage.output()[-1500:]}")
    else:
        result.problems += differences(expected, state(stage)) + harm(stage)
    result.seconds = time.perf_counter() - began
    if not result.problems:
        shutil.rmtree(stage.root, ignore_errors=True)
    return result


def _go_on(stage, result):
    """Resume; where nothing was stored yet that is refused with a sentence, and a plain start is right."""
    if has_run(stage):
        return stage.start(resume=True)
    result.anew = True
    refused = stage.start(resume=True)
    if refused.wait(TIMEOUT) != 4 or "ERROR" not in stage.output():
        result.problems.append("resuming what was never stored must be refused with a sentence")
    return stage.start()


def _wait(stage: Stage, case: Case) -> None:
    deadline = time.monotonic() + TIMEOUT
    while case.transitions and stage.transitions() < case.transitions and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(case.seconds)


def draw(count: int, seed: int, wall: float, transitions: int) -> list[Case]:
    """Half of the instants anywhere in the run, half just after a transition was stored."""
    chance = random.Random(seed)
    cases = []
    for number in range(count):
        aimed = number % 2 == 1
        cases.append(
            Case(
                number=number,
                seconds=chance.uniform(0, 0.03) if aimed else chance.uniform(0, wall),
                transitions=chance.randint(1, transitions) if aimed else 0,
                again=chance.uniform(0, wall / 2) if number % 5 == 4 else None,
                group=chance.random() < 0.5,
                commits_before=chance.random() < 0.5,
            )
        )
    return cases
