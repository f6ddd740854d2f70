"""Whether the models of a blueprint could be asked: provider, key, options; with `network` also their address.

No key is shown, and no model is asked anything: an answer costs money. Without `network` nothing is connected to.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from maabarium.blueprint.schema import Blueprint, Model
from maabarium.doctor.findings import Finding, failed, passed, warned
from maabarium.errors import MaabariumError
from maabarium.models.keys import find_key
from maabarium.plugins.completion import HasEndpoint, ProviderContext, ProviderFactory, ProviderFacts, facts_of
from maabarium.plugins.manager import PluginManager, contributions
from maabarium.run.binding import asks_models, models_of
from maabarium.safe_text import one_line
from maabarium.suggestions import suggestion

__all__ = ["check_models"]

SECONDS = 5.0
PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def check_models(blueprint: Blueprint, folder: Path, plugins: PluginManager, *, network: bool) -> Iterator[Finding]:
    """Findings about each model; one that says so when the proposer asks none."""
    if blueprint.models is None or not asks_models(blueprint, plugins):
        yield passed("models", "models", f'the proposer "{blueprint.proposer_kind}" asks none')
        return
    yield passed("models", "models", models_of(blueprint, plugins))
    known = contributions(plugins, "providers")
    for model in blueprint.models.models:
        provider = model.provider.strip().lower()
        if provider not in known:
            said = f'no provider named "{model.provider}"{suggestion(provider, known)}'
            yield failed("models", model.name, said, "correct it, or install the plug-in that brings it")
            continue
        facts = facts_of(known[provider])
        yield _key(model, provider, facts)
        key = find_key(model, facts)
        yield from _made(known[provider], ProviderContext(model, folder, key), network=network)


def _key(model: Model, provider: str, facts: ProviderFacts) -> Finding:
    name = f"{model.name}: key"
    found = find_key(model, facts)
    if found is not None:
        return passed("models", name, f"comes from {found.origin}")
    if not model.api_key_env and facts.key_env is None:
        return passed("models", name, f"{provider} needs none")
    variable = f"set {model.api_key_env}, or " if model.api_key_env else ""
    advice = f"{variable}maabarium keys set {provider}"
    if model.api_key_env or facts.needs_key:
        return failed("models", name, "there is none, and the model cannot be asked without", advice)
    return warned("models", name, "there is none; a hosted server will refuse", advice)


def _made(factory: ProviderFactory, context: ProviderContext, *, network: bool) -> Iterator[Finding]:
    """Whether the provider takes the model's entry. Making it connects to nothing."""
    model = context.model
    try:
        provider = factory(context)
    except MaabariumError as error:
        advice = f'correct [[models.models]] "{model.name}", or install what is missing'
        yield failed("models", f"{model.name}: provider", one_line(str(error), 400), advice)
        return
    try:
        address = provider.endpoint if isinstance(provider, HasEndpoint) else ""
        at = f" at {address}" if address else ""
        yield passed("models", f"{model.name}: provider", f"{model.provider} accepts the entry{at}")
        if network and address:
            yield _reached(model, address)
    finally:
        provider.close()


def _reached(model: Model, address: str) -> Finding:
    """Whether something listens there. Nothing is sent."""
    name = f"{model.name}: network"
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    proxy = next((name for name in PROXIES if os.environ.get(name)), "")
    if proxy and host not in ("localhost", "127.0.0.1", "::1"):
        said = f"{host} is reached through the proxy of {proxy}, which is not tried"
        return warned("models", name, said, f"try it by hand: curl -I {parts.scheme}://{host}")
    try:
        socket.create_connection((host, port), timeout=SECONDS).close()
    except OSError as error:
        advice = f"start the server that serves {model.name}, or correct its endpoint"
        return failed("models", name, f"{host}:{port} cannot be reached: {error.strerror or error}", advice)
    return passed("models", name, f"{host}:{port} answers; the model itself was not asked")
