"""What a plug-in may offer beyond its protocol is found in ours and in an outsider's in the same way."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from proposal_requests import BLUEPRINT

from maabarium.blueprint.schema import Agents, Blueprint, Models, ProposerOptions
from maabarium.errors import BlueprintError
from maabarium.models.pool import ModelPool
from maabarium.plugins.builtin import maabarium_proposers
from maabarium.plugins.completion import facts_of
from maabarium.plugins.hookspecs import hookimpl
from maabarium.plugins.manager import PluginManager, build_plugins, contributions
from maabarium.run.binding import asks_models, bind_blueprint, models_of

MODEL = {"name": "m", "provider": "scripted", "endpoint": "script.jsonl", "temperature": 0.2, "max_tokens": 64}
AGENT = {"name": "ada", "role": "member", "system_prompt": "You work.", "model": "m"}


class Silent:
    """A factory that offers nothing beyond its protocol."""

    def __call__(self, context: Any) -> Any:
        """Never called here."""
        raise NotImplementedError


class Talkative(Silent):
    """A factory that offers all there is."""

    needs_models = False

    def describe(self, blueprint: Blueprint) -> str:
        """In its own words."""
        return f"by hand for {blueprint.name}"


class Outside:
    """Plug-ins of others: two of their own, and ours under names that no code of ours knows."""

    @hookimpl
    def maabarium_proposers(self) -> Mapping[str, Any]:
        """Ours and theirs."""
        return {
            "silent": Silent(),
            "talkative": Talkative(),
            **{f"other-{name}": made for name, made in maabarium_proposers().items()},
        }


def blueprint(kind: str) -> Blueprint:
    """With models and one agent, for this proposer."""
    return BLUEPRINT.model_copy(
        update={
            "proposer": ProposerOptions.model_validate({"kind": kind, "template": "claude"}),
            "models": Models.model_validate({"models": [MODEL]}),
            "agents": Agents.model_validate({"council_size": 1, "debate_rounds": 0, "agents": [AGENT]}),
        }
    )


@pytest.fixture(scope="module")
def plugins() -> PluginManager:
    return build_plugins(Outside())


@pytest.mark.parametrize(
    ("kind", "asks", "said"),
    [
        ("silent", True, "scripted/m"),
        ("talkative", False, f"by hand for {BLUEPRINT.name}"),
        ("council", True, "1 agent, 0 rounds: scripted/m"),
        ("command", False, "claude"),
        ("mutate", False, "no model"),
        ("scripted", False, "no model"),
        ("nobody", True, "scripted/m"),
    ],
)
def test_a_factory_says_whether_it_needs_models_and_what_proposes(
    plugins: PluginManager, kind: str, asks: bool, said: str
) -> None:
    kinds = [kind, f"other-{kind}"] if kind in maabarium_proposers() else [kind]
    for name in kinds:
        assert asks_models(blueprint(name), plugins) is asks
        assert models_of(blueprint(name), plugins) == said


@pytest.mark.parametrize("kind", ["command", "other-command"])
def test_a_factory_says_what_is_wrong_with_a_blueprint(plugins: PluginManager, tmp_path: Path, kind: str) -> None:
    (tmp_path / "calc.py").write_text("x = 1\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in ["init", "-q"], ["add", "calc.py"], [*who, "commit", "-qm", "one"]:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    path = tmp_path / "blueprint.toml"
    path.write_text(
        '[blueprint]\nname = "t"\nversion = "1"\ndescription = "d"\n[domain]\nrepo_path = "."\n'
        'language = "python"\ntarget_files = ["calc.py"]\n'
        "[constraints]\nmax_iterations = 1\ntimeout_seconds = 9\nrequire_tests_pass = true\nmin_improvement = 0\n"
        f'[proposer]\nkind = "{kind}"\ncommand = ["no-such-program"]\n'
        '[[metrics.metrics]]\nname = "size"\nsource = "size"\nweight = 1\ndirection = "minimize"\n'
    )
    with pytest.raises(BlueprintError) as caught:
        bind_blueprint(path, plugins)
    assert "no-such-program" in str(caught.value)


def test_a_provider_says_in_which_format_its_models_edit(plugins: PluginManager, tmp_path: Any) -> None:
    class Outsider(Silent):
        edit_format = "whole"

    ours = contributions(plugins, "providers")
    known = {**ours, "outsider": Outsider(), "silent": Silent(), "renamed": ours["local"]}
    expected = {"outsider": "whole", "silent": "blocks", "renamed": "lines", "mock": "diff", "openai": "blocks"}
    models = Models.model_validate({"models": [{**MODEL, "name": name, "provider": name} for name in expected]})
    pool = ModelPool(models, BLUEPRINT.budget, known, folder=tmp_path, find_key=lambda model: None)
    assert {model.name: pool.edit_format(model) for model in models.models} == expected
    fixed = models.models[0].model_copy(update={"edit_format": "diff"})
    assert pool.edit_format(fixed) == "diff"
    assert facts_of(known["outsider"]).edit_format == "whole" and facts_of(known["silent"]).edit_format == "blocks"
