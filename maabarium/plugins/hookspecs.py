"""The hooks of Maabarium: this page is their manual. Entry-point group and pluggy project: `maabarium`.

Contribute: name to factory, merged; a name given twice is an error. Main process, and once in each worker process.
Decide: the first result that is not None counts. Main process.
Notify: called in order; a plug-in that fails is warned about and never ends a run. Main process.
Report: lines of text. Main process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pluggy

from maabarium.errors import Problem
from maabarium.plugins.completion import ProviderFactory
from maabarium.plugins.hook_requests import (
    BlueprintCheck,
    DecisionRequest,
    Event,
    ExperimentStart,
    ProposalCheck,
    ReportRequest,
    RunFinish,
    RunStart,
    StopRequest,
)
from maabarium.plugins.processes import SandboxFactory
from maabarium.plugins.protocols import (
    ContextRequest,
    EvaluatorFactory,
    ExecutorFactory,
    ProposerFactory,
    Section,
    StrategyFactory,
)
from maabarium.records import Outcome, ReasonCode, Verdict

__all__ = [
    "BlueprintCheck", "ContextRequest", "DecisionRequest", "Event", "ExperimentStart", "ProposalCheck",
    "ReportRequest", "RunFinish", "RunStart", "Section", "StopRequest", "hookimpl", "hookspec",
]  # fmt: skip

hookspec = pluggy.HookspecMarker("maabarium")
hookimpl = pluggy.HookimplMarker("maabarium")


@hookspec
def maabarium_proposers() -> Mapping[str, ProposerFactory]:
    """Contribute proposers by name.

    Example:
        @hookimpl
        def maabarium_proposers():
            return {"my-proposer": lambda context: MyProposer(context.options)}
    """


@hookspec
def maabarium_providers() -> Mapping[str, ProviderFactory]:
    """Contribute providers of models by name: what `provider` of a `[[models.models]]` may say.

    Example:
        @hookimpl
        def maabarium_providers():
            return {"my-models": lambda context: MyProvider(context.model)}
    """


@hookspec
def maabarium_context(request: ContextRequest) -> Sequence[Section]:
    """Add sections to the prompt of one experiment; they are packed by priority and shown as data.

    Example:
        @hookimpl
        def maabarium_context(request):
            return [Section("Style", "Tabs are not used here.")]
    """


@hookspec
def maabarium_evaluators() -> Mapping[str, EvaluatorFactory]:
    """Contribute evaluators by name; their sources are used as `name:source`. Also called in workers.

    Example:
        @hookimpl
        def maabarium_evaluators():
            return {"wheel-size": lambda options: WheelSize()}
    """


@hookspec
def maabarium_executors() -> Mapping[str, ExecutorFactory]:
    """Contribute `concurrent.futures` executors by name.

    Example:
        @hookimpl
        def maabarium_executors():
            return {"my-pool": lambda workers: MyExecutor(workers)}
    """


@hookspec
def maabarium_sandboxes() -> Mapping[str, SandboxFactory]:
    """Contribute sandbox backends by name. Also called in workers.

    Example:
        @hookimpl
        def maabarium_sandboxes():
            return {"jail": lambda options, cancel: Jail(options, cancel)}
    """


@hookspec
def maabarium_strategies() -> Mapping[str, StrategyFactory]:
    """Contribute strategies by name: which parent a proposal starts from, and when a winner replaces it.

    Example:
        @hookimpl
        def maabarium_strategies():
            return {"my-strategy": lambda context: MyStrategy(context.options)}
    """


@hookspec
def maabarium_check_blueprint(request: BlueprintCheck) -> Sequence[Problem]:
    """Say what is wrong with a blueprint; no problems is an empty list.

    Example:
        @hookimpl
        def maabarium_check_blueprint(request):
            return [] if request.blueprint.name != "x" else [Problem("blueprint.name", "is too short")]
    """


@hookspec
def maabarium_check_proposal(request: ProposalCheck) -> Sequence[Problem]:
    """Object to a proposal before it is evaluated; any problem makes it `invalid: policy_objection`.

    Example:
        @hookimpl
        def maabarium_check_proposal(request):
            return [Problem(e.path, "may not be deleted") for e in request.proposal.edits if e.content is None]
    """


@hookspec(firstresult=True)
def maabarium_decide(request: DecisionRequest) -> tuple[Verdict, ReasonCode, str] | None:
    """Overrule an accepted winner (only to be stricter: a rejection is never overruled).

    Example:
        @hookimpl
        def maabarium_decide(request):
            return ("rejected", "policy_objection", "not on a Friday") if friday() else None
    """


@hookspec(firstresult=True)
def maabarium_should_stop(request: StopRequest) -> str | None:
    """End the run after the current experiment: return the reason as a sentence.

    Example:
        @hookimpl
        def maabarium_should_stop(request):
            return "three winners are enough" if request.promoted >= 3 else None
    """


@hookspec
def maabarium_run_start(request: RunStart) -> None:
    """A run starts.

    Example:
        @hookimpl
        def maabarium_run_start(request):
            print(request.run_id)
    """


@hookspec
def maabarium_experiment_start(request: ExperimentStart) -> None:
    """An experiment starts.

    Example:
        @hookimpl
        def maabarium_experiment_start(request):
            print(request.number)
    """


@hookspec
def maabarium_experiment_finish(request: Outcome) -> None:
    """An experiment ended with this outcome, already stored.

    Example:
        @hookimpl
        def maabarium_experiment_finish(request):
            print(request.verdict)
    """


@hookspec
def maabarium_run_finish(request: RunFinish) -> None:
    """A run ended.

    Example:
        @hookimpl
        def maabarium_run_finish(request):
            print(request.reason)
    """


@hookspec
def maabarium_event(event: Event) -> None:
    """A durable transition was stored; types are the closed list of `maabarium.events`.

    Example:
        @hookimpl
        def maabarium_event(event):
            stream.write(event.type)
    """


@hookspec
def maabarium_report_header(request: ReportRequest) -> Sequence[str]:
    """Lines for the head of a run.

    Example:
        @hookimpl
        def maabarium_report_header(request):
            return ["  power      on battery"]
    """


@hookspec
def maabarium_report_summary(request: ReportRequest) -> Sequence[str]:
    """Lines for the end of a run.

    Example:
        @hookimpl
        def maabarium_report_summary(request):
            return ["energy 3 Wh"]
    """
