"""What the four formats send and how they read what comes back."""

from __future__ import annotations

import json
import math
from contextlib import closing
from datetime import date
from typing import Any

import httpx
import pytest
from provider_calls import (
    KEY,
    SCHEMA,
    Recorder,
    anthropic_answer,
    context,
    gemini_answer,
    ollama_answer,
    openai_answer,
    request,
)

from maabarium.errors import BlueprintError, ProviderError, UsageProblem
from maabarium.models.messages import without
from maabarium.models.providers import PROVIDERS
from maabarium.models.providers.mock import sample
from maabarium.plugins.completion import Completion, CompletionRequest, Message, Usage

ANSWERS = {"openai": openai_answer, "anthropic": anthropic_answer, "gemini": gemini_answer, "ollama": ollama_answer}


def ask(provider: str, server: Recorder, asked: CompletionRequest | None = None, **fields: Any) -> Completion:
    with closing(PROVIDERS[provider](context(provider, server, **fields))) as made:
        return made.complete(asked or request())


def error_of(provider: str, server: Recorder, asked: CompletionRequest | None = None, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(provider, server, asked, **fields)
    return caught.value


# --- where it goes ---


@pytest.mark.parametrize(
    ("provider", "endpoint", "address"),
    [
        ("ollama", "", "http://127.0.0.1:11434/api/chat"),
        ("ollama", "http://gpu:11434/", "http://gpu:11434/api/chat"),
        ("openai", "", "https://api.openai.com/v1/chat/completions"),
        ("openai", "http://localhost:1234/v1///", "http://localhost:1234/v1/chat/completions"),
        ("deepseek", "", "https://api.deepseek.com/chat/completions"),
        ("groq", "", "https://api.groq.com/openai/v1/chat/completions"),
        ("openrouter", "", "https://openrouter.ai/api/v1/chat/completions"),
        ("xai", "", "https://api.x.ai/v1/chat/completions"),
        ("custom", "https://host/api", "https://host/api/chat/completions"),
        ("anthropic", "", "https://api.anthropic.com/v1/messages"),
        ("anthropic", "https://proxy/v1", "https://proxy/v1/messages"),
        ("anthropic", "https://proxy/a/", "https://proxy/a/v1/messages"),
        ("gemini", "", "https://generativelanguage.googleapis.com/v1beta/models/a-model:generateContent"),
        ("gemini", "https://proxy/v1beta", "https://proxy/v1beta/models/a-model:generateContent"),
        ("gemini", "https://proxy", "https://proxy/v1beta/models/a-model:generateContent"),
    ],
)
def test_the_address_follows_the_endpoint(provider: str, endpoint: str, address: str) -> None:
    kind = provider if provider in ANSWERS else "openai"
    server = Recorder(ANSWERS[kind]("yes"))
    assert ask(provider, server, endpoint=endpoint).content == "yes"
    assert str(server.requests[0].url) == address


def test_gemini_takes_a_model_with_its_prefix() -> None:
    server = Recorder(gemini_answer("yes"))
    ask("gemini", server, name="models/gemini-flash")
    assert server.requests[0].url.path == "/v1beta/models/gemini-flash:generateContent"
    ask("gemini", server, name="../../other?key=1")
    assert server.requests[1].url.raw_path == b"/v1beta/models/..%2F..%2Fother%3Fkey%3D1:generateContent"


@pytest.mark.parametrize("provider", ["openai-compat", "custom"])
def test_a_server_without_a_name_needs_an_endpoint(provider: str) -> None:
    with pytest.raises(UsageProblem, match="needs `endpoint`"):
        PROVIDERS[provider](context(provider))


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:8080",
        "ftp://host/v1",
        "https://",
        "http://[::1",
        "https://host:99999",
        "https://ho st",
        "https://h\n/",
    ],
)
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageProblem, match="https://host/v1"):
        PROVIDERS["openai"](context("openai", endpoint=endpoint))


@pytest.mark.parametrize(
    "endpoint", ["https://me:secret@host/v1", "https://host/v1?key=secret", "https://host/#secret"]
)
def test_an_endpoint_with_a_key_is_refused_without_showing_it(endpoint: str) -> None:
    with pytest.raises(UsageProblem, match="no blueprint holds a key") as caught:
        PROVIDERS["openai"](context("openai", endpoint=endpoint))
    assert "secret" not in str(caught.value)


def test_provider_names_are_trimmed_and_lowered() -> None:
    made = PROVIDERS["groq"](context(" Groq "))
    assert (made.name, made.address()) == ("groq", "https://api.groq.com/openai/v1/chat/completions")  # type: ignore[attr-defined]
    made.close()


# --- what is sent ---


def test_openai_sends_a_strict_schema_and_the_newer_limit() -> None:
    server = Recorder(openai_answer("{}"))
    ask("openai", server, request(schema=SCHEMA, schema_name="my reply!"))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY.reveal()}"
    body = server.body
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
    assert (body["model"], body["max_completion_tokens"], body["temperature"]) == ("a-model", 123, 0.3)
    assert "max_tokens" not in body and body["stream"] is False and body["seed"] == 7
    form = body["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "my_reply_",
        True,
    )
    assert form["json_schema"]["schema"] == without(SCHEMA, frozenset({"maxLength"}))


def test_a_compatible_server_gets_the_whole_schema_and_the_older_limit() -> None:
    server = Recorder(openai_answer("{}"))
    ask("openai-compat", server, request(schema=SCHEMA), endpoint="http://a/v1", key=None)
    assert "authorization" not in server.requests[0].headers
    assert server.body["max_tokens"] == 123 and "max_completion_tokens" not in server.body
    assert server.body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_deepseek_gets_json_mode_with_the_schema_in_words() -> None:
    server = Recorder(openai_answer("{}"))
    ask("deepseek", server, request(schema=SCHEMA))
    assert server.body["response_format"] == {"type": "json_object"}
    assert json.dumps(SCHEMA) in server.body["messages"][-1]["content"]


def test_anthropic_sends_its_own_fields() -> None:
    server = Recorder(anthropic_answer("{}"))
    turns = (Message("user", "A?"), Message("assistant", "{"), Message("user", "More."))
    asked = CompletionRequest((Message("system", "Be brief."), *turns), 1.7, 123, SCHEMA, "reply", 7)
    ask("anthropic", server, asked)
    headers = server.requests[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == (KEY.reveal(), "2023-06-01")
    assert "authorization" not in headers
    body = server.body
    assert (body["system"], body["max_tokens"], body["temperature"]) == ("Be brief.", 123, 1.0)
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "A?"}]
    bare = without(SCHEMA, frozenset({"maxLength", "minimum"}))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": bare}}
    assert "tools" not in body and "seed" not in body


def test_anthropic_leaves_out_an_empty_system_prompt() -> None:
    server = Recorder(anthropic_answer("yes"))
    ask("anthropic", server, CompletionRequest((Message("user", "Hello?"),), 0.0, 5))
    assert "system" not in server.body and "output_config" not in server.body
    ask("anthropic", server, CompletionRequest((Message("system", "Only this."),), 0.0, 5))
    assert server.body["messages"][0]["content"][0]["text"] == "Only this." and "system" not in server.body


def test_anthropic_forces_a_tool_when_told_to() -> None:
    answer = anthropic_answer("", content=[{"type": "tool_use", "name": "reply", "input": {"word": "é", "count": 1}}])
    server = Recorder(answer | {"stop_reason": "tool_use"})
    completion = ask("anthropic", server, request(schema=SCHEMA), options={"structured": "tool"})
    assert json.loads(completion.content) == {"word": "é", "count": 1}
    assert server.body["tool_choice"] == {"type": "tool", "name": "reply", "disable_parallel_tool_use": True}
    assert server.body["tools"][0]["input_schema"] == SCHEMA
    assert "output_config" not in server.body


def test_gemini_sends_its_own_fields() -> None:
    server = Recorder(gemini_answer("{}"))
    turns = (Message("user", "A?"), Message("assistant", "{"), Message("user", "More."))
    asked = CompletionRequest((Message("system", "Be brief."), *turns), 0.3, 123, SCHEMA, "reply", 2**40 + 5)
    ask("gemini", server, asked)
    assert server.requests[0].headers["x-goog-api-key"] == KEY.reveal()
    assert server.body == {
        "contents": [
            {"role": "user", "parts": [{"text": "A?"}]},
            {"role": "model", "parts": [{"text": "{"}]},
            {"role": "user", "parts": [{"text": "More."}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "maxOutputTokens": 123,
            "temperature": 0.3,
            "seed": 5,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
    }


def test_ollama_sends_its_own_fields_and_the_size_of_the_context() -> None:
    server = Recorder(ollama_answer("{}"))
    options = {"think": "low", "keep_alive": "10m"}
    ask("ollama", server, request(schema=SCHEMA), context_tokens=9000, key=None, options=options)
    body = server.body
    assert body["options"] == {"num_predict": 123, "num_ctx": 9000, "temperature": 0.3, "seed": 7}
    assert (body["format"], body["stream"], body["truncate"], body["shift"]) == (SCHEMA, False, False, False)
    assert (body["think"], body["keep_alive"]) == ("low", "10m")
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("provider", ANSWERS)
def test_what_is_not_asked_for_is_not_sent(provider: str) -> None:
    server = Recorder(ANSWERS[provider]("yes"))
    ask(provider, server, request(seed=None), options={"temperature": False})
    text = json.dumps(server.body)
    for word in ("seed", "temperature", "schema", "Schema", "format", "tool"):
        assert word not in text


@pytest.mark.parametrize("provider", ANSWERS)
def test_fields_of_the_user_are_sent_as_they_are(provider: str) -> None:
    server = Recorder(ANSWERS[provider]("yes"))
    extra = {"generationConfig": {"topK": 3}, "options": {"top_k": 3}, "reasoning_effort": "low"}
    ask(provider, server, options={"body": extra})
    body = server.body
    assert body["reasoning_effort"] == "low" and body["generationConfig"]["topK"] == 3
    if provider == "gemini":
        assert body["generationConfig"]["maxOutputTokens"] == 123, "a table is added to, not replaced"


@pytest.mark.parametrize("provider", ANSWERS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temprature": True}, "options.temprature"),
        ({"temperature": "yes"}, "options.temperature"),
        ({"body": {"messages": [], "model": "x"}}, "messages, model cannot be set here"),
        ({"body": {"since": date(2026, 1, 1)}}, "cannot be sent as JSON"),
        ({"body": {"top_p": math.inf}}, "cannot be sent as JSON"),
        ({"body": 3}, "options.body"),
    ],
)
def test_options_are_checked(provider: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        PROVIDERS[provider](context(provider, options=options))
    assert said in str(caught.value) and 'models.models["a-model"]' in str(caught.value)


# --- what is read ---

OPENAI = {"prompt_tokens": 9, "completion_tokens": 4}
ANTHROPIC = {"input_tokens": 9, "output_tokens": 4}
GEMINI = {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 30, "cachedContentTokenCount": 5}
USAGES: list[tuple[str, dict[str, Any], Usage]] = [
    ("openai", {"usage": OPENAI | {"prompt_tokens_details": {"cached_tokens": 6}}}, Usage(9, 4, 6)),
    ("openai", {"usage": OPENAI | {"total_tokens": 20}}, Usage(9, 11, None)),
    ("openai", {"usage": OPENAI | {"prompt_cache_hit_tokens": 3}}, Usage(9, 4, 3)),
    ("openai", {"usage": None}, Usage()),
    ("anthropic", {"usage": ANTHROPIC}, Usage(9, 4, None)),
    (
        "anthropic",
        {"usage": ANTHROPIC | {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}},
        Usage(129, 4, 100),
    ),
    ("gemini", {"usageMetadata": GEMINI}, Usage(9, 34, 5)),
    ("gemini", {"usageMetadata": {"promptTokenCount": 9}}, Usage(9, None, None)),
    ("ollama", {"prompt_eval_count": 9, "eval_count": 4}, Usage(9, 4, None)),
    ("ollama", {"prompt_eval_count": None, "eval_count": True}, Usage(None, None, None)),
]


@pytest.mark.parametrize(("provider", "fields", "usage"), USAGES)
def test_tokens_are_counted(provider: str, fields: dict[str, Any], usage: Usage) -> None:
    completion = ask(provider, Recorder(ANSWERS[provider]("yes") | fields))
    assert completion.usage == usage
    assert completion.model in ("a-model", "a-model-1")


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("openai", {"finish_reason": "length"}),
        ("anthropic", {"stop_reason": "max_tokens"}),
        ("anthropic", {"stop_reason": "model_context_window_exceeded"}),
        ("gemini", {"finishReason": "MAX_TOKENS"}),
        ("ollama", {"done_reason": "length"}),
    ],
)
def test_a_cut_answer_says_so_and_an_empty_one_is_an_error(provider: str, fields: dict[str, Any]) -> None:
    assert ask(provider, Recorder(ANSWERS[provider]('{"wo', **fields))).finish == "length"
    error = error_of(provider, Recorder(ANSWERS[provider]("", **fields)))
    assert error.reason == "empty_content" and "raise `max_tokens`" in str(error)


def openai_message(**message: Any) -> dict[str, Any]:
    return openai_answer("") | {"choices": [{"message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("provider", "answer", "reason"),
    [
        ("openai", openai_message(content=None, refusal="I will not."), "refused"),
        ("openai", openai_answer("half an answ", finish_reason="content_filter"), "refused"),
        ("openai", openai_message(content=None), "empty_content"),
        ("openai", openai_message(content=None, reasoning_content="hmm"), "empty_content"),
        ("openai", {"choices": []}, "malformed_body"),
        ("openai", {"choices": [{"error": {"code": 503, "message": "overloaded"}, "message": {}}]}, "http_5xx"),
        ("openai", {"error": {"code": 429, "message": "slow down"}}, "http_429"),
        ("openai", {"error": {"message": "something"}}, "other"),
        ("openai", {"error": "something"}, "other"),
        ("anthropic", anthropic_answer("I cannot", stop_reason="refusal"), "refused"),
        ("anthropic", anthropic_answer("", stop_reason="refusal", content=[]), "refused"),
        ("anthropic", anthropic_answer("", content=[]), "empty_content"),
        ("anthropic", anthropic_answer("", content=[{"type": "thinking", "thinking": "hmm"}]), "empty_content"),
        ("anthropic", anthropic_answer("", content=[{"type": "text"}]), "malformed_body"),
        ("anthropic", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "other"),
        ("gemini", {"promptFeedback": {"blockReason": "SAFETY"}}, "refused"),
        ("gemini", gemini_answer("half", finishReason="SAFETY"), "refused"),
        ("gemini", {"candidates": [{"finishReason": "RECITATION"}]}, "refused"),
        ("gemini", {"candidates": [{"finishReason": "OTHER", "finishMessage": "who knows"}]}, "empty_content"),
        ("gemini", {"candidates": [{"finishReason": "MAX_TOKENS"}]}, "empty_content"),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": "hmm", "thought": True}]}}]}, "empty_content"),
        ("gemini", {"candidates": [{}]}, "malformed_body"),
        ("gemini", {"candidates": [], "usageMetadata": {}}, "malformed_body"),
        ("ollama", {"error": "model runner has stopped"}, "other"),
        ("ollama", ollama_answer("", done_reason="load"), "empty_content"),
    ],
)
def test_no_answer_is_an_error_with_its_reason(provider: str, answer: dict[str, Any], reason: str) -> None:
    error = error_of(provider, Recorder(answer))
    assert error.reason == reason
    assert error.retry is (reason in ("http_5xx", "http_429"))


def test_thoughts_are_no_part_of_an_answer() -> None:
    blocks = [{"type": "thinking", "thinking": "hmm", "signature": "x"}, {"type": "text", "text": "ye"}]
    answer = anthropic_answer("", content=[*blocks, {"type": "text", "text": "s"}])
    assert ask("anthropic", Recorder(answer)).content == "yes"
    parts = [{"text": "hmm", "thought": True}, {"text": "ye"}, {"text": "s", "thoughtSignature": "x"}]
    assert ask("gemini", Recorder({"candidates": [{"content": {"parts": parts}}]})).content == "yes"


def test_parts_of_an_answer_are_joined() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "ye"}, {"type": "text", "text": "s"}]
    assert ask("openai", Recorder(openai_answer(parts))).content == "yes"


def test_an_answer_that_ollama_takes_for_thinking_is_read_unless_it_was_cut() -> None:
    message = {"role": "assistant", "content": "", "thinking": '{"word": "a"}'}
    assert ask("ollama", Recorder(ollama_answer("", message=message))).content == '{"word": "a"}'
    cut = ollama_answer("", message=message, done_reason="length")
    assert error_of("ollama", Recorder(cut)).reason == "empty_content"


def test_advice_is_given_where_there_is_some() -> None:
    missing = httpx.Response(404, json={"error": 'model "a-model" not found'})
    assert "`ollama pull a-model`" in str(error_of("ollama", Recorder(missing)))
    invalid = httpx.Response(400, json={"error": {"code": 400, "message": "API key not valid. Please pass one."}})
    assert "the key is from the environment variable TEST_KEY" in str(error_of("gemini", Recorder(invalid)))


# --- shaping ---


def test_keywords_are_taken_from_a_schema_but_not_from_its_properties() -> None:
    schema = {
        "type": "object",
        "properties": {"maxLength": {"type": "string", "maxLength": 3, "enum": ["maxLength"]}},
        "anyOf": [{"maxLength": 3}, {"items": {"maxLength": 3}}],
    }
    assert without(schema, frozenset({"maxLength"})) == {
        "type": "object",
        "properties": {"maxLength": {"type": "string", "enum": ["maxLength"]}},
        "anyOf": [{}, {"items": {}}],
    }


def test_a_sample_satisfies_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "ranking": {"type": "array", "items": {"enum": ["A", "B", "C"]}, "minItems": 3, "maxItems": 3},
            "veto": {"type": "boolean"},
            "text": {"type": "string", "minLength": 12, "maxLength": 12},
            "short": {"type": "string", "maxLength": 3},
            "number": {"type": ["integer", "null"], "minimum": 4},
            "either": {"anyOf": [{"const": 5}, {"type": "null"}]},
        },
    }
    said = sample(schema)
    assert said["ranking"] == ["A", "B", "C"] and said["veto"] is False
    assert len(said["text"]) == 12 and len(said["short"]) <= 3
    assert (said["number"], said["either"]) == (4, 5)
