"""What every provider over HTTP has in common: endpoint, key, options, and one attempt from request to completion.

A format is a subclass that says where to send what, and reads what came back. An optional field that a server refuses
by name (`400`, "temperature is deprecated for this model") is left out from then on, and the failed attempt says that
asking again will help: lists of models that refuse one are out of date as soon as they are written.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

from maabarium.blueprint.schema import Model, Settings
from maabarium.blueprint.sentences import problem_of
from maabarium.errors import BlueprintError, MissingKeyError, Problem, ProviderError, UsageProblem
from maabarium.models.failures import CallFailure, excerpt, failure_of_status
from maabarium.models.messages import count, merged
from maabarium.models.providers.connection import Connection, provider_error, usable_key
from maabarium.plugins.completion import Completion, CompletionRequest, ProviderContext

__all__ = ["HttpProvider", "Refusable", "before", "checked_options", "endpoint_of"]

Chosen = TypeVar("Chosen", bound=Settings)

REFUSAL = re.compile(
    r"not (?:be )?(?:support|permit|allow|compatible|available|valid)|n't support|unsupported|unavailable|deprecated"
    r"|unknown|unrecogni[sz]ed|unexpected|extra inputs|invalid|rejected|must be|instead|may not",
    re.IGNORECASE,
)
"""How servers say that they do not want a field that the same message names."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OWN_FIELDS = frozenset({"model", "messages", "contents", "stream"})


class HttpOptions(Settings):
    """`[models.models.options]` that every HTTP provider takes."""

    temperature: bool | None = None
    """Whether it is sent; `None`: until the server refuses it."""
    body: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Further fields of the request, in the API's own words, such as `reasoning_effort = "low"`."""


Refusable = tuple[str, re.Pattern[str]]
"""A field that may be left out, and how an error message names it."""


def before(chosen: str, *ways: str) -> Sequence[str]:
    """The ways of imposing a schema that come before the chosen one; all of them for one that is not among them."""
    return ways[: ways.index(chosen)] if chosen in ways else ways


class HttpProvider(ABC):
    """A model behind an HTTP API. Raises UsageProblem, BlueprintError or MissingKeyError when it is made."""

    default_endpoint: str = ""
    """Where the API is when the blueprint does not say."""
    needs_key: ClassVar[bool] = False
    key_env: ClassVar[str | None] = ""
    free: ClassVar[bool] = False
    price_list: ClassVar[str] = ""
    options_type: ClassVar[type[HttpOptions]] = HttpOptions
    refusable: ClassVar[tuple[Refusable, ...]] = (("temperature", re.compile("temperature")),)
    advice: ClassVar[Mapping[str, str]] = {}
    """What a person may do about a reason, such as `{"connect": "is Ollama running?"}`."""

    def __init__(self, context: ProviderContext) -> None:
        self.name = context.model.provider.strip().lower()
        self.model = context.model
        self.key = usable_key(context.key, self.name)
        if self.needs_key and self.key is None:
            variable = f"the variable {context.model.api_key_env} or " if context.model.api_key_env else ""
            raise MissingKeyError(
                f"{self.name} needs a key for {context.model.name}: set {variable}"
                f"one with `maabarium keys set {self.name}`",
                reason="other",
            )
        self.endpoint = endpoint_of(context.model, self.default_endpoint)
        self.options = checked_options(context.model, self.options_type)
        self._refused: frozenset[str] = frozenset(self.start_without())
        here = urlsplit(self.endpoint).hostname in LOOPBACK
        self._connection = Connection(timeout=context.model.timeout_seconds, here=here, transport=context.transport)

    @abstractmethod
    def address(self) -> str:
        """Where the question goes."""

    def headers(self) -> Mapping[str, str]:
        """The key and whatever else the API wants; `Content-Type` is there already."""
        return {"Authorization": f"Bearer {self.key.reveal()}"} if self.key else {}

    @abstractmethod
    def compose(self, request: CompletionRequest, refused: frozenset[str]) -> Mapping[str, Any]:
        """The body, without the fields that were `refused`."""

    @abstractmethod
    def read(self, data: Mapping[str, Any]) -> Completion:
        """The completion in the answer. Raises CallFailure; blank content need not be looked for."""

    def start_without(self) -> Sequence[str]:
        """Names of `refusable` that are left out from the beginning."""
        return ["temperature"] if self.options.temperature is False else []

    def insisted(self) -> Sequence[str]:
        """Names of `refusable` that the blueprint asks for, so that they are sent whatever the server says."""
        return ["temperature"] if self.options.temperature else []

    def complete(self, request: CompletionRequest) -> Completion:
        """Ask once. Raises ProviderError, with advice and without the key."""
        refused = self._refused
        body = merged(self.compose(request, refused), self.options.body)
        try:
            data = self._connection.post(self.address(), self.headers(), body)
        except CallFailure as error:
            failure = self._reconsidered(error, request, refused)
        else:
            try:
                return self._read(data)
            except CallFailure as error:
                failure = error
        raise self._error(failure)

    def close(self) -> None:
        """End what is under way and close all connections."""
        self._connection.close()

    def _read(self, data: Mapping[str, Any]) -> Completion:
        """The completion, if it says something, with text that can be stored. Raises CallFailure."""
        if data.get("error"):  # sent with status 200, as routers do when the server behind them fails
            status = count(data, "error", "code") or count(data, "error", "status") or 0
            text = json.dumps(data)
            if 400 <= status < 600:
                raise failure_of_status(status, {}, text)
            raise CallFailure("other", f"the server reports an error: {excerpt(text)}", detail=text)
        completion = self.read(data)
        content, model = (text.encode("utf-8", "replace").decode() for text in (completion.content, completion.model))
        if content.strip():
            return replace(completion, content=content, model=model)
        if completion.finish == "length":
            raise CallFailure("empty_content", "the model used all its tokens before it answered; raise `max_tokens`")
        raise CallFailure("empty_content", "the model answered with nothing")

    def _error(self, failure: CallFailure) -> ProviderError:
        advice = self.advice.get(failure.reason, "").format(model=self.model.name)
        if failure.status in (401, 403) or (failure.status == 400 and "api key" in failure.detail.lower()):
            advice = f"no key was sent: name its variable in `api_key_env`, or `maabarium keys set {self.name}`"
            if self.key is not None:
                advice = f"the key is from {self.key.origin or 'an unknown place'}"
        return provider_error(failure, f"{self.name} ({self.model.name})", self.key, advice)

    def _reconsidered(self, failure: CallFailure, request: CompletionRequest, refused: frozenset[str]) -> CallFailure:
        """The failure, worth another attempt if a field of ours was its cause; that field is not sent again."""
        if failure.status not in (400, 404, 422) or failure.reason == "context_exceeded":
            return failure
        said = excerpt(failure.detail)[:2000]
        for name, words in self.refusable:
            if words.search(said) and REFUSAL.search(said) and self._is_sent(name, request, refused):
                self._refused |= {name}
                failure.message += f" (asked again, it does without {name})"
                failure.retry, failure.after = True, 0.0
                break
        return failure

    def _is_sent(self, name: str, request: CompletionRequest, refused: frozenset[str]) -> bool:
        """Whether the request would be another one without what this name of `refusable` stands for."""
        if name in refused or name in self.insisted():
            return False
        return self.compose(request, refused) != self.compose(request, refused | {name})


def endpoint_of(model: Model, default: str) -> str:
    """The address of the API without trailing slashes. Raises UsageProblem when it is none."""
    endpoint = (model.endpoint.strip() or default).rstrip("/")
    if not endpoint:
        raise UsageProblem(f'the model "{model.name}" needs `endpoint`, because {model.provider} stands for no server')
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or not endpoint.isprintable() or " " in endpoint:
        raise UsageProblem(f'the `endpoint` of "{model.name}" must look like https://host/v1')
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageProblem(
            f'the `endpoint` of "{model.name}" may hold no user, password, query or fragment: no blueprint holds a key'
        )
    return endpoint


def checked_options(model: Model, kind: type[Chosen]) -> Chosen:
    """The model's own options. Raises BlueprintError with every mistake."""
    where = f'models.models["{model.name}"].options'
    try:
        chosen = kind.model_validate(model.options, strict=True)
    except ValueError as error:  # pydantic's, which has the findings
        findings: list[dict[str, Any]] = getattr(error, "errors", list)()
        problems = [problem_of(finding) for finding in findings] or [Problem("", str(error))]
        said = [Problem(f"{where}.{one.where}" if one.where else where, one.message) for one in problems]
        raise BlueprintError("the blueprint", said) from None
    body = getattr(chosen, "body", {})
    try:
        json.dumps(body, allow_nan=False)
        taken = ", ".join(sorted(OWN_FIELDS & set(body)))
        wrong = f"{taken} cannot be set here" if taken else ""
    except (TypeError, ValueError) as error:
        wrong = f"cannot be sent as JSON: {error}"
    if wrong:
        raise BlueprintError("the blueprint", [Problem(f"{where}.body", wrong)])
    return chosen
