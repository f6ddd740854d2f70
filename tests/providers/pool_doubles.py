"""Doubles for the pool: providers that say what they are told, and a clock that only sleeping moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Budget, Model, Models
from maabarium.errors import Problem, ProviderError
from maabarium.models.pool import ModelPool
from maabarium.models.problems import problems_of_models
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import (
    Completion,
    CompletionRequest,
    Message,
    Provider,
    ProviderContext,
    ProviderFactory,
    Purpose,
    SharingFactory,
    Usage,
    facts_of,
)
from maabarium.secret import Secret

Said = str | Completion | BaseException | Callable[[CompletionRequest], Completion]

KEY = "sk-very-secret-0123456789"


class Double:
    """A provider that says what its script says, then `ok`."""

    name = "double"

    def __init__(self, context: ProviderContext, said: Iterator[Said]) -> None:
        self.context = context
        self.said = said
        self.asked: list[CompletionRequest] = []
        self.closed = 0
        self._lock = threading.Lock()

    def complete(self, request: CompletionRequest) -> Completion:
        with self._lock:
            self.asked.append(request)
            said = next(self.said, "ok")
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, str):
            return Completion(said, Usage(10, 5), model=f"{self.context.model.name}-exact")
        return said if isinstance(said, Completion) else said(request)

    def close(self) -> None:
        self.closed += 1


class Doubles:
    """A factory that remembers what it made. Scripts are by the model's name."""

    def __init__(self, scripts: Mapping[str, list[Said]] | None = None) -> None:
        self.scripts = {name: iter(script) for name, script in (scripts or {}).items()}
        self.made: list[Double] = []

    def __call__(self, context: ProviderContext) -> Provider:
        self.made.append(Double(context, self.scripts.get(context.model.name, iter(()))))
        return self.made[-1]

    def of(self, name: str) -> Double:
        (found,) = [double for double in self.made if double.context.model.name == name]
        return found


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        with self._lock:
            self.now += seconds
            self.slept += seconds


def model(name: str = "one", **fields: Any) -> Model:
    return Model.model_validate(
        {"name": name, "provider": "mock", "temperature": 0.2, "max_tokens": 100, "context_tokens": 4096, **fields}
    )


def as_ours(factory: ProviderFactory, provider: str) -> ProviderFactory:
    """A factory that says nothing of itself, with what our provider of that name declares."""
    if isinstance(factory, type | SharingFactory):
        return factory
    declared = partial(factory)
    for name, value in vars(facts_of(PROVIDERS.get(provider))).items():
        setattr(declared, name, value)
    return declared


def make_pool(
    factory: ProviderFactory | None = None,
    *models: Model,
    assignment: str = "explicit",
    budget: Budget | None = None,
    clock: FakeClock | None = None,
    **options: Any,
) -> ModelPool:
    """A pool of these models, all served by one factory; `sleep` in the options means real time."""
    members = models or (model(),)
    factories = {member.provider: as_ours(factory, member.provider) for member in members} if factory else {}
    fake = clock or FakeClock()
    times = {} if "sleep" in options else {"clock": fake, "sleep": fake.sleep}
    options = {"folder": Path(), "find_key": lambda member: Secret(KEY, "a test"), **times, **options}
    return ModelPool(
        Models.model_validate({"assignment": assignment, "models": members}), budget or Budget(), factories, **options
    )


def problems(
    factory: ProviderFactory, *models: Model, budget: Budget | None = None, folder: Path | None = None
) -> tuple[Problem, ...]:
    """What is wrong with these models, all served by one factory."""
    given = Models.model_validate({"assignment": "explicit", "models": models or (model(),)})
    factories = {member.provider: as_ours(factory, member.provider) for member in given.models}
    return problems_of_models(
        given, budget or Budget(), factories, folder or Path(), lambda member: Secret(KEY, "a test")
    )


def request(text: str = "What now?", **fields: Any) -> CompletionRequest:
    return CompletionRequest(**{"messages": (Message("user", text),), "temperature": 0.2, "max_tokens": 50, **fields})


def purpose(number: int = 1, agent: str = "ada", **fields: Any) -> Purpose:
    return Purpose(**{"number": number, "agent": agent, "kind": "propose", **fields})


def busy(reason: str = "http_429", after: float | None = None) -> ProviderError:
    return ProviderError(f"HTTP 429 for {KEY}: rate limited", reason=reason, retry=True, after=after)


def broken(reason: str = "http_404") -> ProviderError:
    return ProviderError("HTTP 404: no such model", reason=reason)
