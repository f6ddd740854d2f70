"""The council: several agents draft a change, criticise each other's diffs, revise and vote; the winner is proposed.

One call of `propose` is one experiment. Everything that was asked and written is on the proposal, or on the error, for
the store. Knows models only as a `Pool`, files only as a tree of the champion, and never the tests' verdict but
through the history it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import Agent, Agents, Blueprint, Model
from maabarium.code.differences import make_diff
from maabarium.errors import BlueprintError, Problem, ProposalError, ProviderError
from maabarium.plugins.completion import Pool
from maabarium.plugins.protocols import ContextRequest, ProposalRequest, ProposerContext
from maabarium.proposers.council import questions
from maabarium.proposers.council.context import Packed, SourceFiles, estimate_tokens, pack
from maabarium.proposers.council.debate import Debate, Failure, together, worst_of
from maabarium.proposers.council.feedback import DIGEST, Advice, LoopGuard, advice_on, edits_digest
from maabarium.proposers.council.member import Candidate, CouncilAgent, EditScope
from maabarium.proposers.council.options import CouncilOptions
from maabarium.proposers.council.replies import format_rules
from maabarium.proposers.prompt_scanner import PromptScanner
from maabarium.proposers.proposal_log import ProposalLog
from maabarium.records import Origin, Proposal

__all__ = ["Council"]

LEAST_CONTEXT = 256
"""Tokens of material below which a model cannot be asked at all."""


@dataclass(frozen=True)
class RunnersUp:
    """Drafts of the last vote that are to be evaluated as well (`evaluate_top`), and the champion they are for."""

    champion: int
    drafts: deque[Candidate]


@dataclass(frozen=True)
class Assignment:
    """What one member works with: its model, the material as packed for it, and what its reply is held against."""

    model: Model
    packed: Packed
    scope: EditScope


class Council:
    """Proposes what its agents agree on. See the options for what can be set."""

    @staticmethod
    def describe(blueprint: Blueprint) -> str:
        """Agents and rounds, and the models that answer for them."""
        agents, models = blueprint.agents, blueprint.models
        if agents is None or models is None:
            return models.names if models else "no model"
        size, rounds = min(agents.council_size, len(agents.agents)), agents.debate_rounds
        return f"{size} agent{'s' * (size != 1)}, {rounds} round{'s' * (rounds != 1)}: {models.names}"

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
        self.agents = self._members(source)
        self.critic = next((a for a in self.council.agents if a.name == self.options.critic), None)
        self.scanner = PromptScanner(self.options.scanner, self.options.scanner_allow)
        self.scanner.blueprint(self.blueprint, source)
        self._runners_up = RunnersUp(-1, deque())

    def _members(self, source: str) -> tuple[Agent, ...]:
        """`council_size` agents in their order, the critic not among them."""
        critic, agents = self.options.critic, self.council.agents
        if critic is not None and critic not in {agent.name for agent in agents}:
            names = ", ".join(agent.name for agent in agents)
            raise BlueprintError(
                source, [Problem("proposer.critic", f'no agent is named "{critic}"; there is: {names}')]
            )
        members = tuple(agent for agent in agents if agent.name != critic)[: self.council.council_size]
        if not members:
            raise BlueprintError(source, [Problem("proposer.critic", "is the only agent; nobody is left to propose")])
        return members

    def propose(self, request: ProposalRequest) -> Proposal:
        """One proposal. ProposalError and ProviderError carry what was asked and written, too."""
        log = ProposalLog()
        try:
            return self._left_over(request, log) or self._session(request, log)
        except (ProposalError, ProviderError) as error:
            raise log.attached_to(error) from error.__cause__

    def _left_over(self, request: ProposalRequest, log: ProposalLog) -> Proposal | None:
        """The next draft of the last vote, if it was made for this champion and is still new."""
        while self._runners_up.champion == request.champion.number and self._runners_up.drafts:
            draft = self._runners_up.drafts.popleft()
            if request.is_new(draft.edits):
                return self._proposal(draft, log, runner_up=True)
        return None

    def _session(self, request: ProposalRequest, log: ProposalLog) -> Proposal:
        advice = advice_on(request.history, len(self.agents), self._seed)
        order = self.agents[advice.lead % len(self.agents) :] + self.agents[: advice.lead % len(self.agents)]
        members = {
            agent.name: CouncilAgent(agent, self.pool, log, request.number, request.seed, advice.temperature_delta)
            for agent in order
        }
        assignments = self._assignments(request, members, advice, log)
        diff = _Differ(request)
        drafts, failures = self._drafts(members, assignments, advice, log, diff)
        if not drafts:
            raise worst_of(failures)
        debate = Debate(
            self.blueprint,
            members,
            {name: assignment.scope for name, assignment in assignments.items()},
            diff,
            check=self.scanner.reply(log),
            repairs=self.options.repair,
            tokens=self.options.critique_tokens,
        )
        rounds = self.council.debate_rounds
        ranked = debate.elect(debate.held(drafts, rounds), vote=rounds > 0)
        return self._choose(request, ranked, log, diff)

    # --- the steps ---

    def _assignments(
        self, request: ProposalRequest, members: dict[str, CouncilAgent], advice: Advice, log: ProposalLog
    ) -> dict[str, Assignment]:
        """What each member is given to work with, as much as its model holds."""
        models = {name: self.pool.choose(m.agent.model, m.purpose("propose")) for name, m in members.items()}
        rooms: dict[str, int] = {}
        for name, model in models.items():
            room = self._room(members[name].agent, model, advice)
            rooms[model.name] = min(room, rooms.get(model.name, room))  # one material for all who ask this model
        library = SourceFiles(request.files, self.blueprint)
        packs: dict[int, Packed] = {}
        for room in sorted(set(rooms.values())):
            packed = pack(
                request,
                tokens=room,
                sections=self._sections(ContextRequest(request, room)),
                advice=advice,
                language=self._language,
                library=library,
            )
            packs[room] = self.scanner.context(packed, log)
        given = {name: packs[rooms[model.name]] for name, model in models.items()}
        return {
            name: Assignment(model, given[name], self._scope(request, given[name])) for name, model in models.items()
        }

    def _room(self, agent: Agent, model: Model, advice: Advice) -> int:
        """Tokens for material. Raises ProviderError when the model holds too little."""
        rules = format_rules(self.pool.edit_format(model), self._language)
        asked = questions.propose_messages(agent, self.blueprint, Packed(), rules, advice.note)
        overhead = model.max_tokens + sum(estimate_tokens(each.content) for each in asked)
        room = model.context_tokens - overhead - self._talk(model)
        if room < LEAST_CONTEXT:
            said = f"{model.name}: context_tokens = {model.context_tokens} leave no room for any file"
            raise ProviderError(said, reason="context_exceeded")
        return room

    def _drafts(
        self,
        members: dict[str, CouncilAgent],
        assignments: dict[str, Assignment],
        advice: Advice,
        log: ProposalLog,
        diff: _Differ,
    ) -> tuple[list[Candidate], list[Failure]]:
        """What each member proposes by itself."""
        check = self.scanner.reply(log)

        def draft(name: str) -> Candidate:
            member, assignment = members[name], assignments[name]
            rules = format_rules(self.pool.edit_format(assignment.model), self._language)
            messages = questions.propose_messages(member.agent, self.blueprint, assignment.packed, rules, advice.note)
            repairs = self.options.repair
            made = member.draft(
                assignment.model, messages, assignment.scope, kind="propose", repairs=repairs, check=check
            )
            member.record("proposal", f"{made.summary}\n\n{diff(made)}")
            return made

        results = together(draft, list(members))
        log.next_step()
        drafts = [each for each in results if isinstance(each, Candidate)]
        return drafts, [each for each in results if not isinstance(each, Candidate)]

    def _talk(self, model: Model) -> int:
        """Tokens that the conversation may grow by before its last answer: the reply, critiques, a foreign draft."""
        debated = self.council.debate_rounds and len(self.agents) > 1
        if not (debated or self.options.repair):
            return 0
        heard = self.options.critique_tokens * len(self.agents) if debated else 0
        return min(model.max_tokens + heard, model.context_tokens // 3)

    @property
    def _language(self) -> str:
        return self.blueprint.domain.language

    def _scope(self, request: ProposalRequest, packed: Packed) -> EditScope:
        globs, paths, targets = (
            Globs(self.blueprint.domain.target_files),
            frozenset(request.files.paths()),
            frozenset(request.targets),
        )
        return EditScope(
            shown=packed.shown,
            creatable=packed.creatable,
            targets=lambda path: path in targets if path in paths else globs.matches(path),
            exists=lambda path: path in paths,
        )

    def _choose(
        self, request: ProposalRequest, ranked: Sequence[Candidate], log: ProposalLog, diff: _Differ
    ) -> Proposal:
        """The first draft that is new and that the critic lets pass; the next ones wait if they are wanted, too."""
        new = [draft for draft in ranked if request.is_new(draft.edits)]
        guard = LoopGuard(request.history, request.champion.number)
        new.sort(key=lambda draft: guard.repeated(draft.summary, draft.edits) is not None)
        if not new:
            tried = ", ".join(sorted({f'"{draft.summary}"' for draft in ranked}))
            raise ProposalError("duplicate", f"everything that was proposed was tried before: {tried}")
        vetoes: list[str] = []
        for index, draft in enumerate(new):
            veto = self._veto(request, draft, log, diff)
            if veto is None:
                top = self.blueprint.proposer.evaluate_top - 1
                self._runners_up = RunnersUp(request.champion.number, deque(new[index + 1 : index + 1 + top]))
                return self._proposal(draft, log)
            vetoes.append(f"{draft.summary}: {veto}")
        raise ProposalError("policy_objection", f"{self.options.critic} vetoed it: {'; '.join(vetoes)}")

    def _veto(self, request: ProposalRequest, draft: Candidate, log: ProposalLog, diff: _Differ) -> str | None:
        """The critic's reason against a draft; None when it has none, or cannot be asked."""
        if self.critic is None:
            return None
        seed = request.seed ^ int(draft.digest[:8], 16)
        member = CouncilAgent(self.critic, self.pool, log, request.number, seed)
        messages = questions.veto_messages(self.critic, self.blueprint, diff(draft))
        try:
            said = member.say(
                messages,
                questions.veto_schema,
                kind="veto",
                tokens=self.options.critique_tokens,
                round_=len([each for each in log.drafts if each.kind == "veto"]),
            )
        except ProviderError:
            return None
        reason = str(said.get("reason") or "no reason given")
        vetoed = said.get(questions.VETO) is True
        member.record("veto", f"{'vetoed' if vetoed else 'let pass'}: {reason}")
        return reason if vetoed else None

    def _proposal(self, draft: Candidate, log: ProposalLog, *, runner_up: bool = False) -> Proposal:
        origin = Origin(
            agent=draft.agent.name, arm=draft.model.name, operator="runner-up" if runner_up else draft.format
        )
        return Proposal(
            summary=draft.summary,
            edits=draft.edits,
            author=draft.agent.name,
            origin=origin,
            data={"model": draft.model.name, "format": draft.format, DIGEST: edits_digest(draft.edits)},
            drafts=log.drafts,
            calls=log.calls,
        )


class _Differ:
    """Unified diffs of drafts against the champion's files."""

    def __init__(self, request: ProposalRequest) -> None:
        self._files = request.files

    def __call__(self, draft: Candidate) -> str:
        return "".join(make_diff(self._before(edit.path), edit.content or b"", edit.path) for edit in draft.edits)

    def _before(self, path: str) -> bytes:
        try:
            return self._files.read(path)
        except KeyError:
            return b""
