"""Providers of models: one small module for each way to reach one, behind the hook `maabarium_providers`.

A provider asks once and says what went wrong; waiting, repeating, turning to another model and counting is the work of
`pool`. Plug-ins that speak HTTP may build on `HttpProvider` (see docs/providers.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from maabarium.models.failures import REASONS, Failure, Reason
from maabarium.models.fields import Unusable, at, count, wanted
from maabarium.models.providers.anthropic import Anthropic
from maabarium.models.providers.gemini import Gemini
from maabarium.models.providers.llm_package import LlmPackage
from maabarium.models.providers.local import Local
from maabarium.models.providers.mock import Mock
from maabarium.models.providers.ollama import Ollama
from maabarium.models.providers.openai import SERVERS, OpenAI
from maabarium.models.providers.scripted import Scripted
from maabarium.models.providers.wire import HttpProvider, WireOptions
from maabarium.plugins.completion import ProviderFactory

__all__ = [
    "DEFAULT_KEY_ENV", "NEEDS_KEY", "PROVIDERS", "REASONS", "Failure", "HttpProvider", "Reason", "Unusable",
    "WireOptions", "at", "count", "wanted",
]  # fmt: skip

PROVIDERS: Mapping[str, ProviderFactory] = {
    "local": Local,
    "mock": Mock,
    "scripted": Scripted,
    "ollama": Ollama,
    **dict.fromkeys(SERVERS, OpenAI),
    "anthropic": Anthropic,
    "gemini": Gemini,
    "llm": LlmPackage,
}
"""Name in a blueprint -> factory."""

NEEDS_KEY: frozenset[str] = frozenset({"anthropic", "gemini"})
"""Providers that refuse to be made without a key; the others send one if there is one."""

DEFAULT_KEY_ENV: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "groq": "GROQ_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
}
"""The environment variable in which a provider's key usually is."""
