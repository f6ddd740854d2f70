"""Ollama's own format: `POST {endpoint}/api/chat`. Needs no key, and knows nothing of starting the server.

Documentation: https://docs.ollama.com/api/chat. The context is asked for by its size, and neither prompt nor answer
may be shifted out of it: by default Ollama reads the end of a long prompt only and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from maabarium.models.messages import count, in_words, small_seed, wanted, words_at
from maabarium.models.providers.http_provider import HttpOptions, HttpProvider, Refusable
from maabarium.plugins.completion import Completion, CompletionRequest, Usage

__all__ = ["Ollama", "OllamaOptions"]


class OllamaOptions(HttpOptions):
    """`[models.models.options]` for `provider = "ollama"`."""

    think: bool | str | None = None
    """Whether (or how hard) a thinking model thinks; `None`: as the model is set up."""
    keep_alive: str | float | None = None
    """How long the model stays loaded, such as `"10m"`."""


class Ollama(HttpProvider):
    """One model of an Ollama server."""

    default_endpoint = "http://127.0.0.1:11434"
    key_env = None
    free = True
    options: OllamaOptions
    options_type = OllamaOptions
    refusable: ClassVar[tuple[Refusable, ...]] = (("schema", re.compile(r"\bformat\b|grammar|schema")),)
    advice: ClassVar[Mapping[str, str]] = {
        "connect": "is it running? `ollama serve`",
        "http_404": "is it there? `ollama pull {model}`",
    }

    def address(self) -> str:
        return f"{self.endpoint}/api/chat"

    def compose(self, request: CompletionRequest, refused: frozenset[str]) -> Mapping[str, Any]:
        options: dict[str, Any] = {"num_predict": request.max_tokens, "num_ctx": self.model.context_tokens}
        if self.options.temperature is not False:
            options["temperature"] = max(request.temperature, 0.0)
        if request.seed is not None:
            options["seed"] = small_seed(request.seed)
        plain = request if "schema" not in refused else in_words(request)
        body: dict[str, Any] = {
            "model": self.model.name,
            "messages": [{"role": one.role, "content": one.content} for one in plain.messages],
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": options,
        }
        if request.schema is not None and "schema" not in refused:
            body["format"] = request.schema
        extras = {"think": self.options.think, "keep_alive": self.options.keep_alive}
        return body | {name: value for name, value in extras.items() if value is not None}

    def read(self, data: Mapping[str, Any]) -> Completion:
        message = wanted(data, dict, "message")
        content = wanted(message, str, "content")
        cut = data.get("done_reason") == "length"
        thinking = message.get("thinking")
        if not content.strip() and isinstance(thinking, str) and not cut:
            content = thinking  # some models put the whole answer there
        usage = Usage(count(data, "prompt_eval_count"), count(data, "eval_count"))
        return Completion(content, usage, "length" if cut else "stop", words_at(data, "model"))
