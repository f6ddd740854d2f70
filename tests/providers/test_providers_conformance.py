"""Our own providers, held to what we ask of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from provider_calls import anthropic_answer, gemini_answer, model, ollama_answer, openai_answer

from maabarium.models.providers import PROVIDERS, REASONS
from maabarium.plugins.completion import Completion, Provider, ProviderContext, Usage
from maabarium_pytest import conformance
from maabarium_pytest.conformance import HttpProviderConformance, ProviderConformance

ANSWER = '{"word": "a", "count": 1}'


class OverHttp(HttpProviderConformance):
    name = ""
    endpoint = ""

    def provider(self, transport: Any) -> Provider:
        made = PROVIDERS[self.name](
            ProviderContext(model(self.name, endpoint=self.endpoint), key=self.key, transport=transport)
        )
        assert made.name == self.name
        return made


class TestOllama(OverHttp):
    name = "ollama"

    def answer(self, content: str) -> Mapping[str, Any]:
        return ollama_answer(content)


class TestOpenAI(OverHttp):
    name = "openai"

    def answer(self, content: str) -> Mapping[str, Any]:
        return openai_answer(content)


class TestCompatible(TestOpenAI):
    name = "openai-compat"
    endpoint = "http://127.0.0.1:8080/v1"


class TestDeepSeek(TestOpenAI):
    name = "deepseek"


class TestAnthropic(OverHttp):
    name = "anthropic"

    def answer(self, content: str) -> Mapping[str, Any]:
        return anthropic_answer(content)


class TestGemini(OverHttp):
    name = "gemini"

    def answer(self, content: str) -> Mapping[str, Any]:
        return gemini_answer(content)


class TestMock(ProviderConformance):
    def provider(self, transport: Any) -> Provider:
        return PROVIDERS["mock"](ProviderContext(model("mock")))


class TestScripted(ProviderConformance):
    @pytest.fixture(autouse=True)
    def _script(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        (tmp_path / "script.jsonl").write_text(json.dumps({"content": ANSWER, "repeat": True}) + "\n")

    def provider(self, transport: Any) -> Provider:
        return PROVIDERS["scripted"](ProviderContext(model("scripted", endpoint="script.jsonl"), self.folder))


def test_the_class_knows_our_reasons() -> None:
    assert frozenset(REASONS) == conformance.REASONS


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        ("empty", "test_it_answers"),
        ("empty", "test_it_holds_to_a_schema"),
        ("nameless", "test_it_has_a_name"),
        ("counts", "test_it_answers"),
    ],
)
def test_the_class_sees_what_is_wrong(broken: str, test: str) -> None:
    """A conformance class that nothing can fail would be none."""

    class Bad:
        name = "" if broken == "nameless" else "bad"

        def complete(self, request: Any) -> Any:
            content = "{}" if broken != "empty" else " "
            return Completion(content, Usage(prompt=-1 if broken == "counts" else 1))

        def close(self) -> None:
            pass

    class Case(ProviderConformance):
        def provider(self, transport: Any) -> Any:
            return Bad()

    with pytest.raises((AssertionError, ValueError)):
        getattr(Case(), test)()


def test_the_class_sees_a_key_that_an_error_carries_along() -> None:
    key = HttpProviderConformance.key
    for where in ("message", "cause", "request"):
        error: Exception = ValueError("clean")
        if where == "message":
            error = ValueError(f"refused {key.reveal()}")
        elif where == "cause":
            error.__context__ = KeyError(key.reveal())
        else:
            error.__context__ = httpx.ConnectError(
                "x", request=httpx.Request("GET", "http://a", headers={"K": key.reveal()})
            )
        with pytest.raises(AssertionError):
            conformance.check_secrecy(error, key)
