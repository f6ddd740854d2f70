"""The `llm` provider: any model of the package `llm` (https://llm.datasette.io) and of its plug-ins, if installed.

`name` of the model is the name or alias that `llm models` lists. Keys are those of `llm keys`, unless the blueprint
names one. The package is foreign code with foreign code behind it: it may raise anything, never come back, and not
bear two threads at once. So questions wait for one another, and one that takes too long is left behind in its thread.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any

from maabarium.blueprint.schema import Settings
from maabarium.errors import BlueprintError, Problem, ProviderError, UsageProblem
from maabarium.models.failures import CallFailure, failure_of_status
from maabarium.models.messages import at, conversation, in_words, small_seed
from maabarium.models.providers.connection import provider_error, usable_key
from maabarium.models.providers.http_provider import checked_options
from maabarium.models.waiting import run_in_thread
from maabarium.plugins.completion import Completion, CompletionRequest, ProviderContext, Usage
from maabarium.safe_text import listed
from maabarium.suggestions import suggestion

__all__ = ["LlmPackage", "LlmPackageOptions"]

LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict", "n_predict", "max_new_tokens")
"""What models of the package call the option that limits an answer."""
CUT = frozenset({"length", "max_tokens", "MAX_TOKENS"})


class LlmPackageOptions(Settings):
    """`[models.models.options]` for `provider = "llm"`."""

    options: Mapping[str, Any] = {}
    """Options of the model itself, as `llm -o NAME VALUE` takes them."""
    stream: bool = False
    """For models that only stream."""


class LlmPackage:
    """One model of the package `llm`. Raises UsageProblem when package or model are not there."""

    key_env = None

    def __init__(self, context: ProviderContext) -> None:
        self.name = context.model.provider.strip().lower()
        self.model = context.model
        self.key = usable_key(context.key, self.name)
        self.options = checked_options(context.model, LlmPackageOptions)
        self._foreign = _model_named(context.model.name)
        self._known = frozenset(self._foreign.Options.model_fields)
        for name in self.options.options:
            if name not in self._known:
                where = f'models.models["{self.model.name}"].options.options.{name}'
                problem = Problem(where, f"{self._foreign} has no such option{suggestion(name, self._known)}")
                raise BlueprintError("the blueprint", [problem])
        self._turn = threading.Lock()
        self._closed = threading.Event()

    def complete(self, request: CompletionRequest) -> Completion:
        """Ask once, when it is this thread's turn. Raises ProviderError."""
        deadline = time.monotonic() + self.model.timeout_seconds
        if not self._turn.acquire(timeout=self.model.timeout_seconds):
            raise self._late()

        def check() -> None:
            if self._closed.is_set():
                raise self._error(CallFailure("other", "the provider was closed while it was asked"))
            if time.monotonic() >= deadline:
                raise self._late()

        asked = run_in_thread(lambda: self._ask(request), check)
        failure = asked.exception()
        if failure is not None:
            raise self._error(_failure_of(failure))
        if not asked.result().content.strip():
            raise self._error(CallFailure("empty_content", "the model answered with nothing"))
        return asked.result()

    def close(self) -> None:
        """Wait no longer for what is under way."""
        self._closed.set()

    def _ask(self, request: CompletionRequest) -> Completion:
        """Ask, and let the next thread ask, also when nobody waits for this one any more."""
        try:
            constrained = request.schema is not None and self._foreign.supports_schema
            system, turns = conversation(request if constrained else in_words(request))
            several = "\n\n".join(f"{turn.role.title()}: {turn.content}" for turn in turns)
            arguments: dict[str, Any] = self._chosen(request)
            if self.key is not None and getattr(self._foreign, "needs_key", None):
                arguments["key"] = self.key.reveal()
            response = self._foreign.prompt(
                turns[0].content if len(turns) == 1 else several,
                system=system or None,
                stream=self.options.stream,
                schema=dict(request.schema) if constrained and request.schema is not None else None,
                **arguments,
            )
            text, usage, raw = str(response.text()), response.usage(), response.json()
        finally:
            self._turn.release()
        cut = {at(raw, "stop_reason"), at(raw, "finish_reason"), at(raw, "choices", 0, "finish_reason")} & CUT
        return Completion(text, Usage(usage.input, usage.output), "length" if cut else "stop", self._foreign.model_id)

    def _chosen(self, request: CompletionRequest) -> dict[str, Any]:
        """What the request asks for, as far as the model has options for it; the user's own options win."""
        wished: dict[str, Any] = {"temperature": max(request.temperature, 0.0)}
        wished |= {name: request.max_tokens for name in LIMITS if name in self._known}
        if request.seed is not None:
            wished["seed"] = small_seed(request.seed)
        return {name: value for name, value in wished.items() if name in self._known} | dict(self.options.options)

    def _late(self) -> ProviderError:
        return self._error(CallFailure("timeout", f"no answer within {self.model.timeout_seconds:g} s", retry=True))

    def _error(self, failure: CallFailure) -> ProviderError:
        return provider_error(failure, f"{self.name} ({self.model.name})", self.key)


def _model_named(name: str) -> Any:
    """The package's model. Raises UsageProblem."""
    try:
        import llm  # a second, and few need it
    except ImportError as error:
        raise UsageProblem('provider "llm" needs the package llm: `pip install llm`') from error
    try:
        return llm.get_model(name)
    except llm.UnknownModelError:
        known = [one.model_id for one in llm.get_models()]
    raise UsageProblem(
        f'the package llm has no model "{name}"; there is: {listed(sorted(known), 12)}. `llm models` lists them all'
    )


def _failure_of(error: BaseException) -> CallFailure:
    """What an exception of a plug-in means, by what exceptions of HTTP clients have in common."""
    status, headers = getattr(error, "status_code", None), {}
    with contextlib.suppress(Exception):  # whatever a foreign object does when it is looked at
        response = getattr(error, "response", None)
        status = status or getattr(response, "status_code", None)
        headers = {str(name).lower(): str(value) for name, value in dict(getattr(response, "headers", {})).items()}
    said = f"{type(error).__name__}: {error}"
    if isinstance(status, int) and 400 <= status < 600:
        return failure_of_status(status, headers, said)
    kind = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        return CallFailure("timeout", said, retry=True)
    if isinstance(error, ConnectionError) or "Connect" in kind:
        return CallFailure("connect", said, retry=True)
    return CallFailure("other", said)
