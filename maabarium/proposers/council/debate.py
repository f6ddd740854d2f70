"""What agents do together: propose at once, criticise each other's diffs, revise, and vote.

Each step asks its agents concurrently and takes their answers in the order of the agents, so that the result does not
depend on who was faster. An agent that fails drops out of the step, not of the council.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from maabarium.blueprint.schema import Blueprint, Model
from maabarium.errors import BudgetError, ProposalError, ProviderError
from maabarium.plugins.completion import Message
from maabarium.plugins.protocols import TreeView
from maabarium.proposers.council.agent import Candidate, CouncilAgent, EditScope
from maabarium.proposers.council.questions import CRITIQUE, VOTE, revise_messages
from maabarium.proposers.proposal_log import ProposalLog

__all__ = ["Assignment", "Debate", "ballot_of", "labels", "ranked"]

AgentError = ProposalError | ProviderError
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Assignment:
    """What one agent works with: its model, the question for a first draft, and what its replies are held against."""

    agent: CouncilAgent
    model: Model
    asked: tuple[Message, ...]
    scope: EditScope

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.agent.name


@dataclass(frozen=True)
class DraftTable:
    """The drafts of one round and their diffs, by the names under which the agents speak of them."""

    round: int
    drafts: Mapping[str, Candidate]
    diffs: Mapping[str, str]


@dataclass(frozen=True)
class Debate:
    """Who takes part, and under which rules. `files` are the champion's."""

    blueprint: Blueprint
    files: TreeView
    assignments: Sequence[Assignment]
    log: ProposalLog
    tokens: int
    """Of a critique or a ballot."""

    def drafts(self) -> list[Candidate]:
        """What each agent proposes by itself. Raises the failure that says most when nobody has a draft."""
        made = self._together(self._draft, self.assignments)
        drafts = [each for each in made if isinstance(each, Candidate)]
        if not drafts:
            raise _worst_of([each for each in made if not isinstance(each, Candidate)])
        return drafts

    def held(self, drafts: list[Candidate], rounds: int) -> list[Candidate]:
        """The drafts after rounds of critique and revision. A spent budget ends the debate, not the experiment."""
        for number in range(1, rounds + 1 if len(self.assignments) > 1 else 1):
            table = self._table(drafts, number)
            said = self._together(partial(self._critiques, table), self.assignments)
            heard: dict[str, list[tuple[str, str]]] = {}
            for one, found in zip(self.assignments, said, strict=True):
                for name, text in found.items() if isinstance(found, dict) else ():
                    heard.setdefault(name, []).append((one.name, text))
            names = [name for name in table.drafts if name in heard]
            made = self._together(partial(self._revision, table, heard), names)
            revised = {name: new for name, new in zip(names, made, strict=True) if isinstance(new, Candidate)}
            drafts = [revised.get(name, draft) for name, draft in table.drafts.items()]
            if any(isinstance(each, BudgetError) for each in (*said, *made)):
                break
        return drafts

    def elect(self, drafts: Sequence[Candidate], *, vote: bool) -> list[Candidate]:
        """The drafts in the order of the council's preference, equal ones once."""
        count = Counter(draft.digest for draft in drafts)
        table = self._table(list({draft.digest: draft for draft in reversed(drafts)}.values())[::-1])
        ballots: list[tuple[str, ...]] = []
        if vote and len(table.drafts) > 1 and len(self.assignments) > 1:
            given = self._together(partial(self._ballot, table), self.assignments)
            ballots = [each for each in given if isinstance(each, tuple)]
        agreement = {name: count[draft.digest] for name, draft in table.drafts.items()}
        return [table.drafts[name] for name in ranked(list(table.drafts), ballots, agreement)]

    def _together(self, work: Callable[[T], R], items: Sequence[T]) -> list[R | AgentError]:
        """Do it for all at once, as one step; answers and failures in the order of the items."""
        results: list[R | AgentError] = []
        if items:
            with ThreadPoolExecutor(max_workers=len(items), thread_name_prefix="maabarium-council") as threads:
                futures = [threads.submit(work, item) for item in items]
            for future in futures:
                try:
                    results.append(future.result())
                except (ProposalError, ProviderError) as error:
                    results.append(error)
        self.log.next_step()
        return results

    def _table(self, drafts: Sequence[Candidate], round_: int = 0) -> DraftTable:
        """The drafts named A, B, C… in their order."""
        named = dict(zip(labels(len(drafts)), drafts, strict=True))
        return DraftTable(round_, named, {name: draft.diff(self.files) for name, draft in named.items()})

    def _draft(self, one: Assignment) -> Candidate:
        made = one.agent.draft(one.model, one.asked, one.scope, "propose")
        one.agent.record("proposal", f"{made.summary}\n\n{made.diff(self.files)}")
        return made

    def _critiques(self, table: DraftTable, one: Assignment) -> dict[str, str]:
        """What one agent says of the drafts of others, by the names of these."""
        diffs = {name: text for name, text in table.diffs.items() if table.drafts[name].agent.name != one.name}
        if not diffs:
            return {}
        reply = one.agent.say(CRITIQUE, self.blueprint, diffs, tokens=self.tokens, round_=table.round)
        entries = reply.get("critiques")
        found: dict[str, str] = {}
        for entry in entries if isinstance(entries, list) else []:
            name, text = (entry.get("of"), entry.get("text")) if isinstance(entry, dict) else (None, None)
            if isinstance(name, str) and name in diffs and isinstance(text, str) and text.strip():
                found[name] = f"{found[name]}\n{text}" if name in found else text
        for name, text in found.items():
            one.agent.record("critique", f"of draft {name}: {text}", table.round)
        return found

    def _revision(self, table: DraftTable, heard: Mapping[str, list[tuple[str, str]]], name: str) -> Candidate:
        draft = table.drafts[name]
        author = next(one for one in self.assignments if one.name == draft.agent.name)
        others = {other: text for other, text in table.diffs.items() if other != name}
        messages = revise_messages(draft.asked, draft.reply, heard[name], others)
        made = author.agent.draft(draft.model, messages, author.scope, "revise", table.round)
        author.agent.record("revision", f"{made.summary}\n\n{made.diff(self.files)}", table.round)
        return made

    def _ballot(self, table: DraftTable, one: Assignment) -> tuple[str, ...]:
        reply = one.agent.say(VOTE, self.blueprint, table.diffs, tokens=self.tokens)
        found = ballot_of(reply.get("ranking"), list(table.drafts))
        whose = ", ".join(f"{name} ({draft.agent.name})" for name, draft in table.drafts.items())
        one.agent.record("vote", f"{' > '.join(found) or 'no usable ballot'}  of {whose}")
        return found


def labels(count: int) -> tuple[str, ...]:
    """Neutral names of drafts, so that nobody votes for an author: A to Z, then A1, B1 and so on."""
    return tuple(chr(65 + index % 26) + (str(index // 26) if index >= 26 else "") for index in range(count))


def ballot_of(said: object, names: Sequence[str]) -> tuple[str, ...]:
    """The usable part of what an agent answered: known names, each once, in its order."""
    if not isinstance(said, list):
        return ()
    return tuple(dict.fromkeys(name for name in said if isinstance(name, str) and name in names))


def ranked(names: Sequence[str], ballots: Sequence[Sequence[str]], agreement: Mapping[str, int]) -> tuple[str, ...]:
    """All names by a Borda count, the preferred one first.

    A ballot gives `n - 1` points to its first name of n, one less to each further one, and none to those it leaves
    out. `agreement` counts the agents who wrote the same edits. With neither, the order of `names` decides.
    """
    points = {name: sum(len(names) - 1 - ballot.index(name) for ballot in ballots if name in ballot) for name in names}
    order = {name: index for index, name in enumerate(names)}
    return tuple(sorted(names, key=lambda name: (-points[name], -agreement.get(name, 1), order[name])))


def _worst_of(failures: Sequence[AgentError]) -> AgentError:
    """The failure that says most: one of a proposal before one of a provider, with all of them named."""
    if spent := next((each for each in failures if isinstance(each, BudgetError)), None):
        return spent
    said = "; ".join(f"{text} ({n}x)" if n > 1 else text for text, n in Counter(map(str, failures)).items())
    for each in failures:
        if isinstance(each, ProposalError):
            return ProposalError(each.reason_code, said, detail=each.detail)
    first = failures[0]
    assert isinstance(first, ProviderError)
    return ProviderError(f"no agent could answer: {said}", reason=first.reason)
