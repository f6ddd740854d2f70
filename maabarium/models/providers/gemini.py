"""Google's Gemini format: `POST {endpoint}/v1beta/models/{model}:generateContent`. A key is required.

Documentation: https://ai.google.dev/api/generate-content. The key travels in a header, never in the address. It knows
of no other server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from maabarium.models.failures import CallFailure
from maabarium.models.messages import at, conversation, count, in_words, small_seed, wanted, words_at
from maabarium.models.providers.http_provider import HttpProvider, Refusable
from maabarium.plugins.completion import Completion, CompletionRequest, Message, Usage

__all__ = ["Gemini"]

WITHHELD = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
})  # fmt: skip
"""Finish reasons that mean: there was more, and it is not given."""


class Gemini(HttpProvider):
    """One model of Google's API."""

    default_endpoint = "https://generativelanguage.googleapis.com"
    needs_key = True
    key_env = "GEMINI_API_KEY"
    price_list = "google"
    refusable: ClassVar[tuple[Refusable, ...]] = (
        ("temperature", re.compile("temperature")),
        ("seed", re.compile(r"\bseed\b")),
        ("schema", re.compile(r"response_?(?:json_?)?schema|response_?mime_?type|json mode|schema", re.IGNORECASE)),
    )

    def address(self) -> str:
        base = self.endpoint if self.endpoint.endswith("/v1beta") else f"{self.endpoint}/v1beta"
        return f"{base}/models/{quote(self.model.name.removeprefix('models/'), safe='')}:generateContent"

    def headers(self) -> Mapping[str, str]:
        return {"x-goog-api-key": self.key.reveal() if self.key else ""}

    def compose(self, request: CompletionRequest, refused: frozenset[str]) -> Mapping[str, Any]:
        system, turns = conversation(in_words(request) if "schema" in refused else request)
        generation: dict[str, Any] = {"maxOutputTokens": request.max_tokens}
        if "temperature" not in refused:
            generation["temperature"] = min(max(request.temperature, 0.0), 2.0)
        if request.seed is not None and "seed" not in refused:
            generation["seed"] = small_seed(request.seed)
        if request.schema is not None and "schema" not in refused:
            generation |= {"responseMimeType": "application/json", "responseJsonSchema": request.schema}
        body: dict[str, Any] = {"contents": [_turn(one) for one in turns], "generationConfig": generation}
        if system.strip():
            body["systemInstruction"] = {"parts": [{"text": system}]}
        return body

    def read(self, data: Mapping[str, Any]) -> Completion:
        blocked = at(data, "promptFeedback", "blockReason")
        if blocked:
            raise CallFailure("refused", f"the prompt was blocked: {blocked}")
        candidate = wanted(data, dict, "candidates", 0)
        finish, why = words_at(candidate, "finishReason"), words_at(candidate, "finishMessage")
        because = f"{finish}: {why}" if why else finish
        if finish in WITHHELD:
            raise CallFailure("refused", f"the answer was withheld: {because}")
        parts = at(candidate, "content", "parts")
        if parts is None:
            if finish == "MAX_TOKENS":  # it was still thinking
                return Completion("", finish="length")
            if not finish:
                raise CallFailure("malformed_body", "the answer has the wrong shape: candidates[0] has no content")
            raise CallFailure("empty_content", f"the model answered with nothing ({because})")
        said = [wanted(one, dict) for one in wanted(parts, list)]
        text = "".join(wanted(one, str, "text") for one in said if "text" in one and not one.get("thought"))
        cut = finish == "MAX_TOKENS"
        return Completion(text, _usage(data), "length" if cut else "stop", words_at(data, "modelVersion"))


def _turn(message: Message) -> dict[str, Any]:
    return {"role": "model" if message.role == "assistant" else "user", "parts": [{"text": message.content}]}


def _usage(data: Mapping[str, Any]) -> Usage:
    """Tokens; thoughts are paid as output and counted apart."""
    meta = data.get("usageMetadata")
    prompt, answer = count(meta, "promptTokenCount"), count(meta, "candidatesTokenCount")
    thoughts = count(meta, "thoughtsTokenCount")
    completion = None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0)
    return Usage(prompt, completion, count(meta, "cachedContentTokenCount"))
