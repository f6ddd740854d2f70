"""The models of a run behind one door: rates, budgets, retries, fail-over, and a record of every call.

Providers are made when they are first asked, by factories that the pool is given; it knows none of their formats.
Safe from several threads. `close` may be called from any thread, also by a signal handler: whoever waits, or is
under way, ends within moments.
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
from maabarium.errors import (
    BlueprintError,
    BudgetError,
    MaabariumError,
    MissingKeyError,
    Problem,
    ProviderError,
    UsageProblem,
)
from maabarium.models.bucket import Bucket
from maabarium.models.member import Member
from maabarium.models.patience import CLOSED, SLICE, Patience
from maabarium.models.prices import is_priced
from maabarium.models.recording import Recorder, Recording, digest_of
from maabarium.models.spending import Spending, estimated_prompt
from maabarium.models.turns import Turns
from maabarium.plugins.completion import (
    Answer,
    CompletionRequest,
    EditsInFormat,
    Provider,
    ProviderContext,
    ProviderFactory,
    Purpose,
)
from maabarium.records import Call
from maabarium.secret import Secret
from maabarium.suggestions import suggestion

__all__ = ["ModelPool"]

FindKey = Callable[[Model], Secret | None]


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
        self._models, self._budget, self._factories = models, budget, factories
        self._folder, self._find_key, self._transport = folder, find_key, transport
        self._recorder = Recorder(record) if record else None
        self._recording = Recording(replay) if replay else None
        self._patience = Patience(clock, sleep)
        self._spending = Spending(budget, tokens, money, self._patience)
        self._making = threading.Lock()
        self._turns = Turns()
        self._stood_in: Counter[tuple[str, str]] = Counter()
        buckets = _buckets(models, self._patience)
        self._members = tuple(
            Member(model, self._make, buckets.get(_rate_key(model)), self._spending, self._patience)
            for model in models.models
        )

    def choose(self, name: str, purpose: Purpose) -> Model:
        """See `Pool.choose`. Turns are counted within an experiment, so that a resumed run gets the same models."""
        models = self._models.models
        if self._models.assignment == "round_robin":
            return models[self._turns.of(purpose) % len(models)]
        for model in models:
            if model.name == name:
                return model
        raise UsageProblem(f'no model named "{name}"{suggestion(name, [model.name for model in models])}')

    def edit_format(self, model: Model) -> EditFormat:
        """How a model writes edits: as the blueprint says, else as its provider does, else in blocks."""
        factory = self._factories.get(_name(model))
        declared: EditFormat = factory.edit_format if isinstance(factory, EditsInFormat) else "blocks"
        return declared if model.edit_format == "auto" else model.edit_format

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
        self._patience.over = True
        with ExitStack() as stack:
            if self._recorder is not None:
                stack.callback(self._recorder.close)
            for member in self._members:
                stack.callback(member.close)

    @property
    def spent(self) -> tuple[int, float | None]:
        """Tokens and US dollars of the whole run, as the budgets count them; money None if nobody knows."""
        return self._spending.spent

    def problems(self) -> tuple[Problem, ...]:
        """What will not work, as far as it can be told without asking anybody."""
        if self._recording is not None:
            return ()
        return tuple(self._problems())

    def notes(self) -> tuple[str, ...]:
        """What a person should know at the end of a run, one sentence each."""
        said = list(self._recording.notes()) if self._recording else []
        said += self._recorder.notes() if self._recorder else ()
        for (own, other), count in sorted(self._stood_in.items()):
            said.append(f"{other} answered {count} time{'s' * (count != 1)} in the place of {own}, which failed")
        return tuple(said)

    # --- inside ---

    def _asked(self, model: Model, request: CompletionRequest, purpose: Purpose) -> Answer:
        """Ask the model, then the others."""
        calls: list[Call] = []
        failures: list[tuple[Model, ProviderError]] = []
        for member, question in self._candidates(model, request):
            try:
                completion = member.ask(question, purpose, calls)
            except ProviderError as error:
                failures.append((member.model, error))
                if isinstance(error, BudgetError) or error.reason == CLOSED:
                    break
                continue
            if failures:
                self._stood_in[model.name, member.model.name] += 1
            return Answer(completion, tuple(calls))
        raise _failed(failures, calls)

    def _candidates(self, model: Model, request: CompletionRequest) -> Iterator[tuple[Member, CompletionRequest]]:
        """The model itself, then the others in the order of the blueprint that can hold the question."""
        own = next((member for member in self._members if member.model == model), None)
        if own is None:
            raise UsageProblem(f'the model "{model.name}" is none of this pool; ask one that `choose` gave')
        yield own, request
        for member in self._members:
            answer = min(request.max_tokens, member.model.max_tokens)
            if member is not own and estimated_prompt(request) + answer <= member.model.context_tokens:
                yield member, replace(request, max_tokens=answer)

    def _make(self, member: Member) -> Provider:
        """The provider of a member, made now unless another thread has just done so."""
        factory = self._factories.get(_name(member.model))
        if factory is None:
            named = member.model.provider
            raise ProviderError(f'no provider named "{named}"{suggestion(named, self._factories)}')
        with self._one_at_a_time():
            if member.provider is None:
                member.key = self._find_key(member.model)
                others = [other.provider for other in self._members if other.provider is not None]
                member.keep(_made(factory, self._context(member.model, member.key), others))
            provider = member.provider
        self._patience.check()
        assert provider is not None, "it was made, and is closed only when all is over"
        return provider

    def _context(self, model: Model, key: Secret | None) -> ProviderContext:
        return ProviderContext(model, self._folder, key, self._transport)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Making may take seconds (a keyring asks its user, a file is loaded): whoever waits can be sent away."""
        while not self._making.acquire(timeout=SLICE):
            self._patience.check()
        try:
            yield
        finally:
            self._making.release()

    def _keep(self, purpose: Purpose, digest: str, outcome: Answer | ProviderError) -> None:
        if self._recorder is not None:
            self._recorder.keep(purpose, digest, outcome, [member.key for member in self._members])

    def _replayed(self, recording: Recording, purpose: Purpose, digest: str) -> Answer:
        """What was answered when the run was recorded. It is counted, but no budget forbids it."""
        self._patience.check()
        calls: tuple[Call, ...] = ()
        try:
            answer = recording.answer(purpose, digest)
            calls = answer.calls
            return answer
        except ProviderError as error:
            calls = error.calls
            raise
        finally:
            for call in calls:
                cost = 0.0 if call.error else call.cost
                self._spending.count((call.prompt_tokens or 0) + (call.completion_tokens or 0), cost)

    def _problems(self) -> Iterator[Problem]:
        for index, model in enumerate(self._models.models):
            where = f"models.models[{index}]"
            if self._budget.money is not None and not self._budget.allow_unknown_prices and not is_priced(model):
                yield Problem(
                    f"{where}.price_input",
                    f'the price of "{model.name}" ({model.provider}) is not known, so the budget of money cannot be '
                    "kept; give price_input and price_output (US dollars for a million tokens), or set "
                    "budget.allow_unknown_prices",
                )
            if self._budget.tokens is not None and model.max_tokens >= self._budget.tokens:
                yield Problem(
                    "budget.tokens",
                    f'is {self._budget.tokens}, and one answer of "{model.name}" may take {model.max_tokens}: it would '
                    "never be asked; raise it, or lower max_tokens",
                )
            yield from self._unmakeable(model, where)

    def _unmakeable(self, model: Model, where: str) -> Iterator[Problem]:
        """What its provider says when it is made, with a key that is none: making connects to nothing."""
        factory = self._factories.get(_name(model))
        if factory is None:
            return
        made = self._patience.done(lambda: factory(self._context(model, Secret("a-key-for-the-check"))))
        error = made.exception()
        if error is None:
            made.result().close()
        elif isinstance(error, BlueprintError):
            yield from error.problems
        elif not isinstance(error, MissingKeyError):
            said = str(error) if isinstance(error, MaabariumError) else f"{type(error).__name__}: {error}"
            yield Problem(f"{where}.provider", said)


def _made(factory: ProviderFactory, context: ProviderContext, others: list[Provider]) -> Provider:
    """A provider; one that shares something costly with others (a loaded model) is shown them."""
    sharing: Callable[[ProviderContext, list[Provider]], Provider] | None = getattr(factory, "sharing", None)
    return sharing(context, others) if sharing else factory(context)


def _name(model: Model) -> str:
    return model.provider.strip().lower()


def _rate_key(model: Model) -> tuple[str, str, str]:
    return _name(model), model.endpoint.rstrip("/"), model.name


def _buckets(models: Models, patience: Patience) -> dict[tuple[str, str, str], Bucket]:
    """One bucket for each model that is limited, at the lowest rate that any of its entries gives."""
    rates: dict[tuple[str, str, str], int] = {}
    for model in models.models:
        if model.requests_per_minute is not None:
            key = _rate_key(model)
            rates[key] = min(model.requests_per_minute, rates.get(key, model.requests_per_minute))
    return {key: Bucket(rate, patience) for key, rate in rates.items()}


def _failed(failures: list[tuple[Model, ProviderError]], calls: list[Call]) -> ProviderError:
    """One error for all who failed: the last one if it ends the matter, else the first, and what the others said."""
    last = failures[-1][1]
    ends = isinstance(last, BudgetError) or last.reason == CLOSED
    error = last if ends else failures[0][1]
    said = str(error)
    if not ends and len(failures) > 1:
        said = "no model answered: " + "; ".join(f"{model.name}: {failure}" for model, failure in failures)
    kind = next((kind for kind in (BudgetError, MissingKeyError) if isinstance(error, kind)), ProviderError)
    return kind(said, reason=error.reason, retry=error.retry, after=error.after, calls=tuple(calls))
