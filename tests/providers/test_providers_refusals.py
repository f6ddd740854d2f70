"""A field that a server refuses by name is left out from then on; nothing else is."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import httpx
import pytest
from provider_calls import (
    SCHEMA,
    Recorder,
    anthropic_answer,
    context,
    gemini_answer,
    ollama_answer,
    openai_answer,
    request,
)

from maabarium.errors import ProviderError
from maabarium.models.providers import PROVIDERS


def refusal(message: str, status: int = 400, **fields: Any) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": message, "type": "invalid_request_error"} | fields})


def asked_twice(provider: str, refused: httpx.Response, answer: Any, **fields: Any) -> tuple[ProviderError, Recorder]:
    """The error of the first attempt, and what was sent in both."""
    server = Recorder(refused, answer)
    with closing(PROVIDERS[provider](context(provider, server, **fields))) as made:
        with pytest.raises(ProviderError) as caught:
            made.complete(request(schema=SCHEMA))
        assert made.complete(request(schema=SCHEMA)).content
    return caught.value, server


@pytest.mark.parametrize(
    ("provider", "message", "path"),
    [
        ("openai", "Unsupported value: 'temperature' does not support 0.3 with this model.", "temperature"),
        ("openai", "Unsupported parameter: 'seed' is not supported with this model.", "seed"),
        ("groq", "This model does not support response format `json_schema`.", "response_format.json_schema"),
        ("openrouter", "response_format is unavailable with this model", "response_format.json_schema"),
        ("deepseek", "JSON mode is not supported, json_object refused", "response_format"),
        ("anthropic", "`temperature` is deprecated for this model.", "temperature"),
        ("anthropic", "output_config.format: structured outputs are not supported by this model", "output_config"),
        ("gemini", "Invalid JSON payload: Unknown name \"responseJsonSchema\"", "generationConfig.responseJsonSchema"),
        ("gemini", "temperature is not supported", "generationConfig.temperature"),
        ("ollama", "invalid JSON schema in format", "format"),
    ],
)  # fmt: skip
def test_a_refused_field_is_given_up(provider: str, message: str, path: str) -> None:
    kind = {"anthropic": anthropic_answer, "gemini": gemini_answer, "ollama": ollama_answer}.get(
        provider, openai_answer
    )
    error, server = asked_twice(provider, refusal(message), kind('{"word": "a", "count": 1}'))
    assert (error.reason, error.retry, error.after) == ("http_other", True, 0.0)
    assert "asked again" in str(error)

    def sent(body: Any) -> Any:
        for step in path.split("."):
            body = body.get(step, {}) if isinstance(body, dict) else {}
        return body

    first, second = server.bodies
    assert sent(first) not in ({}, None)
    assert sent(second) in ({}, None)


def test_the_older_limit_gives_way_to_the_newer_one() -> None:
    message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    error, server = asked_twice("custom", refusal(message), openai_answer("{}"), endpoint="http://a")
    assert error.retry
    first, second = server.bodies
    assert first["max_tokens"] == second["max_completion_tokens"] == 123
    assert "max_completion_tokens" not in first and "max_tokens" not in second


def test_a_schema_goes_down_step_by_step() -> None:
    server = Recorder(
        refusal("output_config.format is not supported by this model"),
        refusal("tool_choice: forced tool use is not supported; thinking is always on"),
        anthropic_answer("{}"),
    )
    with closing(PROVIDERS["anthropic"](context("anthropic", server))) as made:
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                made.complete(request(schema=SCHEMA))
            assert caught.value.retry
        made.complete(request(schema=SCHEMA))
    schema, tool, words = server.bodies
    assert "output_config" in schema and "tools" not in schema
    assert "output_config" not in tool and tool["tool_choice"]["type"] == "tool"
    assert "output_config" not in words and "tools" not in words
    assert json.dumps(SCHEMA) in words["messages"][-1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("the model is not supported", 400),
        ("temperature is fine, the rest is odd", 400),
        ("`temperature` is not supported", 500),
        ("`temperature` is not supported", 401),
        ("prompt is too long: temperature is not supported", 400),
    ],
)
def test_other_failures_give_up_nothing(message: str, status: int) -> None:
    server = Recorder(refusal(message, status), anthropic_answer("yes"))
    with closing(PROVIDERS["anthropic"](context("anthropic", server))) as made:
        with pytest.raises(ProviderError) as caught:
            made.complete(request())
        assert "asked again" not in str(caught.value)
        made.complete(request())
    assert server.body["temperature"] == 0.3


def test_a_field_is_not_given_up_twice() -> None:
    server = Recorder(refusal("`temperature` is deprecated"))
    with closing(PROVIDERS["anthropic"](context("anthropic", server))) as made:
        retries = []
        for _ in range(3):
            with pytest.raises(ProviderError) as caught:
                made.complete(request())
            retries.append(caught.value.retry)
    assert retries == [True, False, False]


def test_what_the_blueprint_insists_on_is_not_given_up() -> None:
    for options in ({"temperature": True}, {"max_tokens_field": "max_tokens"}):
        message = "'temperature' and 'max_tokens' are not supported, use 'max_completion_tokens'"
        server = Recorder(refusal(message))
        given = {"endpoint": "http://a", "options": options | {"temperature": True}}
        with closing(PROVIDERS["custom"](context("custom", server, **given))) as made:
            for _ in range(3):
                with pytest.raises(ProviderError):
                    made.complete(request(seed=None))
        assert all(body["temperature"] == 0.3 for body in server.bodies)
        if "max_tokens_field" in options:
            assert all(body["max_tokens"] == 123 for body in server.bodies)
