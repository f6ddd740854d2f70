"""What members do together: propose at once, criticise each other's diffs, revise, and vote.

Each step asks its members concurrently and takes their answers in the order of the members, so that the result does
not depend on who was faster. A member that fails drops out of the step, not of the council.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import BudgetError, ProposalError, ProviderError
from maabarium.proposers.council import questions
from maabarium.proposers.council.ballots import ballot_of, labels, ranked
from maabarium.proposers.council.member import Candidate, CouncilAgent, EditScope

__all__ = ["Debate", "Failure", "together", "worst_of"]

Failure = ProposalError | ProviderError
T = TypeVar("T")
R = TypeVar("R")


def together(work: Callable[[T], R], items: Sequence[T]) -> list[R | Failure]:
    """Do it for all at once; answers and failures in the order of the items."""
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=len(items), thread_name_prefix="maabarium-council") as threads:
        futures = [threads.submit(work, item) for item in items]
    results: list[R | Failure] = []
    for future in futures:
        try:
            results.append(future.result())
        except (ProposalError, ProviderError) as error:
            results.append(error)
    return results


@dataclass(frozen=True)
class DraftTable:
    """The drafts of one round, by the names under which the members speak of them."""

    round: int
    drafts: Mapping[str, Candidate]
    diffs: Mapping[str, str]

    @classmethod
    def of(cls, drafts: Sequence[Candidate], diff: Callable[[Candidate], str], round_: int = 0) -> DraftTable:
        """Named A, B, C… in their order."""
        named = dict(zip(labels(len(drafts)), drafts, strict=True))
        return cls(round_, named, {name: diff(draft) for name, draft in named.items()})

    def foreign(self, member: CouncilAgent) -> dict[str, str]:
        """The diffs that somebody else wrote."""
        return {name: text for name, text in self.diffs.items() if self.drafts[name].agent.name != member.agent.name}


@dataclass(frozen=True)
class Debate:
    """Who takes part, and under which rules."""

    blueprint: Blueprint
    members: Mapping[str, CouncilAgent]
    scopes: Mapping[str, EditScope]
    diff: Callable[[Candidate], str]
    check: Callable[[str], None]
    repairs: int
    tokens: int
    """Of a critique or a ballot."""

    def held(self, candidates: Sequence[Candidate], rounds: int) -> list[Candidate]:
        """Rounds of critique and revision. A spent budget ends the debate, not the experiment."""
        drafts = list(candidates)
        for number in range(1, rounds + 1):
            if len(self.members) < 2 or not drafts:
                break
            table = DraftTable.of(drafts, self.diff, number)
            heard, failures = self._criticised(table)
            revised, more = self._revised(table, heard)
            drafts = [revised.get(name, draft) for name, draft in table.drafts.items()]
            if any(isinstance(each, BudgetError) for each in (*failures, *more)):
                break
        return drafts

    def elect(self, drafts: Sequence[Candidate], *, vote: bool) -> list[Candidate]:
        """The drafts in the order of the council's preference, equal ones once."""
        count = Counter(draft.digest for draft in drafts)
        table = DraftTable.of(list({draft.digest: draft for draft in reversed(drafts)}.values())[::-1], self.diff)
        ballots: list[tuple[str, ...]] = []
        if vote and len(table.drafts) > 1 and len(self.members) > 1:
            given = together(partial(self._ballot, table), list(self.members.values()))
            ballots = [each for each in given if isinstance(each, tuple)]
            self._turn()
        agreement = {name: count[draft.digest] for name, draft in table.drafts.items()}
        return [table.drafts[name] for name in ranked(list(table.drafts), ballots, agreement)]

    def _criticised(self, table: DraftTable) -> tuple[dict[str, list[tuple[str, str]]], list[Failure]]:
        """What was said of each draft and by whom, and who failed."""
        members = list(self.members.values())
        said = together(partial(self._critiques, table), members)
        self._turn()
        heard: dict[str, list[tuple[str, str]]] = {}
        for member, found in zip(members, said, strict=True):
            for name, text in (found if isinstance(found, dict) else {}).items():
                heard.setdefault(name, []).append((member.agent.name, text))
        return heard, [each for each in said if not isinstance(each, dict)]

    def _critiques(self, table: DraftTable, member: CouncilAgent) -> dict[str, str]:
        """What one member says of the drafts of others, by the names of these."""
        diffs = table.foreign(member)
        if not diffs:
            return {}
        messages = questions.critique_messages(member.agent, self.blueprint, diffs)
        schema = partial(questions.critique_schema, list(diffs))
        reply = member.say(messages, schema, kind="critique", tokens=self.tokens, round_=table.round)
        entries = reply.get(questions.CRITIQUES)
        found: dict[str, str] = {}
        for entry in entries if isinstance(entries, list) else []:
            name, text = (entry.get("of"), entry.get("text")) if isinstance(entry, dict) else (None, None)
            if isinstance(name, str) and name in diffs and isinstance(text, str) and text.strip():
                found[name] = f"{found[name]}\n{text}" if name in found else text
        for name, text in found.items():
            member.record("critique", f"of draft {name}: {text}", table.round)
        return found

    def _revised(
        self, table: DraftTable, heard: Mapping[str, list[tuple[str, str]]]
    ) -> tuple[dict[str, Candidate], list[Failure]]:
        """New drafts for those that were criticised, and the failures, which leave a draft as it was."""
        names = [name for name in table.drafts if name in heard]
        made = together(lambda name: self._revision(table, name, heard[name]), names)
        self._turn()
        revised = {name: new for name, new in zip(names, made, strict=True) if isinstance(new, Candidate)}
        return revised, [each for each in made if not isinstance(each, Candidate)]

    def _revision(self, table: DraftTable, name: str, heard: list[tuple[str, str]]) -> Candidate:
        draft = table.drafts[name]
        member, scope = self.members[draft.agent.name], self.scopes[draft.agent.name]
        others = {other: text for other, text in table.diffs.items() if other != name}
        messages = questions.revise_messages(draft.asked, draft.reply, heard, others)
        revised = member.draft(
            draft.model, messages, scope, kind="revise", repairs=self.repairs, round_=table.round, check=self.check
        )
        member.record("revision", f"{revised.summary}\n\n{self.diff(revised)}", table.round)
        return revised

    def _ballot(self, table: DraftTable, member: CouncilAgent) -> tuple[str, ...]:
        names = list(table.drafts)
        messages = questions.vote_messages(member.agent, self.blueprint, table.diffs)
        reply = member.say(messages, partial(questions.ballot_schema, names), kind="vote", tokens=self.tokens)
        found = ballot_of(reply.get(questions.RANKING), names)
        whose = ", ".join(f"{name} ({draft.agent.name})" for name, draft in table.drafts.items())
        member.record("vote", f"{' > '.join(found) or 'no usable ballot'}  of {whose}")
        return found

    def _turn(self) -> None:
        next(iter(self.members.values())).log.next_step()


def worst_of(failures: Sequence[Failure]) -> Failure:
    """The failure that says most: one of a proposal before one of a provider, with all of them named."""
    if any(isinstance(each, BudgetError) for each in failures):
        return next(each for each in failures if isinstance(each, BudgetError))
    said = "; ".join(f"{text} ({n}x)" if n > 1 else text for text, n in Counter(map(str, failures)).items())
    for each in failures:
        if isinstance(each, ProposalError):
            return ProposalError(each.reason_code, said, detail=each.detail)
    first = next(iter(failures))
    assert isinstance(first, ProviderError)
    return ProviderError(f"no agent could answer: {said}", reason=first.reason)
