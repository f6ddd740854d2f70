"""The benchmarks of the instrument: how trials are drawn and judged, and that planted programs are what they say."""

from __future__ import annotations

import ast
import random
import sys
from itertools import islice, pairwise, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path[:0] = [str(BENCHMARKS / "instrument"), str(BENCHMARKS / "overhead")]

from instrument_pairs import Pair, judge_of  # noqa: E402
from instrument_program import SOURCE, blueprint, source  # noqa: E402
from instrument_trials import by_server, decide, drawn, log_ratios, summed_up  # noqa: E402
from overhead_runs import experiments  # noqa: E402
from renamed import program  # noqa: E402

from maabarium.acceptance.judge import Judge  # noqa: E402
from maabarium.blueprint.loading import parse  # noqa: E402
from maabarium.records import Evaluation, Measurement  # noqa: E402


def result_of(text: str) -> object:
    """What the program counts."""
    scope: dict[str, object] = {}
    exec(text, scope)
    return scope["work"]()  # type: ignore[operator]


@given(st.integers(0, 2**32))
def test_a_renamed_program_is_the_same_program(seed: int) -> None:
    plain, renamed = program(300), program(300, random.Random(seed))
    assert renamed != plain
    assert result_of(renamed) == result_of(plain)
    kinds = [sorted(type(node).__name__ for node in ast.walk(ast.parse(text))) for text in (plain, renamed)]
    assert kinds[0] == kinds[1]


@given(st.integers(1, 5_000))
def test_the_work_is_as_many_lines_as_it_says(units: int) -> None:
    seen = result_of(source(units))
    assert isinstance(seen, dict)
    assert sum(seen.values()) == units


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 1000))
def test_trials_take_whole_servers_with_their_pairs_in_order(sizes: list[int], seed: int) -> None:
    pairs = [Pair(f"server {n}", 1.0, float(k + 1)) for n, size in enumerate(sizes) for k in range(size)]
    servers = by_server(pairs)
    assert [len(server) for server in servers] == sizes
    took = list(islice(drawn(servers, random.Random(seed)), 60))
    for before, after in pairwise(took):
        if after.candidate != 1.0:
            assert (after.server, after.candidate) == (before.server, before.candidate + 1)
        else:
            assert before.candidate == sizes[int(before.server.split()[1])]


def test_pairs_without_a_server_stand_alone() -> None:
    assert [len(group) for group in by_server([Pair("", 1.0, 1.0)] * 3)] == [1, 1, 1]


@pytest.fixture(scope="module")
def judge() -> Judge:
    measured = Evaluation(measurements=(Measurement(source=SOURCE, value=1.0, clock="cpu"),))
    return judge_of(parse(blueprint(0.01), "blueprint.toml").blueprint, measured)


@pytest.mark.parametrize(("gain", "kept"), [(1.05, True), (1.0, False), (1 / 1.05, False)])
def test_the_engines_judge_decides(judge: Judge, gain: float, kept: bool) -> None:
    trial = decide(judge, repeat(Pair("", 1.0, gain)), 1)
    assert trial.kept is kept
    assert not kept or trial.effect == pytest.approx(gain)


def test_a_later_candidate_needs_more_pairs(judge: Judge) -> None:
    won = Pair("", 1.0, 1.05)
    assert decide(judge, repeat(won), 10).pairs > decide(judge, repeat(won), 1).pairs


def test_trials_are_summed_up_against_the_truth(judge: Judge) -> None:
    won, lost = Pair("", 1.0, 1.05), Pair("", 1.05, 1.0)
    trials = [decide(judge, repeat(pair), 1) for pair in (won, won, lost)]
    truth = log_ratios([won])[0]
    verdicts = summed_up(trials, truth)
    assert (verdicts.kept, verdicts.trials) == (2, 3)
    assert verdicts.off == pytest.approx(0.0)
    assert summed_up(trials, truth - 0.01).off == pytest.approx(0.01)


def test_the_parts_of_an_experiment_sum_to_its_wall_time() -> None:
    def finish(at: float, number: int) -> dict[str, object]:
        phases = {"planning": 0.25, "applying": 0.5, "evaluating": 4.0}
        told = {"number": number, "verdict": "rejected", "reason_code": "worse", "duration": 4.75, "phases": phases}
        return {"what": "finish", "at": at, **told}

    lines = [
        {"what": "session", "at": 5.0, "seconds": 5.0, "process": 5.0, "warm": False},  # the baseline's
        finish(10.0, 0),
        {"what": "append", "at": 11.0, "seconds": 0.125},
        {"what": "session", "at": 14.0, "seconds": 3.0, "process": 2.5, "warm": True},
        {"what": "append", "at": 15.0, "seconds": 0.125},
        finish(16.0, 1),
    ]
    (only,) = experiments(lines)
    assert only.wall == 6.0
    assert only.parts == {
        "planning": 0.25, "applying": 0.5, "session": 2.5, "session start and end": 0.5, "evaluating": 1.0,
        "persisting": 0.25, "remainder": 1.0,
    }  # fmt: skip
    assert only.beside == 3.5
    assert (only.sessions, only.warm) == (1, 1)
