"""Keys: the environment first, then a keyring. Real backends of the library `keyring`, in memory or failing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError
from keyring_doubles import InMemory

from maabarium.blueprint.schema import Model
from maabarium.errors import UsageProblem
from maabarium.models import keys
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import ProviderFacts, facts_of
from maabarium.secret import Secret


def model(provider: str = "openai", variable: str | None = None) -> Model:
    return Model(name="m", provider=provider, api_key_env=variable, temperature=0, max_tokens=1)


FACTS = {name: facts_of(factory) for name, factory in PROVIDERS.items()}
KEYLESS = {name for name, facts in FACTS.items() if facts.key_env is None}


def facts_about(provider: str) -> ProviderFacts:
    return FACTS.get(provider.strip().lower(), ProviderFacts())


def find_key(member: Model, environment: Mapping[str, str] | None = None) -> Secret | None:
    return keys.find_key(member, facts_about(member.provider), environment)


def get_key(provider: str, environment: Mapping[str, str] | None = None) -> Secret | None:
    return keys.get_key(provider, facts_about(provider), environment)


def set_key(provider: str, value: str) -> str:
    return keys.set_key(provider, facts_about(provider), value)


def delete_key(provider: str) -> bool:
    return keys.delete_key(provider, facts_about(provider))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No key and no choice of whoever runs the tests."""
    for name in [*filter(None, (facts.key_env for facts in FACTS.values())), keys.CHOICE]:
        monkeypatch.delenv(name, raising=False)
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def memory() -> InMemory:
    backend = InMemory()
    keyring.set_keyring(backend)
    return backend


def revealed(secret: Secret | None) -> tuple[str, str] | None:
    return None if secret is None else (secret.reveal(), secret.origin)


# --- where a key is looked for ---


def test_the_blueprints_variable_comes_first_then_the_usual_one_then_the_keyring(memory: InMemory) -> None:
    memory.set_password("maabarium", "openai", "from-the-keyring")
    both = {"MY_KEY": " mine\n", "OPENAI_API_KEY": "usual"}
    assert revealed(find_key(model(variable="MY_KEY"), both)) == ("mine", "the environment variable MY_KEY")
    assert revealed(find_key(model(), both)) == ("usual", "the environment variable OPENAI_API_KEY")
    found = revealed(find_key(model(variable="MY_KEY"), {"MY_KEY": "  ", "OPENAI_API_KEY": ""}))
    assert found == ("from-the-keyring", "the keyring (keyring_doubles)")
    assert find_key(model("anthropic"), {}) is None


def test_the_real_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk")
    assert revealed(find_key(model(" Groq "))) == ("gsk", "the environment variable GROQ_API_KEY")


@pytest.mark.parametrize("provider", sorted(KEYLESS))
def test_who_needs_no_key_gets_none_from_the_keyring(memory: InMemory, provider: str) -> None:
    memory.set_password("maabarium", provider, "x")
    assert find_key(model(provider), {}) is None
    assert revealed(find_key(model(provider, "MY_KEY"), {"MY_KEY": "x"})) == ("x", "the environment variable MY_KEY")


def test_a_plug_ins_provider_may_have_a_key(memory: InMemory) -> None:
    set_key("My-Models", "abc")
    assert memory.stored == {("maabarium", "my-models"): "abc"}
    assert revealed(find_key(model("my-models"), {})) == ("abc", "the keyring (keyring_doubles)")


@pytest.mark.parametrize("trouble", [KeyringLocked("locked"), RuntimeError("no bus"), OSError("gone")])
def test_a_keyring_in_trouble_does_not_keep_anybody_from_working_without_a_key(
    memory: InMemory, trouble: Exception
) -> None:
    """The original failed even for servers that want no key."""
    memory.trouble = trouble
    assert find_key(model("custom"), {}) is None
    with pytest.raises(UsageProblem, match=rf"the keyring \(keyring_doubles\) refused: {trouble}"):
        get_key("custom", {})


def test_the_library_is_imported_only_if_the_environment_has_no_key() -> None:
    code = (
        "import sys; from maabarium.models.keys import key_finder; from maabarium.blueprint.schema import Model\n"
        "from maabarium.models.providers import PROVIDERS; find_key = key_finder(PROVIDERS)\n"
        "make = lambda provider: Model(name='m', provider=provider, temperature=0, max_tokens=1)\n"
        "assert find_key(make('openai')).reveal() == 'sk-1' and find_key(make('local')) is None\n"
        "assert 'keyring' not in sys.modules"
    )
    environment = {**os.environ, "OPENAI_API_KEY": "sk-1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_each_provider_says_where_its_key_usually_is() -> None:
    hosted = {name: facts.key_env for name, facts in FACTS.items() if facts.key_env}
    assert hosted == {
        "openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY",
        "deepseek": "DEEPSEEK_API_KEY", "groq": "GROQ_API_KEY", "openrouter": "OPENROUTER_API_KEY",
        "xai": "XAI_API_KEY",
    }  # fmt: skip
    assert {"local", "ollama", "mock", "scripted", "llm"} == KEYLESS
    assert {name for name, facts in FACTS.items() if facts.needs_key} == {"anthropic", "gemini"}
    assert {name for name, facts in FACTS.items() if facts.free} == KEYLESS - {"llm"}


# --- storing and removing ---


def test_a_key_is_stored_found_and_removed(memory: InMemory) -> None:
    assert set_key(" OpenAI ", " sk-1\n") == "keyring_doubles"
    assert memory.stored == {("maabarium", "openai"): "sk-1"}
    assert revealed(get_key("openai", {})) == ("sk-1", "the keyring (keyring_doubles)")
    assert delete_key("OPENAI")
    assert not delete_key("openai")
    assert get_key("openai", {}) is None


@pytest.mark.parametrize("value", ["", "  \n", "two words", "sk-1\nsk-2", "clé", "\x1b[31m"])
def test_what_is_no_key_is_not_stored(memory: InMemory, value: str) -> None:
    with pytest.raises(UsageProblem, match="nothing was stored"):
        set_key("openai", value)
    assert memory.stored == {}


def test_some_take_no_key(memory: InMemory) -> None:
    with pytest.raises(UsageProblem, match="local takes no key"):
        set_key("local", "x")
    with pytest.raises(UsageProblem, match="name a provider"):
        set_key("  ", "x")


def test_success_is_reported_only_for_what_is_really_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(null.Keyring())
    monkeypatch.setenv(keys.CHOICE, "keyring.backends.null.Keyring")
    with pytest.raises(UsageProblem, match=r"the keyring \(null\) did not keep the key; set .* OPENAI_API_KEY instead"):
        set_key("openai", "sk-1")


def test_an_error_of_the_keyring_shows_no_key(memory: InMemory) -> None:
    memory.stored["maabarium", "openai"] = "sk-1"
    memory.trouble_deleting = PasswordDeleteError("not allowed")
    with pytest.raises(UsageProblem, match="refused: not allowed") as raised:
        delete_key("openai")
    assert raised.value.__cause__ is None


# --- machines without a keyring ---


class PlainText(InMemory):
    """A backend as `keyrings.alt` installs one: it works, and keeps no secret."""

    priority = 0.5


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring, PlainText])
def test_a_backend_that_keeps_no_secret_counts_as_none(backend: type[KeyringBackend]) -> None:
    keyring.set_keyring(backend())
    assert find_key(model(), {}) is None
    calls: list[Any] = [lambda: set_key("openai", "sk-1"), lambda: get_key("openai", {}), lambda: delete_key("openai")]
    for call in calls:
        with pytest.raises(
            UsageProblem, match="no keyring that keeps secrets; set the environment variable OPENAI_API_KEY"
        ):
            call()


def test_one_that_was_asked_for_by_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.CHOICE, "test_keys.PlainText")
    keyring.set_keyring(PlainText())
    set_key("openai", "sk-1")
    assert revealed(find_key(model(), {})) == ("sk-1", "the keyring (test_keys)")


def test_without_a_usual_variable_the_blueprint_names_one(memory: InMemory) -> None:
    keyring.set_keyring(fail.Keyring())
    with pytest.raises(
        UsageProblem, match=r'variable MY_MODELS_API_KEY instead, and .* api_key_env = "MY_MODELS_API_KEY"'
    ):
        set_key("my-models", "x")


def test_a_backend_that_does_not_exist_is_a_sentence() -> None:
    code = (
        "from maabarium.models.keys import set_key; from maabarium.errors import UsageProblem\n"
        "from maabarium.plugins.completion import ProviderFacts\n"
        "try: set_key('openai', ProviderFacts(), 'x')\nexcept UsageProblem as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, keys.CHOICE: "nowhere.Keyring"}, check=True, timeout=60,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.startswith("the keyring cannot be opened: No module named 'nowhere'; set the environment")


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['keyring'] = None\n"
        "from maabarium.models.keys import find_key, set_key; from maabarium.errors import UsageProblem\n"
        "from maabarium.plugins.completion import ProviderFacts\n"
        "try: set_key('openai', ProviderFacts(), 'x')\nexcept UsageProblem as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.startswith('keyring is not installed: pip install "maabarium[keys]", or set the environment')


# --- the list ---


def test_all_providers_are_listed_with_the_place_of_their_key(memory: InMemory) -> None:
    set_key("xai", "x")
    places, trouble = keys.list_keys({**FACTS, "My-Models": ProviderFacts()}, {"OPENAI_API_KEY": "sk-1"})
    found = {place.provider: (place.origin, place.takes_key) for place in places}
    assert trouble == ""
    assert set(found) == {*PROVIDERS, "my-models"}
    assert found["openai"] == ("the environment variable OPENAI_API_KEY", True)
    assert found["xai"] == ("the keyring (keyring_doubles)", True)
    assert found["my-models"] == ("", True)
    assert found["local"] == ("", False)
    assert [place.provider for place in places] == sorted(found)


def test_the_list_is_there_without_a_keyring() -> None:
    keyring.set_keyring(fail.Keyring())
    places, trouble = keys.list_keys(FACTS, {"OPENAI_API_KEY": "sk-1"})
    assert trouble == "this machine has no keyring that keeps secrets; set environment variables instead"
    assert [place.provider for place in places if place.origin] == ["openai"]


def test_a_keyring_that_fails_halfway_is_named_once(memory: InMemory) -> None:
    memory.trouble = KeyringLocked("locked")
    places, trouble = keys.list_keys(FACTS, {})
    assert trouble == "the keyring (keyring_doubles) refused: locked"
    assert not any(place.origin for place in places)
    assert memory.asked == 1


# --- and a secret stays one ---


def test_a_found_key_does_not_show_itself() -> None:
    found = find_key(model(), {"OPENAI_API_KEY": "sk-1"})
    assert found is not None
    assert "sk-1" not in f"{found} {found!r} {[found]}"
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(found)
