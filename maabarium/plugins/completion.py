"""What is asked of models and what they answer: the contract between proposers, the pool and providers.

A proposer sees a `Pool`; the pool sees providers; a provider sees one request and its own key. All of it stays in
the main process. Times are seconds, token counts are the provider's own, prices are in US dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from maabarium.blueprint.schema import EditFormat, Model
from maabarium.records import Call, CallKind
from maabarium.secret import Secret

__all__ = [
    "Answer",
    "Completion",
    "CompletionRequest",
    "HasEndpoint",
    "Message",
    "Pool",
    "Provider",
    "ProviderContext",
    "ProviderFactory",
    "ProviderFacts",
    "Purpose",
    "SharingFactory",
    "Usage",
    "facts_of",
]  # fmt: skip


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class CompletionRequest:
    """One question to a model. `schema` is a JSON Schema that the reply must satisfy, by the API's own mechanism."""

    messages: tuple[Message, ...]
    temperature: float
    max_tokens: int
    schema: Mapping[str, Any] | None = None
    schema_name: str = "reply"
    seed: int | None = None
    """Sent where the API takes one; it never promises the same answer."""


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counts them; None where it does not say. `cached` ones are part of `prompt`."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None


@dataclass(frozen=True)
class Completion:
    """One answer. `finish` is `length` when it was cut at `max_tokens`."""

    content: str
    usage: Usage = Usage()
    finish: Literal["stop", "length"] = "stop"
    model: str = ""
    """The model as the provider names what answered, which may be more exact than what was asked for."""


class Provider(Protocol):
    """One model behind one API. Used by several threads at once."""

    name: str
    """What errors and rows call it, such as `openai-compat`."""

    def complete(self, request: CompletionRequest) -> Completion:
        """Ask once, without retrying. ProviderError says what to do; an empty or refused answer is one."""

    def close(self) -> None:
        """Give back connections and memory; it is not asked again."""


@runtime_checkable
class HasEndpoint(Protocol):
    """A provider that asks a server. Others say nothing of where they ask, and `doctor` tries no connection."""

    endpoint: str
    """The server's URL: `https://api.openai.com/v1`."""


@dataclass(frozen=True)
class ProviderContext:
    """What a provider may know when it is made."""

    model: Model
    """The entry of `[[models.models]]`, with endpoint, limits and options."""
    folder: Path = Path()
    """The blueprint's folder: what paths in the entry are relative to."""
    key: Secret | None = None
    transport: Any = None
    """An httpx transport in the place of the network; the doubles of our own tests use it."""


ProviderFactory = Callable[[ProviderContext], Provider]
"""Makes a provider. Raises MissingKeyError, ProviderError or UsageProblem with a sentence."""


@dataclass(frozen=True)
class ProviderFacts:
    """What a factory may declare of its providers, in attributes of these names. All of them are optional."""

    needs_key: bool = False
    """Whether nothing can be asked without a key; other providers send one if there is one."""
    key_env: str | None = ""
    """The environment variable that usually holds the key; "": only a blueprint names one; None: none is looked for."""
    free: bool = False
    """Whether a call costs nothing: it is answered on this machine, or by nobody."""
    price_list: str = ""
    """The provider's name in the catalogue of `genai-prices`."""
    edit_format: EditFormat = "blocks"
    """How its models write edits best; it counts for models whose `edit_format` is `auto` in the blueprint."""


def facts_of(factory: object) -> ProviderFacts:
    """What a provider factory declares; the usual values where it says nothing. None is a factory that says nothing."""
    names = [field.name for field in fields(ProviderFacts)]
    return ProviderFacts(**{name: getattr(factory, name) for name in names if hasattr(factory, name)})


@runtime_checkable
class SharingFactory(Protocol):
    """A factory whose providers share something costly, such as a loaded model."""

    def sharing(self, context: ProviderContext, made: Sequence[Provider]) -> Provider:
        """As `ProviderFactory`, given the providers that the pool has made so far."""


@dataclass(frozen=True)
class Purpose:
    """Why a model is asked. Within a run a purpose is unique: recordings are read by it."""

    number: int
    """The experiment."""
    agent: str
    kind: CallKind
    round: int = 0
    attempt: int = 0
    """Counts up when the same question is asked again, for instance after an unreadable reply."""


@dataclass(frozen=True)
class Answer:
    """A completion, and a record of every call that it took (failed ones of other members first)."""

    completion: Completion
    calls: tuple[Call, ...] = ()


class Pool(Protocol):
    """The models of a run, as a proposer may use them. Safe from several threads."""

    def choose(self, name: str, purpose: Purpose) -> Model:
        """The model whose turn it is: the named one, or under `round_robin` the next."""

    def edit_format(self, model: Model) -> EditFormat:
        """How a model writes edits: as the blueprint says, else as its provider does (`ProviderFacts`)."""

    def ask(self, model: Model, request: CompletionRequest, purpose: Purpose) -> Answer:
        """Wait for the rate, check budgets, ask, retry, turn to the next member. ProviderError or BudgetError."""
