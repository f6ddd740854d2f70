"""What members do together: propose at once, criticise each other's diffs, revise, and vote.

Each step asks its members concurrently and takes their answers in the order of the members, so that the result does
not depend on who was faster. A member that fails drops out of the step, not of the council.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import BudgetError, ProposalError, ProviderError
from maabarium.proposers.council import questions
from maabarium.proposers.council.ballots import ballot_of, labels, ranked
from maabarium.proposers.council.member import Brief, Candidate, Member

__all__ = ["Failure", "call_bound", "debate", "elect", "together", "worst_of"]

Failure = ProposalError | ProviderError
T = TypeVar("T")
R = TypeVar("R")


def call_bound(agents: int, rounds: int, repairs: int, *, critic: bool = False) -> int:
    """The most calls that one experiment can take, without fail-over and retries of the pool.

    Proposals and revisions may each be repaired; each round is one critique and one revision a member; a council of
    several votes once after a debate; the critic looks at each draft at most.
    """
    debated = rounds if agents > 1 else 0
    drafts = agents * (1 + debated) * (1 + repairs)
    return drafts + agents * debated + (agents if debated else 0) + (agents if critic else 0)


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


def debate(
    candidates: Sequence[Candidate],
    members: Mapping[str, Member],
    blueprint: Blueprint,
    briefs: Mapping[str, Brief],
    diff: Callable[[Candidate], str],
    *,
    rounds: int,
    repairs: int,
    tokens: int,
    check: Callable[[str], None],
) -> list[Candidate]:
    """Rounds of critique and revision. A spent budget ends the debate, not the experiment."""
    drafts, minutes = list(candidates), next(iter(members.values())).minutes
    for round_ in range(1, rounds + 1):
        if len(members) < 2 or not drafts:
            break
        names = labels(len(drafts))
        diffs = {name: diff(draft) for name, draft in zip(names, drafts, strict=True)}
        authors = {name: draft.agent.name for name, draft in zip(names, drafts, strict=True)}

        def criticise(member: Member, diffs: Mapping[str, str] = diffs, round_: int = round_) -> dict[str, str]:
            foreign = {name: text for name, text in diffs.items() if authors[name] != member.agent.name}  # noqa: B023
            return _critiques(member, blueprint, foreign, tokens, round_) if foreign else {}

        said = together(criticise, list(members.values()))
        minutes.turn()
        heard: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
        for member, found in zip(members.values(), said, strict=True):
            for name, text in (found if isinstance(found, dict) else {}).items():
                heard[name].append((member.agent.name, text))

        def revise(
            index: int,
            heard: Mapping[str, list[tuple[str, str]]] = heard,
            diffs: Mapping[str, str] = diffs,
            drafts: Sequence[Candidate] = tuple(drafts),
            round_: int = round_,
        ) -> Candidate:
            draft, name = drafts[index], labels(len(drafts))[index]
            others = {other: text for other, text in diffs.items() if other != name}
            member, brief = members[draft.agent.name], briefs[draft.agent.name]
            messages = questions.revise_messages(draft.asked, draft.reply, heard[name], others)
            revised = member.draft(
                draft.model, messages, brief, kind="revise", repairs=repairs, round_=round_, check=check
            )
            member.wrote("revision", f"{revised.summary}\n\n{diff(revised)}", round_)
            return revised

        revised = together(revise, [index for index, name in enumerate(names) if heard[name]])
        minutes.turn()
        for index, new in zip([i for i, name in enumerate(names) if heard[name]], revised, strict=True):
            if isinstance(new, Candidate):
                drafts[index] = new  # a failed revision leaves the draft as it was
        if any(isinstance(each, BudgetError) for each in (*said, *revised)):
            break
    return drafts


def _critiques(
    member: Member, blueprint: Blueprint, diffs: Mapping[str, str], tokens: int, round_: int
) -> dict[str, str]:
    """What one member says of the drafts of others, by the names of these."""
    messages = questions.critique_messages(member.agent, blueprint, diffs)
    schema = partial(questions.critique_schema, list(diffs))
    reply = member.say(messages, schema, kind="critique", tokens=tokens, round_=round_)
    entries = reply.get(questions.CRITIQUES)
    found: dict[str, str] = {}
    for entry in entries if isinstance(entries, list) else []:
        name, text = (entry.get("of"), entry.get("text")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and name in diffs and isinstance(text, str) and text.strip():
            found[name] = f"{found[name]}\n{text}" if name in found else text
    for name, text in found.items():
        member.wrote("critique", f"of draft {name}: {text}", round_)
    return found


def elect(
    drafts: Sequence[Candidate],
    members: Sequence[Member],
    blueprint: Blueprint,
    diff: Callable[[Candidate], str],
    *,
    vote: bool,
    tokens: int,
) -> list[Candidate]:
    """The drafts in the order of the council's preference, equal ones once."""
    count = Counter(draft.digest for draft in drafts)
    distinct = list({draft.digest: draft for draft in reversed(drafts)}.values())[::-1]
    names = labels(len(distinct))
    agreement = {name: count[draft.digest] for name, draft in zip(names, distinct, strict=True)}
    ballots: list[tuple[str, ...]] = []
    if vote and len(distinct) > 1 and len(members) > 1:
        diffs = {name: diff(draft) for name, draft in zip(names, distinct, strict=True)}

        def ballot(member: Member) -> tuple[str, ...]:
            messages = questions.vote_messages(member.agent, blueprint, diffs)
            reply = member.say(messages, partial(questions.ballot_schema, names), kind="vote", tokens=tokens)
            found = ballot_of(reply.get(questions.RANKING), names)
            whose = ", ".join(f"{name} ({draft.agent.name})" for name, draft in zip(names, distinct, strict=True))
            member.wrote("vote", f"{' > '.join(found) or 'no usable ballot'}  of {whose}")
            return found

        ballots = [each for each in together(ballot, members) if isinstance(each, tuple)]
        members[0].minutes.turn()
    by_name = dict(zip(names, distinct, strict=True))
    return [by_name[name] for name in ranked(names, ballots, agreement)]


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
