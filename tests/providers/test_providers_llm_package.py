"""Models of the package `llm`: the real package, with models registered through its own plug-in manager."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from provider_calls import KEY, SCHEMA, context, request

from maabarium.errors import BlueprintError, ProviderError, UsageProblem
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import CompletionRequest, Message, Usage
from maabarium_pytest.conformance import ProviderConformance

llm = pytest.importorskip("llm", reason="the package llm is not installed")

STATE: dict[str, Any] = {}


class Options(llm.Options):  # type: ignore[name-defined, misc]
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    top_p: float | None = None


class Parrot(llm.Model):  # type: ignore[name-defined, misc]
    """Says what STATE tells it to, and remembers what it was asked."""

    model_id = "parrot"
    supports_schema = True
    Options = Options

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        STATE.setdefault("asked", []).append(prompt)
        act = STATE.get("act")
        if act is not None:
            act()
        response.set_usage(input=11, output=3)
        response.response_json = STATE.get("json")
        yield STATE.get("say", '{"word": "a", "count": 1}')


class Plain(Parrot):
    model_id = "plain"
    supports_schema = False
    Options = llm.Options


class Keyed(llm.KeyModel):  # type: ignore[name-defined, misc]
    model_id = "keyed"
    needs_key = "parrot"

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any, key: str | None) -> Iterator[str]:
        STATE["key"] = key
        raise RuntimeError(f"401 for {key}")
        yield ""


class Plugin:
    @llm.hookimpl
    def register_models(self, register: Any) -> None:
        for kind in (Parrot, Plain, Keyed):
            register(kind())


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.setattr(llm.plugins, "_loaded", True)  # no other plug-in that happens to be installed
    STATE.clear()
    plugin = Plugin()
    llm.plugins.pm.register(plugin)
    yield
    llm.plugins.pm.unregister(plugin)


def provider(name: str = "parrot", **fields: Any) -> Any:
    return PROVIDERS["llm"](context("llm", name=name, **fields))


class TestLlmPackage(ProviderConformance):
    def provider(self, transport: Any) -> Any:
        return provider()


def test_what_the_model_has_options_for_is_passed_on() -> None:
    completion = provider(options={"options": {"top_p": 0.5}}).complete(request(schema=SCHEMA))
    assert (completion.usage, completion.model, completion.finish) == (Usage(11, 3), "parrot", "stop")
    (asked,) = STATE["asked"]
    assert (asked.system, asked.prompt, asked.schema) == ("Be brief.", "Hello?", SCHEMA)
    assert asked.options.model_dump() == {"temperature": 0.3, "max_tokens": 123, "seed": 7, "top_p": 0.5}


def test_a_model_without_schemas_reads_them_in_the_prompt() -> None:
    provider("plain").complete(request(schema=SCHEMA))
    (asked,) = STATE["asked"]
    assert asked.schema is None and json.dumps(SCHEMA) in asked.prompt


def test_several_turns_are_one_prompt() -> None:
    turns = (Message("user", "A?"), Message("assistant", "no"), Message("user", "Sure?"))
    made = provider()
    made.complete(CompletionRequest(turns, 0.0, 5))
    assert STATE["asked"][0].prompt == "User: A?\n\nAssistant: no\n\nUser: Sure?"


def test_a_cut_answer_says_so() -> None:
    STATE["json"] = {"choices": [{"finish_reason": "length"}]}
    assert provider().complete(request()).finish == "length"


@pytest.mark.parametrize("say", ["", "  \n"])
def test_an_empty_answer_is_an_error(say: str) -> None:
    STATE["say"] = say
    with pytest.raises(ProviderError) as caught:
        provider().complete(request())
    assert caught.value.reason == "empty_content"


class Refused(Exception):
    status_code = 429


class Sulking(Exception):
    @property
    def response(self) -> Any:
        raise ValueError("not even this")


@pytest.mark.parametrize(
    ("error", "reason", "retry"),
    [
        (Refused("slow down"), "http_429", True),
        (TimeoutError("late"), "timeout", True),
        (ConnectionResetError("gone"), "connect", True),
        (Sulking("no"), "other", False),
        (KeyError("what"), "other", False),
        (MemoryError(), "other", False),
    ],
)
def test_whatever_a_plug_in_raises_is_an_error_of_ours(error: Exception, reason: str, retry: bool) -> None:
    def act() -> None:
        raise error

    STATE["act"] = act
    with pytest.raises(ProviderError) as caught:
        provider().complete(request())
    assert (caught.value.reason, caught.value.retry) == (reason, retry)


def test_a_key_is_handed_over_and_not_shown() -> None:
    with pytest.raises(ProviderError) as caught:
        provider("keyed").complete(request())
    assert STATE["key"] == KEY.reveal()
    assert KEY.reveal() not in str(caught.value) and "********" in str(caught.value)


def test_questions_wait_for_one_another_and_not_for_ever() -> None:
    at_once, most = 0, 0
    lock = threading.Lock()

    def act() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1

    STATE["act"] = act
    made = provider()
    threads = [threading.Thread(target=made.complete, args=(request(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1

    STATE["act"] = lambda: time.sleep(0.4)
    slow = provider(timeout_seconds=0.1)
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            slow.complete(request())
        assert (caught.value.reason, caught.value.retry) == ("timeout", True)


def test_closing_waits_no_longer() -> None:
    hanging = threading.Event()
    STATE["act"] = lambda: hanging.wait(30)
    made = provider()
    threading.Timer(0.05, made.close).start()
    begun = time.monotonic()
    with pytest.raises(ProviderError, match="closed"):
        made.complete(request())
    assert time.monotonic() - begun < 20
    hanging.set()


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UsageProblem, match=r'no model "paroot".*parrot'):
        provider("paroot")
    with pytest.raises(BlueprintError, match='did you mean "top_p"'):
        provider(options={"options": {"topp": 1}})
    with pytest.raises(BlueprintError, match=r"options\.strean"):
        provider(options={"strean": True})


def test_the_package_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm", None)
    with pytest.raises(UsageProblem, match="pip install llm"):
        provider()
