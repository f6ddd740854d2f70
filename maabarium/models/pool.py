"""The models of a run behind one door: rates, budgets, retries, fail-over, and a record of every call.

Providers are made when they are first asked, by factories that the pool is given. Safe from several threads; `close`
may be called from any, also by a signal handler: whoever waits, or is under way, ends within moments.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Budget, EditFormat, Model, Models
from maabarium.errors import BudgetError, ProviderError, UsageProblem
from maabarium.models.client import ModelClient
from maabarium.models.ledger import SpendingLedger, estimated_prompt
from maabarium.models.recording import Recorder, Recording, digest_of
from maabarium.models.waiting import CLOSED, SLICE, CancelToken, RateLimit
from maabarium.plugins.completion import (
    Answer,
    CompletionRequest,
    Provider,
    ProviderContext,
    ProviderFactory,
    ProviderFacts,
    Purpose,
    SharingFactory,
    facts_of,
)
from maabarium.records import Call
from maabarium.secret import Secret
from maabarium.suggestions import suggestion

__all__ = ["ModelPool"]

FindKey = Callable[[Model], Secret | None]
REMEMBERED = 8
"""Experiments whose turns are kept: more than are ever under way."""


class ModelPool:
    """Implements `completion.Pool`. Connects to nothing before the first question."""

    def __init__(
        self,
        models: Models,
        budget: Budget,
        factories: Mapping[str, ProviderFactory],
        *,
        folder: Path,
        find_key: FindKey,
        tokens: int = 0,
        money: float = 0.0,
        record: Path | None = None,
        replay: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        transport: Any = None,
    ) -> None:
        """`folder` is the blueprint's; `tokens` and `money` (US dollars) were spent before, by a run that is resumed.

        `record` is a file to which all answers are added; `replay` one that answers instead of the models.
        Raises UsageProblem if these cannot be used.
        """
        if record and replay:
            raise UsageProblem("a run is either recorded or replayed; name one file")
        self._models, self._factories = models, factories
        self._folder, self._find_key, self._transport = folder, find_key, transport
        self._recorder = Recorder(record) if record else None
        self._recording = Recording(replay) if replay else None
        self._cancellation = CancelToken(clock, sleep)
        self._ledger = SpendingLedger(budget, tokens, money, self._cancellation)
        self._making = threading.Lock()
        self._turns: dict[int, dict[Purpose, int]] = {}
        self._counting = threading.Lock()
        self._stood_in: Counter[tuple[str, str]] = Counter()
        limits = _rate_limits(models, self._cancellation)
        self._clients = tuple(
            ModelClient(
                model, self._facts(model), self._make, limits.get(_rate_key(model)), self._ledger, self._cancellation
            )
            for model in models.models
        )

    def choose(self, name: str, purpose: Purpose) -> Model:
        """See `Pool.choose`. Turns are counted within an experiment, so that a resumed run gets the same models."""
        models = self._models.models
        if self._models.assignment == "round_robin":
            return models[self._turn(purpose) % len(models)]
        for model in models:
            if model.name == name:
                return model
        raise UsageProblem(f'no model named "{name}"{suggestion(name, [model.name for model in models])}')

    def edit_format(self, model: Model) -> EditFormat:
        """How a model writes edits: as the blueprint says, else as its provider does, else in blocks."""
        return self._facts(model).edit_format if model.edit_format == "auto" else model.edit_format

    def ask(self, model: Model, request: CompletionRequest, purpose: Purpose) -> Answer:
        """See `Pool.ask`."""
        digest = digest_of(model, request)
        if self._recording is not None:
            return self._replayed(self._recording, purpose, digest)
        try:
            answer = self._asked(model, request, purpose)
        except ProviderError as error:
            if error.reason != CLOSED:
                self._keep(purpose, digest, error)
            raise
        self._keep(purpose, digest, answer)
        return answer

    def close(self) -> None:
        """End all waiting, and close what was opened. A second time does nothing."""
        self._cancellation.cancelled = True
        with ExitStack() as stack:
            if self._recorder is not None:
                stack.callback(self._recorder.close)
            for client in self._clients:
                stack.callback(client.close)

    @property
    def spent(self) -> tuple[int, float | None]:
        """Tokens and US dollars of the whole run, as the budgets count them; money None if nobody knows."""
        return self._ledger.spent

    def notes(self) -> tuple[str, ...]:
        """What a person should know at the end of a run, one sentence each."""
        source = self._recording or self._recorder
        stood_in = (
            f"{other} answered {count} time{'s' * (count != 1)} in the place of {own}, which failed"
            for (own, other), count in sorted(self._stood_in.items())
        )
        return (*(source.notes() if source else ()), *stood_in)

    def _asked(self, model: Model, request: CompletionRequest, purpose: Purpose) -> Answer:
        """Ask the model, then the others."""
        calls: list[Call] = []
        failures: list[tuple[Model, ProviderError]] = []
        for client, question in self._candidates(model, request):
            try:
                completion = client.ask(question, purpose, calls)
            except ProviderError as error:
                failures.append((client.model, error))
                if isinstance(error, BudgetError) or error.reason == CLOSED:
                    break
                continue
            if failures:
                self._stood_in[model.name, client.model.name] += 1
            return Answer(completion, tuple(calls))
        raise _failed(failures, calls)

    def _candidates(self, model: Model, request: CompletionRequest) -> Iterator[tuple[ModelClient, CompletionRequest]]:
        """The model itself, then the others in the order of the blueprint that can hold the question."""
        own = next((client for client in self._clients if client.model == model), None)
        if own is None:
            raise UsageProblem(f'the model "{model.name}" is none of this pool; ask one that `choose` gave')
        yield own, request
        for client in self._clients:
            answer = min(request.max_tokens, client.model.max_tokens)
            if client is not own and estimated_prompt(request) + answer <= client.model.context_tokens:
                yield client, replace(request, max_tokens=answer)

    def _make(self, client: ModelClient) -> Provider:
        """The provider of a client, made now unless another thread has just done so."""
        factory = self._factories.get(_name(client.model))
        if factory is None:
            named = client.model.provider
            raise ProviderError(f'no provider named "{named}"{suggestion(named, self._factories)}')
        with self._one_at_a_time():
            if client.provider is None:
                client.key = self._find_key(client.model)
                others = [other.provider for other in self._clients if other.provider is not None]
                context = ProviderContext(client.model, self._folder, client.key, self._transport)
                client.keep(
                    factory.sharing(context, others) if isinstance(factory, SharingFactory) else factory(context)
                )
            provider = client.provider
        self._cancellation.check()
        assert provider is not None, "it was made, and is closed only when all is over"
        return provider

    def _facts(self, model: Model) -> ProviderFacts:
        return facts_of(self._factories.get(_name(model)))

    def _turn(self, purpose: Purpose) -> int:
        """Counted within each experiment, from its number on; a purpose that asks again has the same turn."""
        with self._counting:
            given = self._turns.setdefault(purpose.number, {})
            if len(self._turns) > REMEMBERED:
                del self._turns[min(self._turns)]
            return purpose.number + given.setdefault(purpose, len(given))

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Making may take seconds (a keyring asks its user, a file is loaded): whoever waits can be sent away."""
        while not self._making.acquire(timeout=SLICE):
            self._cancellation.check()
        try:
            yield
        finally:
            self._making.release()

    def _keep(self, purpose: Purpose, digest: str, outcome: Answer | ProviderError) -> None:
        if self._recorder is not None:
            self._recorder.keep(purpose, digest, outcome, [client.key for client in self._clients])

    def _replayed(self, recording: Recording, purpose: Purpose, digest: str) -> Answer:
        """What was answered when the run was recorded. It is counted, but no budget forbids it."""
        self._cancellation.check()
        outcome = recording.outcome(purpose, digest)
        for call in outcome.calls:
            cost = 0.0 if call.error else call.cost
            self._ledger.count((call.prompt_tokens or 0) + (call.completion_tokens or 0), cost)
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome


def _name(model: Model) -> str:
    return model.provider.strip().lower()


def _rate_key(model: Model) -> tuple[str, str, str]:
    return _name(model), model.endpoint.rstrip("/"), model.name


def _rate_limits(models: Models, cancellation: CancelToken) -> dict[tuple[str, str, str], RateLimit]:
    """One for each model that is limited, at the lowest rate that any of its entries gives."""
    rates: dict[tuple[str, str, str], int] = {}
    for model in models.models:
        if model.requests_per_minute is not None:
            key = _rate_key(model)
            rates[key] = min(model.requests_per_minute, rates.get(key, model.requests_per_minute))
    return {key: RateLimit(rate, cancellation) for key, rate in rates.items()}


def _failed(failures: list[tuple[Model, ProviderError]], calls: list[Call]) -> ProviderError:
    """One error for all who failed: the last one if it ends the matter, else the first, and what the others said."""
    last = failures[-1][1]
    ends = isinstance(last, BudgetError) or last.reason == CLOSED
    error = last if ends else failures[0][1]
    said = str(error)
    if not ends and len(failures) > 1:
        said = "no model answered: " + "; ".join(f"{model.name}: {failure}" for model, failure in failures)
    return error.restated(said, tuple(calls))
