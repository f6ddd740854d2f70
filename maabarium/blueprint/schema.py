"""The blueprint as records: every field of the original's sections, unchanged, and ours beside them.

Pure data: nothing here reads a file, looks at a repository or knows who evaluates. Unknown keys in the
original's sections are kept out by `loading` with a warning; in our own sections they are errors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ORIGINAL_SECTIONS", "Acceptance", "Agent", "Agents", "Blueprint", "Budget", "Constraints", "Direction", "Domain",
    "EditFormat", "EvaluatorOptions", "Execution", "Identity", "Integrity", "Library", "Metric", "Metrics", "Model",
    "Models", "Policy", "Promotion", "ProposerOptions", "SandboxOptions", "Settings", "StrategyOptions",
]  # fmt: skip

Direction = Literal["maximize", "minimize"]
EditFormat = Literal["whole", "blocks", "diff", "lines"]
"""How a model writes edits: whole files, search and replace, unified diffs, or one of the listed lines replaced."""
Template = Literal["code_quality", "prompt_optimization", "product_builder", "general_research", "lora_validation", "custom"]  # noqa: E501  # fmt: skip
Text = Annotated[str, Field(min_length=1)]

ORIGINAL_SECTIONS = ("blueprint", "domain", "constraints", "metrics", "agents", "models", "evaluator", "library")
"""Sections in which an unknown key is a warning, because the original ignored it."""


class Settings(BaseModel):
    """Base of all sections: immutable, unknown keys refused, no infinities, field docstrings as descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Identity(Settings):
    """`[blueprint]`: who this is."""

    name: Text
    version: str
    description: str


class Domain(Settings):
    """`[domain]`: what may change. Paths are globs (gitwildmatch) relative to the target's top level."""

    repo_path: str
    target_files: tuple[str, ...]
    language: str
    protected: tuple[str, ...] = ()
    copy_files: tuple[str, ...] = Field(default=(), alias="copy")
    isolation: Literal["auto", "worktree", "snapshot"] = "auto"


class Constraints(Settings):
    """`[constraints]`: how long and how strict."""

    max_iterations: int = Field(ge=1)
    timeout_seconds: int = Field(ge=1)
    require_tests_pass: bool
    min_improvement: float
    """What deterministic totals must gain to count. Below 0 (the original takes it) losses are kept: a warning."""


class Metric(Settings):
    """One thing that "better" means. `source` names who measures it; without one the name's family binds it."""

    name: Text
    weight: float = Field(default=0.0, ge=0)
    """Share of the total; loading demands it of objectives. A guard has none."""
    direction: Direction
    description: str = ""
    source: str | None = None
    role: Literal["objective", "guard"] = "objective"
    tolerance: float = Field(default=0.0, ge=0)
    """Guards only: the relative loss against the baseline that is still allowed (0.05 is 5 %)."""
    range: tuple[float, float] | None = None
    unit: str = ""
    noisy: bool | None = None
    """`None`: found out at the baseline (a clock, or two runs that differ)."""


class Metrics(Settings):
    """`[metrics]`: the weights of the objectives sum to 1."""

    metrics: tuple[Metric, ...] = Field(min_length=1)


class Agent(Settings):
    """One member of the council."""

    name: Text
    role: str
    system_prompt: str
    model: str


class Agents(Settings):
    """`[agents]`: the council."""

    council_size: int = Field(ge=1)
    debate_rounds: int = Field(ge=0)
    agents: tuple[Agent, ...] = Field(min_length=1)


class Model(Settings):
    """One model and where it is served."""

    name: Text
    provider: Text
    endpoint: str = ""
    """Address of the API; empty is the provider's usual one. For `local`: a GGUF file, or empty for the shipped one."""
    api_key_env: str | None = None
    temperature: float
    max_tokens: int = Field(ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)
    timeout_seconds: float = Field(default=90.0, gt=0)
    """How long one answer may take; connecting has 10 s of its own."""
    context_tokens: int = Field(default=16_384, ge=512)
    """What prompt and answer may hold together; the prompt is packed to fit."""
    edit_format: EditFormat | Literal["auto"] = "auto"
    """How it writes edits; `auto`: as its provider says (`lines` for `local`, `diff` for `mock`), else `blocks`."""
    price_input: float | None = Field(default=None, ge=0)
    """US dollars for a million tokens of prompt; `None`: from the catalogue, if it knows the model."""
    price_output: float | None = Field(default=None, ge=0)
    options: dict[str, Any] = Field(default_factory=dict)
    """The provider's own options, which it checks itself: `[models.models.options]`."""


class Models(Settings):
    """`[models]`: the pool."""

    assignment: Literal["explicit", "round_robin"] = "explicit"
    models: tuple[Model, ...] = Field(min_length=1)

    @property
    def names(self) -> str:
        """All models with their providers, as one line."""
        return ", ".join(f"{model.provider}/{model.name}" for model in self.models)


class EvaluatorOptions(Settings):
    """`[evaluator]`: who grades, with which variables of the environment. Rules are paths relative to the blueprint."""

    kind: str = "auto"
    builtin: Literal["code", "prompt", "research", "lora"] | None = None
    manifest_path: str | None = None
    plugin_id: str | None = None
    python: str | None = None  # the one that runs Maabarium
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    rules: tuple[str, ...] = ()
    holdout: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    warm: bool = True
    """Fork sessions from a pytest that is kept ready, where that is sound; False starts each by itself."""
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options of plug-in evaluators by name: `[evaluator.options.wheel-size]`."""


class Library(Settings):
    """`[library]`: how a console lists this blueprint."""

    kind: Literal["workflow", "template"] = "workflow"
    setup_required: bool = False
    template: Template | None = None


class ProposerOptions(BaseModel):
    """`[proposer]`: who proposes. Keys beside these two belong to the proposer, which checks them itself."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str | None = None
    evaluate_top: int = Field(default=1, ge=1)

    @property
    def own(self) -> dict[str, Any]:
        """The proposer's own options, as written."""
        return dict(self.__pydantic_extra__ or {})


class StrategyOptions(Settings):
    """`[strategy]`: from which champion a proposal starts, and which winners are kept."""

    kind: str = "keep-winner"
    options: dict[str, Any] = Field(default_factory=dict)
    """The strategy's own options, which it checks itself: `[strategy.options]`."""


class Acceptance(Settings):
    """`[acceptance]`: when a noisy gain is believed."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Upper bound of the chance that a run contains any false promotion."""
    min_effect: float = Field(default=0.01, ge=0)
    """Relative improvement below which a noisy gain does not count (0.01 is 1 %)."""
    max_pairs: int = Field(default=100, ge=8)
    """Fewer than 8 pairs can never show a gain at the default alpha."""


class Integrity(Settings):
    """`[integrity]`: how hard the grader is on cheats."""

    equivalence: Literal["off", "recorded", "generated"] = "off"
    split: bool = False
    twins: bool = True
    redteam: bool = True


class Budget(Settings):
    """`[budget]`: what a run may use at most; `None` is no limit. Reaching one ends the run in order."""

    wall_seconds: float | None = Field(default=None, gt=0)
    evaluations: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    money: float | None = Field(default=None, gt=0)
    consecutive_failures: int | None = Field(default=10, ge=1)
    """Experiments in a row that ended `invalid` or `error`."""
    patience: int | None = Field(default=None, ge=1)
    """Experiments in a row without a promotion."""
    allow_unknown_prices: bool = False
    """Start with a money budget although a model's price is not known; its calls then count nothing."""


class Promotion(Settings):
    """`[promotion]`: how far a winner may go by itself (0 to 4; 2 keeps on the run's branch)."""

    autonomy: int = Field(default=2, ge=0, le=4)
    branch: str | None = None


class SandboxOptions(Settings):
    """`[sandbox]`: what an evaluated process may do."""

    level: Literal["auto", "trusted", "standard", "strict"] = "auto"
    memory_mb: int | None = Field(default=None, ge=16)
    processes: int | None = Field(default=None, ge=1)
    file_mb: int | None = Field(default=1024, ge=1)
    open_files: int | None = Field(default=None, ge=16)
    output_mb: float = Field(default=8, gt=0)
    written_mb: int | None = Field(default=None, ge=1)
    """What everything of one process tree may add to its folders; `None`: 4096 where the sandbox confines."""
    readable: tuple[str, ...] = ()
    network: bool = False
    pass_env: tuple[str, ...] = ()


class Policy(Settings):
    """`[[policy]]`: one WebAssembly policy."""

    path: Text


class Execution(Settings):
    """`[execution]`: who runs the measurements."""

    workers: int = Field(default=1, ge=1)
    executor: str = "serial"


class Blueprint(Settings):
    """A whole blueprint. Loading makes it; binding returns a copy with every metric's source filled in."""

    blueprint: Identity
    domain: Domain
    constraints: Constraints
    metrics: Metrics
    agents: Agents | None = None
    models: Models | None = None
    evaluator: EvaluatorOptions = EvaluatorOptions()
    library: Library | None = None
    proposer: ProposerOptions = ProposerOptions()
    strategy: StrategyOptions = StrategyOptions()
    acceptance: Acceptance = Acceptance()
    integrity: Integrity = Integrity()
    budget: Budget = Budget()
    promotion: Promotion = Promotion()
    sandbox: SandboxOptions = SandboxOptions()
    policy: tuple[Policy, ...] = ()
    execution: Execution = Execution()

    @property
    def name(self) -> str:
        """The blueprint's name, its key in the database."""
        return self.blueprint.name

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """Metrics that are improved; guards only may not get worse."""
        return tuple(metric for metric in self.metrics.metrics if metric.role == "objective")

    @property
    def guards(self) -> tuple[Metric, ...]:
        """Metrics that may not get worse than their tolerance allows."""
        return tuple(metric for metric in self.metrics.metrics if metric.role == "guard")

    @property
    def proposer_kind(self) -> str:
        """The proposer's name: as given, else `council` when models are named, else `mutate`."""
        return self.proposer.kind or ("council" if self.models and self.agents else "mutate")
