"""Anthropic's Messages format: `POST {endpoint}/v1/messages`. A key is required; it knows of no other server.

Documentation: https://platform.claude.com/docs/en/api/messages. A schema is imposed by `output_config.format`; models
that do not take it are made to call one tool whose input has that schema, and those that take neither (forcing a
tool and thinking exclude one another) read the schema in the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from maabarium.models.failures import CallFailure
from maabarium.models.messages import at, conversation, count, in_words, tool_name, wanted, without, words_at
from maabarium.models.providers.http_provider import HttpOptions, HttpProvider, Refusable, before
from maabarium.plugins.completion import Completion, CompletionRequest, Usage

__all__ = ["Anthropic", "AnthropicOptions"]

VERSION = "2023-06-01"
BOUNDS = frozenset({
    "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
    "maxItems", "uniqueItems",
})  # fmt: skip
"""Keywords of JSON Schema that `output_config.format` refuses."""


class AnthropicOptions(HttpOptions):
    """`[models.models.options]` for `provider = "anthropic"`."""

    structured: Literal["schema", "tool", "none"] = "schema"
    """How a schema is imposed at first; what the model refuses is given up for the next one in this order."""


class Anthropic(HttpProvider):
    """One model of Anthropic's API."""

    default_endpoint = "https://api.anthropic.com"
    needs_key = True
    key_env = "ANTHROPIC_API_KEY"
    price_list = "anthropic"
    options: AnthropicOptions
    options_type = AnthropicOptions
    refusable: ClassVar[tuple[Refusable, ...]] = (
        ("temperature", re.compile("temperature")),
        ("schema", re.compile(r"output_config|output_format|structured output|schema")),
        ("tool", re.compile(r"tool_choice|tools?\b")),
    )

    def address(self) -> str:
        return f"{self.endpoint}/messages" if self.endpoint.endswith("/v1") else f"{self.endpoint}/v1/messages"

    def headers(self) -> Mapping[str, str]:
        key = self.key.reveal() if self.key else ""
        return {"x-api-key": key, "anthropic-version": VERSION, "Accept": "application/json"}

    def start_without(self) -> Sequence[str]:
        return [*super().start_without(), *before(self.options.structured, "schema", "tool")]

    def compose(self, request: CompletionRequest, refused: frozenset[str]) -> Mapping[str, Any]:
        spoken = in_words(request) if {"schema", "tool"} <= refused else request
        system, turns = conversation(spoken)
        body: dict[str, Any] = {
            "model": self.model.name,
            "max_tokens": request.max_tokens,
            "messages": [{"role": one.role, "content": [{"type": "text", "text": one.content}]} for one in turns],
        }
        if system:
            body["system"] = system
        if "temperature" not in refused:
            body["temperature"] = min(max(request.temperature, 0.0), 1.0)
        if request.schema is None:
            return body
        if "schema" not in refused:
            schema = without(request.schema, BOUNDS)
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        elif "tool" not in refused:
            name = tool_name(request.schema_name)
            body["tools"] = [{"name": name, "description": "Give the answer.", "input_schema": request.schema}]
            body["tool_choice"] = {"type": "tool", "name": name, "disable_parallel_tool_use": True}
        return body

    def read(self, data: Mapping[str, Any]) -> Completion:
        blocks = wanted(data, list, "content")
        stop = data.get("stop_reason")
        if stop == "refusal":
            why = at(data, "stop_details", "explanation")
            raise CallFailure("refused", f"the model refused: {why}" if isinstance(why, str) else "the model refused")
        called = [wanted(one, dict, "input") for one in blocks if at(one, "type") == "tool_use"]
        written = [wanted(one, str, "text") for one in blocks if at(one, "type") == "text"]
        content = json.dumps(called[0], ensure_ascii=False) if called and called[0] else "".join(written)
        cut = stop in ("max_tokens", "model_context_window_exceeded")
        return Completion(content, _usage(data), "length" if cut else "stop", words_at(data, "model"))


def _usage(data: Mapping[str, Any]) -> Usage:
    """Tokens; Anthropic counts those read from and written to the cache beside the input, not in it."""
    fresh = count(data, "usage", "input_tokens")
    cached = count(data, "usage", "cache_read_input_tokens")
    written = count(data, "usage", "cache_creation_input_tokens") or 0
    prompt = None if fresh is None else fresh + (cached or 0) + written
    return Usage(prompt, count(data, "usage", "output_tokens"), cached)
