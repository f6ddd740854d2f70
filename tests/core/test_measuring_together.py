"""A pair whose sides run at the same time: real repository, real sandbox, real sessions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from maabarium.plugins.manager import build_plugins, contributions
from maabarium.records import Evaluation, FileEdit, Measured
from maabarium.run.binding import bind_blueprint, worker_setup
from maabarium.sandbox.selection import select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.repository import Repository

TIMERS = ("one", "two", "inner", "loop", "part", "thread")
SOURCES = frozenset({f"score:{name}" for name in TIMERS})
METRICS = ",\n".join(
    f'{{ name = "{name}", weight = {1 / len(TIMERS)}, direction = "maximize", source = "score:{name}" }}'
    for name in TIMERS
)
BLUEPRINT = f"""
[blueprint]
name = "pair"
version = "1"
description = "timed blocks of all kinds"
[domain]
repo_path = "."
target_files = ["work.py"]
language = "python"
[constraints]
max_iterations = 3
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{METRICS}]
[evaluator]
rules = ["rules/test_speed.py"]
"""
RULES = """
import threading
import time

import pytest

import work


def begun(score, name):
    score.measure("began " + name, time.monotonic())


def test_two_in_one(score):
    work.prepare()
    with score.timer("one"):
        begun(score, "one")
        work.work()
    work.prepare()
    with score.timer("two"):
        begun(score, "two")
        with score.timer("inner"):
            work.work()


def test_loop(score):
    for number in range(work.ROUNDS):
        work.prepare()
        with score.timer("loop"):
            begun(score, f"loop {number}")
            work.work()


@pytest.mark.parametrize("part", [1, 2])
def test_parts(score, part):
    work.prepare()
    with score.timer("part"):
        begun(score, f"part {part}")
        work.work()


def test_nap(score):
    with score.timer("nap", clock="wall"):
        time.sleep(0.02)


def test_thread(score):
    def timed():
        work.prepare()
        with score.timer("thread"):
            begun(score, "thread")
            work.work()

    thread = threading.Thread(target=timed)
    thread.start()
    thread.join()
"""
WORK = """
import os
import time

ROUNDS = 3


def prepare():
    pass


def work():
    return sum(range(50_000))
"""
SLOW_BETWEEN = WORK.replace("    pass", "    time.sleep(0.2)")
MORE_ROUNDS = WORK.replace("ROUNDS = 3", "ROUNDS = 5")
ENDS_AT_ONCE = "raise SystemExit(3)\n"
VANISHES = "import os\nos._exit(0)\n"
BREAKS_INSIDE = WORK.replace("return", "raise RuntimeError\n    return")
CRASHES_INSIDE = WORK.replace("return", "os.abort()\n    return")
HANGS_INSIDE = WORK.replace("return", "while True:\n        pass\n    return")
LATE = WORK.replace("ROUNDS", "time.sleep(7)\nROUNDS", 1)

Measure = Callable[..., Measured]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measure]:
    """Measures one pair: the candidate has this text as its `work.py`."""
    folder = tmp_path_factory.mktemp("pair")
    for name, text in {
        "work.py": WORK,
        "blueprint.toml": BLUEPRINT,
        "rules/test_speed.py": RULES,
        "test_work.py": "from work import work\n\ndef test_work():\n    assert work()\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    plugins, cancel = build_plugins(), threading.Event()
    binding = bind_blueprint(folder / "blueprint.toml", plugins)
    sandbox = select(binding.bound.blueprint.sandbox, contributions(plugins, "sandboxes"), cancel)
    if sandbox.level == "trusted":
        pytest.skip("without a sandbox, the sides of a pair run one after the other")
    repository = Repository.create(binding.target, "run", tmp_path_factory.mktemp("cache"))
    worker = Worker(worker_setup(binding, folder / "blueprint.toml", repository.handle, sandbox), cancel, plugins)
    job = MeasureJob(number=0, stage="baseline", tree=repository.base_tree, seed=1, timeout=120, sources=SOURCES)
    baseline = run_measurement(worker, job).candidate

    def measure(text: str, **asked: object) -> Measured:
        edit = FileEdit(path="work.py", operation="modify", content=text.encode())
        return run_measurement(
            worker,
            job.model_copy(
                update={
                    "number": 1,
                    "stage": "pair",
                    "pair": 1,
                    "tree": repository.tree_with(repository.base_tree, [edit]),
                    "champion_tree": repository.base_tree,
                    "baseline": baseline,
                    "side_by_side": SOURCES,
                    "timeout": 60.0,
                }
                | asked
            ),
        )

    yield measure
    worker.close()
    repository.close()


def sound(side: Evaluation | None) -> Evaluation:
    """This side, of which all was measured."""
    assert side is not None and side.failed_gate is None
    assert side.values().keys() >= SOURCES
    return side


BLOCKS = ("one", "two", "loop 0", "loop 1", "loop 2", "part 1", "part 2", "thread")
"""In the order in which they begin."""


def test_every_timed_block_begins_together_whatever_holds_one_side_up(pair: Measure) -> None:
    """Two in one test, a loop, a parametrised test, a thread: nobody begins one before the other began the last."""
    measured = pair(SLOW_BETWEEN)
    assert (measured.problem, measured.apart) == ("", "")
    candidate, champion = sound(measured.candidate).values(), sound(measured.champion).values()
    assert len([name for name in champion if name.startswith("score:began")]) == len(BLOCKS)
    for before, after in pairwise(f"score:began {name}" for name in BLOCKS):
        assert champion[after] > candidate[before], "it was there 0.2 s earlier"
        assert candidate[after] > champion[before]


def test_a_side_that_times_more_often_is_still_beside_the_other(pair: Measure) -> None:
    measured = pair(MORE_ROUNDS)
    assert (measured.problem, measured.apart) == ("", "")
    candidate, champion = sound(measured.candidate).values(), sound(measured.champion).values()
    assert champion["score:began part 1"] > candidate["score:began loop 4"] > champion["score:began loop 2"]
    assert champion["score:began thread"] > candidate["score:began part 2"]
    assert candidate["score:began thread"] > champion["score:began part 2"]


@pytest.mark.parametrize("text", [ENDS_AT_ONCE, VANISHES, BREAKS_INSIDE, CRASHES_INSIDE])
def test_a_side_that_ends_before_or_inside_a_block_holds_nobody_up(pair: Measure, text: str) -> None:
    began = time.monotonic()
    measured = pair(text)
    assert measured.problem == ""
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    assert measured.candidate.failed_gate.name != "side_by_side"
    sound(measured.champion)
    assert time.monotonic() - began < 40, "no timeout of 60 s was waited for"


def test_a_side_that_hangs_in_a_block_is_ended_alone(pair: Measure) -> None:
    measured = pair(HANGS_INSIDE, timeout=8)
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    assert measured.candidate.failed_gate.reason_code == "timeout"
    sound(measured.champion)


def test_a_side_that_is_too_late_twice_is_compared_with_nobody(pair: Measure) -> None:
    measured = pair(LATE, timeout=24)  # of which a quarter is waited at most
    assert measured.problem == ""
    assert measured.candidate is not None and measured.candidate.failed_gate is not None
    gate = measured.candidate.failed_gate
    assert (gate.name, gate.reason_code, gate.detail) == ("side_by_side", "undecided", f"twice {measured.apart}")
    assert measured.apart.startswith("the two sides did not begin the timer one together, one waited")
    sound(measured.champion)


def test_repeated_sessions_give_what_one_gives(pair: Measure) -> None:
    once, thrice = pair(MORE_ROUNDS), pair(MORE_ROUNDS, repeats=3)
    assert (thrice.problem, thrice.apart) == ("", "")
    for side, single in ((thrice.candidate, once.candidate), (thrice.champion, once.champion)):
        assert sound(side).values().keys() == sound(single).values().keys()
        assert [test.id for test in sound(side).tests] == [test.id for test in sound(single).tests]
        assert all(m.seconds and m.clock == "cpu" for m in sound(side).measurements if m.source in SOURCES)


def test_sides_in_turn_give_the_same_kinds_of_numbers(pair: Measure) -> None:
    measured = pair(SLOW_BETWEEN, side_by_side=frozenset())
    assert (measured.problem, measured.apart) == ("", "")
    assert sound(measured.candidate).values().keys() == sound(measured.champion).values().keys()


def test_what_waits_is_timed_in_sessions_of_its_own(pair: Measure) -> None:
    measured = pair(MORE_ROUNDS, sources=SOURCES | {"score:nap"})
    assert (measured.problem, measured.apart) == ("", "")
    for side in (measured.candidate, measured.champion):
        (nap,) = (one for one in sound(side).measurements if one.source == "score:nap")
        assert nap.clock == "wall"
        assert nap.seconds is not None and nap.seconds >= 0.04, "of two sessions"
