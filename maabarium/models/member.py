"""One model of the pool: its provider, its rate, its attempts, and what each of them cost.

Knows no other model: turning to one is the pool's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import tenacity

from maabarium.blueprint.schema import Model
from maabarium.errors import MaabariumError, MissingKeyError, ProviderError
from maabarium.models.bucket import Bucket
from maabarium.models.patience import CLOSED, Patience
from maabarium.models.prices import cost_of
from maabarium.models.spending import Reserve, Spending, usage_or_estimate
from maabarium.plugins.completion import Completion, CompletionRequest, Provider, Purpose, Usage
from maabarium.records import Call
from maabarium.safe_text import plain
from maabarium.secret import Secret, redacted

__all__ = ["ATTEMPTS", "Member"]

ATTEMPTS = 2
"""In all: one retry."""
BACK_OFF = 0.75
"""Seconds before the first retry; doubled with each further one."""
LONGEST_WAIT = 30.0
"""Seconds: a server that asks for more is asked again after this long."""
LONGEST_MESSAGE = 1200
"""Characters."""
BILLED = frozenset({CLOSED, "timeout", "truncated_stream", "malformed_body", "empty_content", "refused"})
"""Failures of a model that had begun to answer: what was set aside counts as spent, because nobody knows better."""

T = TypeVar("T")
Maker = Callable[["Member"], Provider]
"""Makes the provider and gives it to `keep`, once."""


class Member:
    """Asks one model. The provider is made with the first question."""

    def __init__(
        self, model: Model, make: Maker, bucket: Bucket | None, spending: Spending, patience: Patience
    ) -> None:
        self.model = model
        self.key: Secret | None = None
        self._make, self._bucket, self._spending, self._patience = make, bucket, spending, patience
        self._made: list[Provider] = []

    @property
    def provider(self) -> Provider | None:
        """The provider if it was made, and not yet closed."""
        return next(iter(self._made), None)

    def ask(self, request: CompletionRequest, purpose: Purpose, calls: list[Call]) -> Completion:
        """Ask, and once more where that may help. Every attempt is added to `calls`. Raises ProviderError."""
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, ProviderError) and error.retry),
            wait=self._wait,
            sleep=self._patience.sleep,
            reraise=True,
        )
        return retrying(self._attempt, request, purpose, calls)

    def close(self) -> None:
        """Close the provider, once, whoever comes first."""
        try:
            self._made.pop().close()
        except IndexError:
            return

    def keep(self, provider: Provider) -> None:
        """Take the provider that was made. If all is over by now, it goes at once."""
        self._made.append(provider)
        if self._patience.over:
            self.close()

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """How long to wait: as the server asks, else longer each time. All users of the model wait with us."""
        error = cast(ProviderError, state.outcome and state.outcome.exception())
        if error.after is None:
            return min(BACK_OFF * 2.0 ** (state.attempt_number - 1), LONGEST_WAIT)
        after = min(max(error.after, 0.0), LONGEST_WAIT)
        if self._bucket is not None:
            self._bucket.hold(after)
        return after

    def _attempt(self, request: CompletionRequest, purpose: Purpose, calls: list[Call]) -> Completion:
        """One question: set aside what it may cost, wait for the rate, ask, settle."""
        reserve = Reserve.of(self.model, request)
        self._spending.set_aside(self.model, reserve)
        spent = reserve
        began: float | None = None
        try:
            provider = self.provider or self._of_plugin(lambda: self._make(self))
            if self._bucket is not None:
                self._bucket.take()
            began = self._patience.clock()
            completion = self._of_plugin(lambda: _answer(provider, request))
            counts = usage_or_estimate(completion.usage, request, completion.content)
            spent = Reserve((counts.prompt or 0) + (counts.completion or 0), cost_of(self.model, counts))
        except ProviderError as error:
            if began is None or error.reason not in BILLED:
                spent = Reserve(0, 0.0)
            if error.reason != CLOSED:
                calls.append(self._call(purpose, began, error=str(error)))
            raise
        finally:
            self._spending.settle(reserve, spent)
        calls.append(self._call(purpose, began, completion))
        return replace(completion, content=redacted(completion.content, self.key))

    def _of_plugin(self, work: Callable[[], T]) -> T:
        """What a provider or its factory returns. Whatever it raises becomes a ProviderError without the key."""
        future = self._patience.done(work)
        error = future.exception()
        if error is None:
            return future.result()
        said = str(error) if isinstance(error, MaabariumError) else f"{type(error).__name__}: {error}"
        clean = plain(redacted(said, self.key), LONGEST_MESSAGE)
        if not isinstance(error, ProviderError):
            raise ProviderError(f"{self.model.provider}: {clean}") from (error if clean == said else None)
        if clean == said:
            raise error
        kind = MissingKeyError if isinstance(error, MissingKeyError) else ProviderError
        raise kind(clean, reason=error.reason, retry=error.retry, after=error.after)

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
            cost=cost_of(self.model, usage) if completion else None,
            latency_ms=0 if began is None else round((self._patience.clock() - began) * 1000),
            error=error,
        )


def _answer(provider: Provider, request: CompletionRequest) -> Completion:
    """One attempt. A provider that lets an empty answer through is caught here."""
    completion = provider.complete(request)
    if not completion.content.strip():
        raise ProviderError(f"{provider.name}: the model said nothing", reason="empty_content")
    return completion
