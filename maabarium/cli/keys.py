"""`maabarium keys`: store, find, remove and list the keys of models. A key is shown only by `get --reveal`."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from maabarium.cli.run_options import Function, json_option
from maabarium.cli.terminal import note, print_json, print_table
from maabarium.errors import MaabariumError
from maabarium.models.keys import delete_key, get_key, list_keys, set_key
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import ProviderFacts, facts_of
from maabarium.plugins.manager import build_plugins, contributions

__all__ = ["keys"]

ABSENT = 1
"""Exit code when there is no such key."""


@click.group("keys", invoke_without_command=True)
@click.pass_context
def keys(ctx: click.Context) -> None:
    """Keep the keys of models in the keyring of this machine.

    The environment comes first: a key that is set there is used, and nothing needs to be stored. No key is ever
    written to a blueprint, database, log or report.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def provider_argument(function: Function) -> Function:
    """`PROVIDER`, by its name in blueprints."""
    return click.argument("provider", callback=lambda ctx, param, value: value.strip().lower())(function)


@keys.command("set", short_help="Store the key of a provider.")
@provider_argument
def set_command(provider: str) -> None:
    """Store the key of PROVIDER. It is asked for without an echo, or read from standard input."""
    if sys.stdin is not None and sys.stdin.isatty():
        value = click.prompt(f"key for {provider}", hide_input=True, err=True)
    else:
        value = sys.stdin.read() if sys.stdin is not None else ""
    facts = _facts(provider)
    place = set_key(provider, facts, value)
    note(f"the key for {provider} is in the keyring ({place})")
    _warn_of_environment(provider, facts)


@keys.command("get", short_help="Say whether a provider has a key, and where.")
@provider_argument
@click.option("--reveal", is_flag=True, help="Print the key itself.")
def get_command(provider: str, reveal: bool) -> int:
    """Say whether PROVIDER has a key, and where; exit code 1 if it has none."""
    key = get_key(provider, _facts(provider))
    if key is None:
        note(f"there is no key for {provider}; store one with `maabarium keys set {provider}`")
        return ABSENT
    click.echo(key.reveal() if reveal else f"the key for {provider} comes from {key.origin}")
    return 0


@keys.command("delete", short_help="Remove a key from the keyring.")
@provider_argument
def delete_command(provider: str) -> int:
    """Remove the key of PROVIDER from the keyring; exit code 1 if there is none."""
    facts = _facts(provider)
    removed = delete_key(provider, facts)
    note(f"the key for {provider} was removed" if removed else f"the keyring has no key for {provider}")
    _warn_of_environment(provider, facts)
    return 0 if removed else ABSENT


@keys.command("list", short_help="List providers, and where their keys come from.")
@json_option
def list_command(as_json: bool) -> None:
    """List all providers, and where their keys come from. Shows no key."""
    places, trouble = list_keys(_known())
    if as_json:
        print_json([asdict(place) for place in places])
    else:
        rows = [
            (place.provider, place.variable or "api_key_env", place.origin or "no key")
            if place.takes_key
            else (place.provider, "", "needs none")
            for place in places
        ]
        print_table(("provider", "variable", "key"), rows)
    if trouble:
        note(trouble)


def _known() -> dict[str, ProviderFacts]:
    """What is known of all providers. A broken plug-in must not stand between a person and the keys."""
    try:
        known = contributions(build_plugins(), "providers")
    except MaabariumError as error:
        note(f"the providers of plug-ins are not listed: {error}")
        known = dict(PROVIDERS)
    return {name: facts_of(factory) for name, factory in known.items()}


def _facts(provider: str) -> ProviderFacts:
    """What is known of one provider; of one that nobody brings, nothing."""
    return _known().get(provider, ProviderFacts())


def _warn_of_environment(provider: str, facts: ProviderFacts) -> None:
    """Say so when the environment has a key, too: that one is used."""
    key = get_key(provider, facts)
    if facts.key_env and key is not None and facts.key_env in key.origin:
        note(f"{key.origin} is set, too, and comes first")
