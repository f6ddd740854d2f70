"""What the core itself contributes, through the same entry point as anybody's plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maabarium import executors
from maabarium.completion import ProviderFactory
from maabarium.hookspecs import hookimpl
from maabarium.proposers.council import Council
from maabarium.proposers.mutate.proposer import Mutate
from maabarium.proposers.scripted import Scripted
from maabarium.protocols import ExecutorFactory, ProposerFactory, SandboxFactory
from maabarium.providers import PROVIDERS
from maabarium.sandbox import SANDBOXES
from maabarium.strategies import KeepWinner


@hookimpl
def maabarium_providers() -> Mapping[str, ProviderFactory]:
    """The APIs that we speak, and a model in this process."""
    return PROVIDERS


@hookimpl
def maabarium_proposers() -> Mapping[str, ProposerFactory]:
    """Models in council, and two that need no model."""
    return {"council": Council, "mutate": Mutate, "scripted": Scripted}


@hookimpl
def maabarium_executors() -> Mapping[str, ExecutorFactory]:
    """One at a time, or several in threads."""
    return {"serial": executors.serial, "threads": executors.threads}


@hookimpl
def maabarium_sandboxes() -> Mapping[str, SandboxFactory]:
    """Processes under limits."""
    return dict(SANDBOXES)


@hookimpl
def maabarium_strategies() -> Mapping[str, Any]:
    """Keep the winner."""
    return {"keep-winner": KeepWinner}
