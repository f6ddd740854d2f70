"""Where the keys of models are: the environment first, then the keyring of the person who runs this.

`keyring` is imported only when the environment has no key; the service is `maabarium`, the account the provider's name
in lower case. A machine without a keyring (a container, a CI runner) is no error until somebody wants to store a key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from maabarium.blueprint.schema import Model
from maabarium.errors import UsageProblem
from maabarium.plugins.completion import ProviderFactory, ProviderFacts, facts_of
from maabarium.secret import Secret

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["SERVICE", "KeyPlace", "delete_key", "find_key", "get_key", "key_finder", "list_keys", "set_key"]

SERVICE = "maabarium"
CHOICE = "PYTHON_KEYRING_BACKEND"
"""The environment variable by which a person names a backend."""


@dataclass(frozen=True)
class KeyPlace:
    """Where the key of one provider comes from; `origin` is empty when there is none."""

    provider: str
    variable: str
    origin: str
    takes_key: bool = True


def find_key(model: Model, facts: ProviderFacts, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The key for a model: from the variable that the blueprint names, the provider's usual one, or the keyring.

    None when there is none, also when the keyring cannot be read: whoever needs a key says what to do.
    """
    found = _in_environment((model.api_key_env, facts.key_env), environment)
    with suppress(UsageProblem):
        if found is None and facts.key_env is not None:
            return _in_keyring(_account(model.provider), facts)
    return found


def key_finder(factories: Mapping[str, ProviderFactory]) -> Callable[[Model], Secret | None]:
    """`find_key` for models of these providers."""
    return lambda model: find_key(model, facts_of(factories.get(_account(model.provider))))


def get_key(provider: str, facts: ProviderFacts, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The key that models of a provider get if their blueprint names no variable. Raises as `set_key`."""
    found = _in_environment((facts.key_env,), environment)
    return found if found is not None else _in_keyring(_account(provider), facts)


def set_key(provider: str, facts: ProviderFacts, value: str) -> str:
    """Store a key and return the backend's name. UsageProblem if it cannot be stored, or was not."""
    account = _account(provider)
    if facts.key_env is None:
        raise UsageProblem(f"{account} takes no key")
    value = value.strip()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UsageProblem("a key is one word of visible ASCII characters; nothing was stored")
    instead = _instead(account, facts)
    backend = _backend(instead)
    with _named(backend):
        backend.set_password(SERVICE, account, value)
        kept = backend.get_password(SERVICE, account)
    if kept != value:
        raise UsageProblem(f"the keyring ({_label(backend)}) did not keep the key; {instead}")
    return _label(backend)


def delete_key(provider: str, facts: ProviderFacts) -> bool:
    """Remove a key from the keyring; False if there was none. Raises as `set_key`."""
    account = _account(provider)
    backend = _backend(_instead(account, facts))
    with _named(backend):
        if backend.get_password(SERVICE, account) is None:
            return False
        backend.delete_password(SERVICE, account)
    return True


def list_keys(
    providers: Mapping[str, ProviderFacts], environment: Mapping[str, str] | None = None
) -> tuple[tuple[KeyPlace, ...], str]:
    """Each provider with the place of its key, and why the keyring could not be looked into, if it could not."""
    places, trouble = [], ""
    try:
        _backend("set environment variables instead")
    except UsageProblem as error:
        trouble = str(error)
    for name, facts in sorted(providers.items(), key=lambda item: _account(item[0])):
        provider, found = _account(name), _in_environment((facts.key_env,), environment)
        try:
            if found is None and facts.key_env is not None and not trouble:
                found = _in_keyring(provider, facts)
        except UsageProblem as error:
            trouble = str(error)
        origin = found.origin if found else ""
        places.append(KeyPlace(provider, facts.key_env or "", origin, facts.key_env is not None))
    return tuple(places), trouble


def _account(provider: str) -> str:
    name = provider.strip().lower()
    if not name:
        raise UsageProblem("name a provider, such as openai")
    return name


def _in_environment(variables: Iterable[str | None], environment: Mapping[str, str] | None) -> Secret | None:
    """The first variable that is set and not blank."""
    values = os.environ if environment is None else environment
    for variable in variables:
        if variable and (value := values.get(variable, "").strip()):
            return Secret(value, f"the environment variable {variable}")
    return None


def _in_keyring(account: str, facts: ProviderFacts) -> Secret | None:
    backend = _backend(_instead(account, facts))
    with _named(backend):
        value = backend.get_password(SERVICE, account)
    return Secret(value.strip(), f"the keyring ({_label(backend)})") if value and value.strip() else None


def _backend(instead: str) -> KeyringBackend:
    """The keyring. UsageProblem, with what to do `instead`, where there is none that keeps secrets.

    Backends below priority 1 write plain text or keep nothing: they count only when the person named one.
    """
    if find_spec("keyring") is None:
        raise UsageProblem(f'keyring is not installed: pip install "maabarium[keys]", or {instead}')
    try:
        import keyring  # with the search for backends a third of a second

        backend = keyring.get_keyring()
        usable = bool(os.environ.get(CHOICE)) or backend.priority >= 1
    except (ImportError, AttributeError, ValueError, OSError, RuntimeError) as error:
        raise UsageProblem(f"the keyring cannot be opened: {error}; {instead}") from error
    if not usable:
        raise UsageProblem(f"this machine has no keyring that keeps secrets; {instead}")
    return backend


@contextmanager
def _named(backend: KeyringBackend) -> Iterator[None]:
    """What a backend raises, as a sentence: a locked one, one that lost its connection."""
    from keyring.errors import KeyringError

    try:
        yield
    except (KeyringError, RuntimeError, OSError) as error:
        said = str(error).strip() or type(error).__name__
        raise UsageProblem(f"the keyring ({_label(backend)}) refused: {said}") from None


def _label(backend: KeyringBackend) -> str:
    return type(backend).__module__.removeprefix("keyring.backends.").removeprefix("keyring.")


def _instead(account: str, facts: ProviderFacts) -> str:
    """What to do without a keyring."""
    if facts.key_env:
        return f"set the environment variable {facts.key_env} instead"
    variable = f"{''.join(c if c.isalnum() else '_' for c in account).upper()}_API_KEY"
    return f'set the environment variable {variable} instead, and name it in the blueprint: api_key_env = "{variable}"'
