"""What the tests of providers share: contexts, requests and a server that can be rude."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from maabarium.blueprint.schema import Model
from maabarium.plugins.completion import CompletionRequest, Message, ProviderContext
from maabarium.secret import Secret

KEY = Secret("sk-test-abcdefghijklmnopqrstuvwxyz", "the environment variable TEST_KEY")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 20}, "count": {"type": "integer", "minimum": 0}},
    "required": ["word", "count"],
    "additionalProperties": False,
}


def model(provider: str, **fields: Any) -> Model:
    return Model(**{"name": "a-model", "provider": provider, "temperature": 0.3, "max_tokens": 200} | fields)


def context(
    provider: str, handler: Callable[[httpx.Request], httpx.Response] | None = None, **fields: Any
) -> ProviderContext:
    key = fields.pop("key", KEY)
    folder = fields.pop("folder", Path())
    transport = httpx.MockTransport(handler) if handler else None
    return ProviderContext(model(provider, **fields), folder, key, transport)


def request(*texts: str, schema: dict[str, Any] | None = None, **fields: Any) -> CompletionRequest:
    messages = (Message("system", "Be brief."), *(Message("user", text) for text in texts or ("Hello?",)))
    given = {"temperature": 0.3, "max_tokens": 123, "schema": schema, "seed": 7} | fields
    return CompletionRequest(messages, **given)


class Recorder:
    """Answers every request alike, or each with the next answer, and keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        self.requests.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(asked.read()) for asked in self.requests]

    @property
    def body(self) -> dict[str, Any]:
        return self.bodies[-1]


def openai_answer(content: Any, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"} | fields
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    return {"id": "x", "model": "a-model-1", "choices": [choice], "usage": usage}


def anthropic_answer(text: str, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 20, "output_tokens": 5}
    blocks = [{"type": "text", "text": text}]
    return {
        "type": "message",
        "model": "a-model-1",
        "content": blocks,
        "stop_reason": "end_turn",
        "usage": usage,
    } | fields


def gemini_answer(content: str, **fields: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": content}]}, "finishReason": "STOP"} | fields
    usage = {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "a-model-1"}


def ollama_answer(text: str, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    answer = {"model": "a-model", "message": message, "done": True, "done_reason": "stop"}
    return answer | {"prompt_eval_count": 20, "eval_count": 5} | fields
