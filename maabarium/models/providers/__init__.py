"""Providers of models: one small module for each way to reach one, behind the hook `maabarium_providers`.

A provider asks once and says what went wrong; waiting, repeating, turning to another model and counting is the work of
`pool`. Plug-ins that speak HTTP may build on `HttpProvider` (see docs/providers.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from maabarium.models.failures import REASONS, CallFailure, Reason
from maabarium.models.messages import at, count, wanted
from maabarium.models.providers.anthropic import Anthropic
from maabarium.models.providers.gemini import Gemini
from maabarium.models.providers.http_provider import HttpOptions, HttpProvider
from maabarium.models.providers.llm_package import LlmPackage
from maabarium.models.providers.local import Local
from maabarium.models.providers.mock import Mock
from maabarium.models.providers.ollama import Ollama
from maabarium.models.providers.openai import SERVERS
from maabarium.models.providers.scripted import Scripted
from maabarium.plugins.completion import ProviderFactory

__all__ = [
    "PROVIDERS", "REASONS", "CallFailure", "HttpOptions", "HttpProvider", "Reason", "at", "count", "wanted",
]  # fmt: skip

PROVIDERS: Mapping[str, ProviderFactory] = {
    "local": Local,
    "mock": Mock,
    "scripted": Scripted,
    "ollama": Ollama,
    **SERVERS,
    "anthropic": Anthropic,
    "gemini": Gemini,
    "llm": LlmPackage,
}
"""Name in a blueprint -> factory."""
