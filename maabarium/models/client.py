"""One model of the pool: its provider, its rate, its attempts, and what each of them cost.

Knows no other model: turning to one is the pool's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from maabarium.blueprint.schema import Model
from maabarium.errors import MaabariumError, ProviderError
from maabarium.models.failures import LONGEST_WAIT
from maabarium.models.ledger import Reserve, SpendingLedger, cost_of, usage_or_estimate
from maabarium.models.waiting import CLOSED, CancelToken, RateLimit
from maabarium.plugins.completion import Completion, CompletionRequest, Provider, ProviderFacts, Purpose, Usage
from maabarium.records import Call
from maabarium.safe_text import plain
from maabarium.secret import Secret, redacted

__all__ = ["ATTEMPTS", "ModelClient"]

ATTEMPTS = 2
"""In all: one retry."""
BACK_OFF = 0.75
"""Seconds before the first retry; doubled with each further one."""
LONGEST_MESSAGE = 1200
"""Characters."""
BILLED = frozenset({CLOSED, "timeout", "truncated_stream", "malformed_body", "empty_content", "refused"})
"""Failures of a model that had begun to answer: what was set aside counts as spent, because nobody knows better."""

T = TypeVar("T")
Maker = Callable[["ModelClient"], Provider]
"""Makes the provider and gives it to `keep`, once."""


class ModelClient:
    """Asks one model. The provider is made with the first question."""

    def __init__(
        self,
        model: Model,
        facts: ProviderFacts,
        make: Maker,
        limit: RateLimit | None,
        ledger: SpendingLedger,
        cancellation: CancelToken,
    ) -> None:
        self.model, self.facts = model, facts
        self.key: Secret | None = None
        self._make, self._limit, self._ledger, self._cancellation = make, limit, ledger, cancellation
        self._made: list[Provider] = []

    @property
    def provider(self) -> Provider | None:
        """The provider if it was made, and not yet closed."""
        return next(iter(self._made), None)

    def ask(self, request: CompletionRequest, purpose: Purpose, calls: list[Call]) -> Completion:
        """Ask, and once more where that may help. Every attempt is added to `calls`. Raises ProviderError."""
        for attempt in range(ATTEMPTS - 1):
            try:
                return self._attempt(request, purpose, calls)
            except ProviderError as error:
                if not error.retry:
                    raise
                pause = self._pause(error, attempt)
            self._cancellation.sleep(pause)
        return self._attempt(request, purpose, calls)

    def close(self) -> None:
        """Close the provider, once, whoever comes first."""
        try:
            self._made.pop().close()
        except IndexError:
            return

    def keep(self, provider: Provider) -> None:
        """Take the provider that was made. If all is cancelled by now, it goes at once."""
        self._made.append(provider)
        if self._cancellation.cancelled:
            self.close()

    def _pause(self, error: ProviderError, attempt: int) -> float:
        """How long to wait: as the server asks, else longer each time. All users of the model wait with us."""
        if error.after is None:
            return min(BACK_OFF * 2.0**attempt, LONGEST_WAIT)
        after = min(max(error.after, 0.0), LONGEST_WAIT)
        if self._limit is not None:
            self._limit.hold(after)
        return after

    def _attempt(self, request: CompletionRequest, purpose: Purpose, calls: list[Call]) -> Completion:
        """One question: set aside what it may cost, wait for the rate, ask, settle."""
        reserve = Reserve.of(self.model, self.facts, request)
        self._ledger.set_aside(self.model, reserve)
        spent = reserve
        began: float | None = None
        try:
            provider = self.provider or self._of_plugin(lambda: self._make(self))
            if self._limit is not None:
                self._limit.take()
            began = self._cancellation.clock()
            completion = self._of_plugin(lambda: _answer(provider, request))
            counts = usage_or_estimate(completion.usage, request, completion.content)
            spent = Reserve((counts.prompt or 0) + (counts.completion or 0), cost_of(self.model, self.facts, counts))
        except ProviderError as error:
            if began is None or error.reason not in BILLED:
                spent = Reserve(0, 0.0)
            if error.reason != CLOSED:
                calls.append(self._call(purpose, began, error=str(error)))
            raise
        finally:
            self._ledger.settle(reserve, spent)
        calls.append(self._call(purpose, began, completion))
        return replace(completion, content=redacted(completion.content, self.key))

    def _of_plugin(self, work: Callable[[], T]) -> T:
        """What a provider or its factory returns. Whatever it raises becomes a ProviderError without the key."""
        future = self._cancellation.run(work)
        error = future.exception()
        if error is None:
            return future.result()
        said = str(error) if isinstance(error, MaabariumError) else f"{type(error).__name__}: {error}"
        clean = plain(redacted(said, self.key), LONGEST_MESSAGE)
        if not isinstance(error, ProviderError):
            raise ProviderError(f"{self.model.provider}: {clean}") from (error if clean == said else None)
        if clean == said:
            raise error
        raise error.restated(clean)

    def _call(
        self, purpose: Purpose, began: float | None, completion: Completion | None = None, error: str = ""
    ) -> Call:
        usage = completion.usage if completion else Usage()
        provider = self.provider
        return Call(
            agent=purpose.agent,
            provider=provider.name if provider else self.model.provider,
            model=self.model.name,
            kind=purpose.kind,
            round=purpose.round,
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            cached_tokens=usage.cached,
            cost=cost_of(self.model, self.facts, usage) if completion else None,
            latency_ms=0 if began is None else round((self._cancellation.clock() - began) * 1000),
            error=error,
        )


def _answer(provider: Provider, request: CompletionRequest) -> Completion:
    """One attempt. A provider that lets an empty answer through is caught here."""
    completion = provider.complete(request)
    if not completion.content.strip():
        raise ProviderError(f"{provider.name}: the model said nothing", reason="empty_content")
    return completion
