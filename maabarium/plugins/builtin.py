"""What the core itself contributes, through the same entry point as anybody's plug-in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

from maabarium.engine import executors
from maabarium.errors import BlueprintError, Problem
from maabarium.evaluators import EVALUATORS, evaluator_problems
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import ProviderFactory
from maabarium.plugins.hook_requests import BlueprintCheck, ProposalCheck
from maabarium.plugins.hookspecs import hookimpl
from maabarium.plugins.processes import SandboxFactory
from maabarium.plugins.protocols import (
    EvaluatorFactory,
    ExecutorFactory,
    Proposer,
    ProposerContext,
    ProposerFactory,
    StrategyContext,
    StrategyFactory,
)
from maabarium.proposers.command import CommandProposer
from maabarium.proposers.council import Council
from maabarium.proposers.scripted import ScriptedProposer
from maabarium.records import Champion, Outcome
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.policy import policy_objections, policy_problems


class MutateFactory:
    """Makes `mutate`, which is imported then: reading and rewriting programs takes libraries no other one waits for."""

    needs_models = False

    def __call__(self, context: ProposerContext) -> Proposer:
        """The proposer of the change that is most likely to pay, until there is none left."""
        made: Proposer = importlib.import_module("maabarium.proposers.mutate").Mutate(context)
        return made


class KeepWinner:
    """The strategy that always builds on the latest winner."""

    def __init__(self, context: StrategyContext) -> None:
        problems = [Problem(f"strategy.options.{key}", "keep-winner has no options") for key in context.options]
        if problems:
            raise BlueprintError(context.blueprint.name, problems)

    def parent(self, champions: Sequence[Champion]) -> Champion:
        """The latest champion."""
        return champions[-1]

    def replaces(self, winner: Outcome, champion: Champion) -> bool:
        """Whatever was confirmed is kept."""
        return True


@hookimpl
def maabarium_providers() -> Mapping[str, ProviderFactory]:
    """The APIs that we speak, and a model in this process."""
    return PROVIDERS


@hookimpl
def maabarium_proposers() -> Mapping[str, ProposerFactory]:
    """Models in council, an agent that is a program, and two that need no model."""
    return {"command": CommandProposer, "council": Council, "mutate": MutateFactory(), "scripted": ScriptedProposer}


@hookimpl
def maabarium_evaluators() -> Mapping[str, EvaluatorFactory]:
    """Programs and WebAssembly modules of the user's; the `pytest` evaluator is another plug-in."""
    return EVALUATORS


@hookimpl
def maabarium_check_blueprint(request: BlueprintCheck) -> Sequence[Problem]:
    """Policies and evaluators from outside must be there and fit."""
    return [*evaluator_problems(request), *policy_problems(request)]


@hookimpl
def maabarium_check_proposal(request: ProposalCheck) -> Sequence[Problem]:
    """The built-in policy on sizes, and those of the blueprint."""
    return policy_objections(request)


@hookimpl
def maabarium_executors() -> Mapping[str, ExecutorFactory]:
    """One at a time, several in threads, or several in processes."""
    return {"processes": executors.Processes, "serial": executors.serial, "threads": executors.threads}


@hookimpl
def maabarium_sandboxes() -> Mapping[str, SandboxFactory]:
    """Processes under limits."""
    return dict(SANDBOXES)


@hookimpl
def maabarium_strategies() -> Mapping[str, StrategyFactory]:
    """Keep the winner."""
    return {"keep-winner": KeepWinner}
