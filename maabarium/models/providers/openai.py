"""The chat completions format of OpenAI, which most servers speak: `POST {endpoint}/chat/completions`.

Documentation: https://platform.openai.com/docs/api-reference/chat. One class serves all of them; what is known of
each server stands in one table. Whether a server runs here or elsewhere it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from maabarium.models.failures import CallFailure, failure_of_status
from maabarium.models.messages import at, count, in_words, small_seed, tool_name, wanted, without, words_at
from maabarium.models.providers.http_provider import HttpOptions, HttpProvider, Refusable, before
from maabarium.plugins.completion import Completion, CompletionRequest, ProviderContext, Usage

__all__ = ["SERVERS", "OpenAI", "OpenAIOptions", "Server"]

Structured = Literal["schema", "object", "none"]
Limit = Literal["max_tokens", "max_completion_tokens"]

LENGTHS = frozenset({"minLength", "maxLength", "uniqueItems"})
"""Keywords of JSON Schema that hosted strict modes refuse, and that grammars of local servers need."""


class OpenAIOptions(HttpOptions):
    """`[models.models.options]` for all providers of this format. `None`: what is known of the server."""

    max_tokens_field: Limit | None = None
    structured: Structured | None = None
    """How a schema is imposed: strict JSON schema, JSON mode with the schema in the prompt, or the prompt alone."""
    schema_lengths: bool | None = None
    """Whether the schema may hold `maxLength` and its like."""


class OpenAI(HttpProvider):
    """One model of a server that speaks this format."""

    options: OpenAIOptions
    options_type = OpenAIOptions
    refusable: ClassVar[tuple[Refusable, ...]] = (
        ("temperature", re.compile("temperature")),
        ("max_tokens", re.compile("max_completion_tokens")),
        ("seed", re.compile(r"\bseed\b")),
        ("schema", re.compile(r"response_format|json_schema|schema|structured output")),
        ("object", re.compile(r"response_format|json_object|JSON mode")),
    )

    def __init__(self, context: ProviderContext, server: Server) -> None:
        self.server, self.default_endpoint = server, server.endpoint
        super().__init__(context)

    def address(self) -> str:
        return f"{self.endpoint}/chat/completions"

    def start_without(self) -> Sequence[str]:
        limit = self.options.max_tokens_field or self.server.limit
        first = ["max_tokens"] if limit == "max_completion_tokens" else []
        structured = self.options.structured or self.server.structured
        return [*super().start_without(), *first, *before(structured, "schema", "object")]

    def insisted(self) -> Sequence[str]:
        return [*super().insisted(), *["max_tokens"] * (self.options.max_tokens_field is not None)]

    def compose(self, request: CompletionRequest, refused: frozenset[str]) -> Mapping[str, Any]:
        spoken = in_words(request) if "schema" in refused else request
        body: dict[str, Any] = {
            "model": self.model.name,
            "messages": [{"role": one.role, "content": one.content} for one in spoken.messages],
            "stream": False,
        }
        field = "max_completion_tokens" if "max_tokens" in refused else "max_tokens"
        body[field] = request.max_tokens
        if "temperature" not in refused:
            body["temperature"] = min(max(request.temperature, 0.0), 2.0)
        if request.seed is not None and "seed" not in refused:
            body["seed"] = small_seed(request.seed)
        if request.schema is not None and "schema" not in refused:
            body["response_format"] = {"type": "json_schema", "json_schema": self._schema(request)}
        elif request.schema is not None and "object" not in refused:
            body["response_format"] = {"type": "json_object"}
        return body

    def _schema(self, request: CompletionRequest) -> dict[str, Any]:
        lengths = self.server.lengths if self.options.schema_lengths is None else self.options.schema_lengths
        schema = request.schema if lengths else without(request.schema, LENGTHS)
        return {"name": tool_name(request.schema_name), "schema": schema, "strict": True}

    def read(self, data: Mapping[str, Any]) -> Completion:
        choice = wanted(data, dict, "choices", 0)
        if choice.get("error"):  # a router's, when the server behind it broke off
            told = failure_of_status(count(choice, "error", "code") or 502, {}, words_at(choice, "error", "message"))
            raise CallFailure(told.reason, told.message, retry=told.retry)
        message = wanted(data, dict, "choices", 0, "message")
        refusal, finish = message.get("refusal"), choice.get("finish_reason")
        if isinstance(refusal, str) and refusal.strip():
            raise CallFailure("refused", f"the model refused: {refusal}")
        if finish == "content_filter":
            raise CallFailure("refused", "the server's content filter stopped the answer")
        cut = finish == "length"
        return Completion(_content(message), _usage(data), "length" if cut else "stop", words_at(data, "model"))


def _content(message: Mapping[str, Any]) -> str:
    """The text: a string, null, or a list of parts as some servers send."""
    content = message.get("content")
    if content is None and "content" in message:
        return ""
    if isinstance(content, list):
        return "".join(wanted(part, str, "text") for part in content if at(part, "type") == "text")
    return wanted(message, str, "content")


def _usage(data: Mapping[str, Any]) -> Usage:
    """Tokens; where reasoning is counted in the total only, it is put where it belongs."""
    prompt, completion = count(data, "usage", "prompt_tokens"), count(data, "usage", "completion_tokens")
    total = count(data, "usage", "total_tokens")
    if prompt is not None and completion is not None and total is not None:
        completion = max(completion, total - prompt)
    cached = count(data, "usage", "prompt_tokens_details", "cached_tokens")
    if cached is None:
        cached = count(data, "usage", "prompt_cache_hit_tokens")
    return Usage(prompt, completion, cached)


@dataclass(frozen=True)
class Server:
    """A server that speaks this format, as the factory of its providers."""

    endpoint: str = ""
    """Empty: whatever the blueprint says."""
    key_env: str = ""
    price_list: str = ""
    limit: Limit = "max_tokens"
    structured: Structured = "schema"
    lengths: bool = False

    def __call__(self, context: ProviderContext) -> OpenAI:
        """One of its models."""
        return OpenAI(context, self)


SERVERS: Mapping[str, Server] = {
    "openai": Server("https://api.openai.com/v1", "OPENAI_API_KEY", "openai", limit="max_completion_tokens"),
    "deepseek": Server("https://api.deepseek.com", "DEEPSEEK_API_KEY", "deepseek", structured="object"),
    "groq": Server("https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq"),
    "openrouter": Server("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openrouter"),
    "xai": Server("https://api.x.ai/v1", "XAI_API_KEY", "x-ai"),
    "openai-compat": Server(lengths=True),
    "custom": Server(lengths=True),
}
"""Provider name -> its server."""
