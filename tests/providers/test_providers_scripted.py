"""Replaying answers from a file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from provider_calls import context, request

from maabarium.errors import BlueprintError, ProviderError
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import Usage


def script(folder: Path, *lines: Any, **fields: Any) -> Any:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "script.jsonl").write_text(text, encoding="utf-8")
    return PROVIDERS["scripted"](context("scripted", endpoint="script.jsonl", folder=folder, **fields))


def test_answers_come_in_order_and_end(tmp_path: Path) -> None:
    made = script(tmp_path, "# first", {"content": "one"}, "", {"content": {"two": "zwei ✓"}, "finish": "length"})
    assert made.complete(request()).content == "one"
    second = made.complete(request())
    assert (json.loads(second.content), second.finish) == ({"two": "zwei ✓"}, "length")
    with pytest.raises(ProviderError, match="0 of 2 lines are left") as caught:
        made.complete(request())
    assert not caught.value.retry
    made.close()


def test_a_line_waits_for_the_prompt_that_it_is_for(tmp_path: Path) -> None:
    made = script(
        tmp_path,
        {"match": "You are Ada", "content": "ada 1"},
        {"match": "You are Bob", "content": "bob 1"},
        {"pattern": r"^Be brief\..*rank", "content": "a ranking", "repeat": True},
        {"match": "You are Ada", "content": "ada 2"},
    )
    asked = ("You are Bob", "You are Ada", "rank!", "You are Ada", "rank")
    said = [made.complete(request(text)).content for text in asked]
    assert said == ["bob 1", "ada 1", "a ranking", "ada 2", "a ranking"]
    with pytest.raises(ProviderError, match="1 of 4 lines are left, and none fits"):
        made.complete(request("You are Ada"))


def test_a_script_may_start_again(tmp_path: Path) -> None:
    made = script(tmp_path, {"content": "one"}, {"content": "two", "match": "x"}, options={"loop": True})
    assert [made.complete(request(text)).content for text in ("x", "x", "x", "y")] == ["one", "two", "one", "one"]


def test_usage_and_errors_are_as_written(tmp_path: Path) -> None:
    made = script(
        tmp_path,
        {"content": "one", "usage": {"prompt": 9, "completion": 4, "cached": 3}},
        {"error": {"reason": "http_429", "retry": True, "after": 2, "message": "slow down"}},
    )
    assert made.complete(request()).usage == Usage(9, 4, 3)
    with pytest.raises(ProviderError, match="line 2: slow down") as caught:
        made.complete(request())
    assert (caught.value.reason, caught.value.retry, caught.value.after) == ("http_429", True, 2)


def test_no_answer_is_given_twice_to_several_threads(tmp_path: Path) -> None:
    made = script(tmp_path, *({"content": str(number)} for number in range(200)))
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: made.complete(request()).content, range(200)))
    assert sorted(said, key=int) == [str(number) for number in range(200)]


def test_every_mistake_of_a_script_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(BlueprintError) as caught:
        script(
            tmp_path,
            {"content": "fine"},
            "{not json",
            {"content": "a", "error": {"reason": "other"}},
            {"match": "x"},
            {"content": "a", "pattern": "("},
            {"content": "a", "mach": "x"},
            {"error": {"reason": "bad luck"}},
            "[]",
        )
    said = [str(problem) for problem in caught.value.problems]
    assert [line.split(" ")[0] for line in said] == [f"script.jsonl:{number}" for number in range(2, 9)]
    assert "exactly one of content and error" in said[1] and "exactly one of content and error" in said[2]
    assert "no regular expression" in said[3] and "mach" in said[4] and "bad luck" in said[5]


@pytest.mark.parametrize(
    ("endpoint", "content", "said"),
    [
        ("", None, "it is empty"),
        ("missing.jsonl", None, "cannot be read"),
        (".", None, "cannot be read"),
        ("a.jsonl", b"# nothing\n\n", "contains no answer"),
        ("a.jsonl", b'{"content": "\xff"}', "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, endpoint: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / endpoint).write_bytes(content)
    with pytest.raises(BlueprintError, match=said):
        PROVIDERS["scripted"](context("scripted", endpoint=endpoint, folder=tmp_path))
