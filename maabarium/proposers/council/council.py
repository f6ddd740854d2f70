"""The council: several agents draft a change, criticise each other's diffs, revise and vote; the winner is proposed.

One call of `propose` is one experiment. Everything that was asked and written is on the proposal, or on the error, for
the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from pydantic import Field

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Agent, Agents, Blueprint, Model
from maabarium.errors import BlueprintError, Problem, ProposalError, ProviderError
from maabarium.plugins.completion import Message, Pool
from maabarium.plugins.protocols import ContextRequest, ProposalRequest, ProposerContext
from maabarium.proposers.council.agent import Candidate, CouncilAgent, EditScope
from maabarium.proposers.council.context import Packed, SourceFiles, estimate_tokens, pack
from maabarium.proposers.council.debate import Assignment, Debate
from maabarium.proposers.council.feedback import DIGEST, Advice, advice_on, edits_digest, was_tried
from maabarium.proposers.council.questions import VETO, propose_messages
from maabarium.proposers.council.replies import format_rules
from maabarium.proposers.options import OwnOptions
from maabarium.proposers.prompt_scanner import PromptScanner
from maabarium.proposers.proposal_log import ProposalLog
from maabarium.records import Origin, Proposal

__all__ = ["Council", "CouncilOptions"]

LEAST_CONTEXT = 256
"""Tokens of material below which a model cannot be asked at all."""


class CouncilOptions(OwnOptions):
    """`[proposer]` of a council."""

    whose: ClassVar[str] = "a council"

    critic: str | None = None
    """An agent that may veto a proposal before it costs an evaluation; it takes no other part."""
    repair: int = Field(default=1, ge=0, le=3)
    """How often an unreadable or unfitting reply is sent back with what is wrong with it."""
    critique_tokens: int = Field(default=512, ge=32)
    """Most tokens of one critique, ballot or veto."""


class Council:
    """Proposes what its agents agree on. See the options for what can be set."""

    def __init__(self, context: ProposerContext) -> None:
        self.blueprint = context.blueprint
        source = f"{context.blueprint.name}: [proposer]"
        self.options = CouncilOptions.of(context.options, source)
        if context.pool is None or self.blueprint.agents is None:
            raise BlueprintError(source, [Problem("agents", "is missing: a council needs [agents] and [models]")])
        self.pool: Pool = context.pool
        self.council: Agents = self.blueprint.agents
        self._sections = context.sections
        self._seed = context.seed
        self.agents = self._voters(source)
        self.critic = next((a for a in self.council.agents if a.name == self.options.critic), None)
        self.scanner = PromptScanner(self.options, self.blueprint, source)
        self._runners_up: tuple[int, deque[Candidate]] = (-1, deque())
        """A champion, and the drafts of the last vote on it that are to be evaluated as well (`evaluate_top`)."""

    @staticmethod
    def describe(blueprint: Blueprint) -> str:
        """Agents and rounds, and the models that answer for them."""
        agents, models = blueprint.agents, blueprint.models
        if agents is None or models is None:
            return models.names if models else "no model"
        size, rounds = min(agents.council_size, len(agents.agents)), agents.debate_rounds
        return f"{size} agent{'s' * (size != 1)}, {rounds} round{'s' * (rounds != 1)}: {models.names}"

    def _voters(self, source: str) -> tuple[Agent, ...]:
        """`council_size` agents in their order, the critic not among them."""
        critic, agents = self.options.critic, self.council.agents
        problem = ""
        if critic is not None and critic not in {agent.name for agent in agents}:
            problem = f'no agent is named "{critic}"; there is: {", ".join(agent.name for agent in agents)}'
        voters = tuple(agent for agent in agents if agent.name != critic)[: self.council.council_size]
        if not voters:
            problem = "is the only agent; nobody is left to propose"
        if problem:
            raise BlueprintError(source, [Problem("proposer.critic", problem)])
        return voters

    def propose(self, request: ProposalRequest) -> Proposal:
        """One proposal. ProposalError and ProviderError carry what was asked and written, too."""
        log = ProposalLog()
        champion, waiting = self._runners_up
        try:
            while champion == request.champion.number and waiting:
                draft = waiting.popleft()
                if request.is_new(draft.edits):
                    return _proposal(draft, "runner-up", log)
            assignments, rounds = self._assignments(request, log), self.council.debate_rounds
            debate = Debate(self.blueprint, request.files, assignments, log, self.options.critique_tokens)
            ranked = debate.elect(debate.held(debate.drafts(), rounds), vote=rounds > 0)
            draft = self._choose(request, ranked, log)
            return _proposal(draft, draft.format, log)
        except (ProposalError, ProviderError) as error:
            raise log.attached_to(error) from error.__cause__

    def _assignments(self, request: ProposalRequest, log: ProposalLog) -> list[Assignment]:
        """What each agent is given to work with, as much as its model holds."""
        advice = advice_on(request.history, len(self.agents), self._seed)
        lead = advice.lead % len(self.agents)
        agents = [
            CouncilAgent(agent, self.pool, log, request.number, request.seed, advice.temperature_delta)
            for agent in self.agents[lead:] + self.agents[:lead]
        ]
        models = [self.pool.choose(one.agent.model, one.purpose("propose")) for one in agents]
        rooms: dict[str, int] = {}
        for one, model in zip(agents, models, strict=True):
            room = self._room(one.agent, model, advice)
            rooms[model.name] = min(room, rooms.get(model.name, room))  # one material for all who ask this model
        library = SourceFiles(request.files, self.blueprint)
        packs: dict[int, Packed] = {}
        for room in sorted(set(rooms.values())):
            sections = self._sections(ContextRequest(request, room))
            packed = pack(request, tokens=room, sections=sections, advice=advice, library=library)
            packs[room] = self.scanner.context(packed, log)
        return [
            Assignment(one, model, self._asked(one.agent, model, packed, advice), self._scope(request, packed, log))
            for one, model in zip(agents, models, strict=True)
            for packed in (packs[rooms[model.name]],)
        ]

    def _asked(self, agent: Agent, model: Model, packed: Packed, advice: Advice) -> tuple[Message, ...]:
        rules = format_rules(self.pool.edit_format(model), self.blueprint.domain.language)
        return propose_messages(agent, self.blueprint, packed, rules, advice.note)

    def _room(self, agent: Agent, model: Model, advice: Advice) -> int:
        """Tokens for material. Raises ProviderError when the model holds too little."""
        asked = self._asked(agent, model, Packed(), advice)
        overhead = model.max_tokens + sum(estimate_tokens(each.content) for each in asked)
        debated = self.council.debate_rounds and len(self.agents) > 1
        heard = self.options.critique_tokens * len(self.agents) if debated else 0
        # Before its last answer the conversation grows by a reply, critiques and a foreign draft.
        growth = min(model.max_tokens + heard, model.context_tokens // 3) if debated or self.options.repair else 0
        room = model.context_tokens - overhead - growth
        if room < LEAST_CONTEXT:
            said = f"{model.name}: context_tokens = {model.context_tokens} leave no room for any file"
            raise ProviderError(said, reason="context_exceeded")
        return room

    def _scope(self, request: ProposalRequest, packed: Packed, log: ProposalLog) -> EditScope:
        globs = Globs(self.blueprint.domain.target_files)
        paths, targets = frozenset(request.files.paths()), frozenset(request.targets)
        return EditScope(
            shown=packed.shown,
            creatable=packed.creatable,
            targets=lambda path: path in targets if path in paths else globs.matches(path),
            exists=lambda path: path in paths,
            check=partial(self.scanner.reply, log=log),
            repairs=self.options.repair,
        )

    def _choose(self, request: ProposalRequest, ranked: Sequence[Candidate], log: ProposalLog) -> Candidate:
        """The first draft that is new and that the critic lets pass; the next ones wait if they are wanted, too."""
        champion = request.champion.number
        new = [draft for draft in ranked if request.is_new(draft.edits)]
        new.sort(key=lambda draft: was_tried(draft.summary, draft.edits, request.history, champion))
        if not new:
            tried = ", ".join(sorted({f'"{draft.summary}"' for draft in ranked}))
            raise ProposalError("duplicate", f"everything that was proposed was tried before: {tried}")
        vetoes: list[str] = []
        for index, draft in enumerate(new):
            veto = self._veto(request, draft, log, len(vetoes))
            if veto is None:
                self._runners_up = (champion, deque(new[index + 1 : index + self.blueprint.proposer.evaluate_top]))
                return draft
            vetoes.append(f"{draft.summary}: {veto}")
        raise ProposalError("policy_objection", f"{self.options.critic} vetoed it: {'; '.join(vetoes)}")

    def _veto(self, request: ProposalRequest, draft: Candidate, log: ProposalLog, round_: int) -> str | None:
        """The critic's reason against a draft; None when it has none, or cannot be asked."""
        if self.critic is None:
            return None
        critic = CouncilAgent(self.critic, self.pool, log, request.number, request.seed ^ int(draft.digest[:8], 16))
        diffs, tokens = {"A": draft.diff(request.files)}, self.options.critique_tokens
        try:
            said = critic.say(VETO, self.blueprint, diffs, tokens=tokens, round_=round_)
        except ProviderError:
            return None
        reason = str(said.get("reason") or "no reason given")
        vetoed = said.get("veto") is True
        critic.record("veto", f"{'vetoed' if vetoed else 'let pass'}: {reason}")
        return reason if vetoed else None


def _proposal(draft: Candidate, operator: str, log: ProposalLog) -> Proposal:
    return Proposal(
        summary=draft.summary,
        edits=draft.edits,
        author=draft.agent.name,
        origin=Origin(agent=draft.agent.name, arm=draft.model.name, operator=operator),
        data={"model": draft.model.name, "format": draft.format, DIGEST: edits_digest(draft.edits)},
        drafts=log.drafts,
        calls=log.calls,
    )
