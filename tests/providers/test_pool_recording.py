"""Recordings: what was answered comes back byte for byte, without a provider; no key is kept."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool_doubles import KEY, Doubles, FakeClock, broken, busy, make_pool, model, purpose, request

from maabarium.blueprint.schema import Budget
from maabarium.errors import BudgetError, MissingKeyError, ProviderError, UsageProblem
from maabarium.models.recording import Recorder, Recording, digest_of
from maabarium.plugins.completion import Answer, Completion, ProviderContext, Purpose, Usage
from maabarium.records import Call


def no_provider(context: ProviderContext) -> Any:
    raise AssertionError("no provider is made when a run is replayed")


def no_key(member: Any) -> Any:
    raise AssertionError("no key is looked for when a run is replayed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "run.jsonl"


def replay(path: Path, *models: Any, **options: Any) -> Any:
    return make_pool(no_provider, *models, replay=path, find_key=no_key, **options)


def outcome(pool: Any, number: int, text: str = "What now?") -> Answer | tuple[type, str, str, tuple[Call, ...]]:
    """An answer, or all there is to an error."""
    try:
        found: Answer = pool.ask(model(), request(text), purpose(number))
    except ProviderError as error:
        return type(error), str(error), error.reason, error.calls
    return found


def test_the_same_answers_and_failures_come_back(path: Path) -> None:
    script = [
        busy(),
        "first \ud800 \u2028 \n",
        broken("refused"),
        MissingKeyError("no key"),
        Completion("cut", finish="length"),
    ]
    pool = make_pool(Doubles({"one": list(script)}), record=path, clock=FakeClock())
    live = [outcome(pool, number) for number in range(4)]
    pool.close()
    again = replay(path)
    assert [outcome(again, number) for number in range(4)] == live
    assert [outcome(again, number) for number in reversed(range(4))] == live[::-1], "in any order, as often as asked"
    assert again.notes() == ()
    again.close()


def test_a_refusal_by_the_budget_comes_back_and_no_budget_is_checked_anew(path: Path) -> None:
    pool = make_pool(Doubles(), record=path, budget=Budget(tokens=60))
    live = [outcome(pool, number) for number in range(3)]
    pool.close()
    assert live[1][0] is BudgetError  # type: ignore[index]
    again = replay(path, budget=Budget(tokens=1))
    assert [outcome(again, number) for number in range(3)] == live
    assert again.spent == (15, 0.0)


def test_neither_a_key_nor_a_question_is_kept(path: Path) -> None:
    script: list[Any] = [busy(), busy(), Completion(f"I know {KEY}"), KeyError(KEY)]
    pool = make_pool(Doubles({"one": script}), record=path)
    for number in range(3):
        outcome(pool, number, "a secret question")
    pool.close()
    written = path.read_text()
    assert KEY not in written
    assert "********" in written
    assert "secret question" not in written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_question_is_answered_all_the_same_and_named(path: Path) -> None:
    pool = make_pool(Doubles(), record=path)
    for number in range(6):
        outcome(pool, number)
    pool.close()
    again = replay(path)
    for number in range(6):
        found = outcome(again, number, "What now?" if number == 0 else "Something else")
        assert isinstance(found, Answer)
        assert found.completion.content == "ok"
    (note,) = again.notes()
    assert note.startswith("5 of 6 questions differ from the recorded ones")
    assert "experiment 1, ada, propose, round 0" in note
    assert note.endswith("; …")


def test_what_was_never_asked_is_an_error_with_a_sentence(path: Path) -> None:
    pool = make_pool(Doubles(), record=path)
    outcome(pool, 1)
    again = replay(path)
    with pytest.raises(
        ProviderError, match=r"run.jsonl has no answer for experiment 1, bob, veto, round 2, attempt 1;"
    ):
        again.ask(model(), request(), Purpose(1, "bob", "veto", 2, 1))


def test_what_was_answered_by_another_member_is_found_again(path: Path) -> None:
    pool = make_pool(Doubles({"one": [broken()]}), model("one"), model("two"), record=path)
    live = pool.ask(model("one"), request(), purpose())
    again = replay(path, model("one"), model("two"))
    assert again.ask(model("one"), request(), purpose()) == live


def test_the_end_of_a_run_is_not_recorded(path: Path) -> None:
    pool = make_pool(Doubles(), record=path)
    outcome(pool, 1)
    pool.close()
    with pytest.raises(ProviderError):
        pool.ask(model(), request(), purpose(2))
    assert len(path.read_text().splitlines()) == 2


# --- files ---


def test_a_resumed_run_adds_to_its_recording_and_the_last_answer_counts(path: Path) -> None:
    for content in ("old", "new"):
        pool = make_pool(Doubles({"one": [content]}), record=path)
        outcome(pool, 1)
        pool.close()
    found = outcome(replay(path), 1)
    assert isinstance(found, Answer)
    assert found.completion.content == "new"


def test_every_prefix_that_a_kill_leaves_can_be_read_and_added_to(path: Path) -> None:
    pool = make_pool(Doubles(), record=path)
    for number in range(2):
        outcome(pool, number)
    pool.close()
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for length in [0, 1, len(lines[0]) - 1, len(lines[0]), len(lines[0]) + 9, len(whole) - 1, len(whole)]:
        path.write_bytes(whole[:length])
        more = make_pool(Doubles(), record=path) if length in (0, *range(len(lines[0]), len(whole) + 1)) else None
        if more is None:
            with pytest.raises(UsageProblem, match="is no recording"):
                make_pool(Doubles(), record=path)
            continue
        outcome(more, 7)
        more.close()
        kept = sum(length >= sum(map(len, lines[: number + 2])) for number in range(2))
        again = replay(path)
        assert [isinstance(outcome(again, number), Answer) for number in (0, 1, 7)] == [kept > 0, kept > 1, True]


def test_a_killed_process_keeps_what_it_had(path: Path) -> None:
    code = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from pool_doubles import *\n"
        "pool = make_pool(Doubles(), record=Path(sys.argv[2]))\n"
        "for number in range(5): pool.ask(model(), request(), purpose(number))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    again = replay(path)
    assert all(isinstance(outcome(again, number), Answer) for number in range(5))


def test_some_other_file_is_not_written_to(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("dear diary\n")
    for option in ("record", "replay"):
        with pytest.raises(UsageProblem, match="is no recording that this version can read"):
            make_pool(Doubles(), **{option: notes})
    assert notes.read_text() == "dear diary\n"


def test_what_cannot_be_read_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot be read: No such file"):
        make_pool(Doubles(), replay=tmp_path / "absent.jsonl")
    with pytest.raises(UsageProblem, match="either recorded or replayed"):
        make_pool(Doubles(), record=tmp_path / "a", replay=tmp_path / "b")


@pytest.mark.parametrize("line", ["not json", "{}", '{"number": 1}', "[]", '"x"', "7"])
def test_a_broken_line_is_named(path: Path, line: str) -> None:
    pool = make_pool(Doubles(), record=path)
    outcome(pool, 1)
    pool.close()
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UsageProblem, match="line 3 of the recording"):
        replay(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_ends_the_recording_and_not_the_run() -> None:
    full = Recorder(Path("/nonexistent"))
    full._path, full._file = Path("/dev/full"), os.open("/dev/full", os.O_WRONLY)
    for number in range(2):
        full.keep(purpose(number), "0", Answer(Completion("x")))
    (note,) = full.notes()
    assert note == "the recording /dev/full stops at experiment 0, ada, propose, round 0: No space left on device"
    full.close()


texts = st.text(st.characters(), max_size=30)


@settings(max_examples=60, deadline=None)
@given(content=texts, error=texts, cost=st.none() | st.floats(0, 1e6), tokens=st.none() | st.integers(0, 10**9))
def test_any_answer_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, content: str, error: str, cost: float | None, tokens: int | None
) -> None:
    path = tmp_path_factory.mktemp("any") / "run.jsonl"
    call = Call(agent="ada", provider="p", model="m", kind="vote", cost=cost, prompt_tokens=tokens, error=error)
    kept = Answer(Completion(content, Usage(tokens, None, tokens), model=error), (call,))
    recorder = Recorder(path)
    recorder.keep(purpose(), "digest", kept)
    recorder.close()
    assert Recording(path).outcome(purpose(), "digest") == kept
    assert all(json.loads(line) for line in path.read_text("ascii").splitlines())


def test_the_digest_sees_all_that_is_asked_and_nothing_else() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    asked = request(schema=schema)
    same = digest_of(model(), asked)
    assert digest_of(model(temperature=0.9, timeout_seconds=5), asked) == same
    assert digest_of(model(), request(schema=MappingProxyType(schema))) == same
    others = [
        digest_of(model("two"), asked), digest_of(model(provider="ollama"), asked), digest_of(model(), request()),
        *(
            digest_of(model(), request(**{"schema": schema, **change}))
            for change in ({"temperature": 0.3}, {"max_tokens": 51}, {"seed": 1}, {"schema_name": "x"}, {"text": "y"})
        ),
    ]  # fmt: skip
    assert len({same, *others}) == len(others) + 1
