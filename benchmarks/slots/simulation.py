"""A keep-winner loop in this process: the proposer is the real one, git, processes and the store are left out.

A proposal is kept when its total is strictly higher than the champion's. Every evaluation counts, the baseline's
too; a tree is never evaluated twice.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

from problem import PATH, SLOTS, Problem, render

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest, Proposer, ProposerContext
from maabarium.proposers.mutate import Mutate
from maabarium.records import Attempt, Champion, Evaluation, FileEdit, Measurement, Outcome
from maabarium.scoring import weighted_total

BLUEPRINT = Blueprint.model_validate(
    {
        "blueprint": {"name": "slots", "version": "1", "description": "find the right option for each slot"},
        "domain": {"repo_path": ".", "target_files": ["pipeline/**/*.py"], "language": "python"},
        "constraints": {
            "max_iterations": 1000,
            "timeout_seconds": 60,
            "require_tests_pass": True,
            "min_improvement": 0,
        },
        "metrics": {"metrics": [{"name": "right", "weight": 1, "direction": "maximize", "source": "score:right"}]},
    }
)
LIMIT = 5000


class Tree:
    """Files in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.tree = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def paths(self) -> Sequence[str]:
        return sorted(self.files)

    def read(self, path: str) -> bytes:
        return self.files[path]

    def after(self, edits: Sequence[FileEdit]) -> Tree:
        changed = {edit.path: edit.content for edit in edits if edit.content is not None}
        return Tree(self.files | changed)


def evaluations_of_mutate(seed: int) -> int:
    """Evaluations until the `mutate` proposer has solved the problem of that seed."""
    context = ProposerContext(blueprint=BLUEPRINT, folder=Path(), options={}, seed=seed)
    return keep_winner(Mutate(context), Problem.of(seed), seed)


def keep_winner(proposer: Proposer, problem: Problem, seed: int) -> int:
    """Evaluations until solved."""
    tree = Tree(problem.files())
    baseline = evaluate(problem, tree)
    champion = Champion(number=0, commit="0", tree=tree.tree, evaluation=baseline, total=score(baseline, baseline))
    history: list[Attempt] = []
    seen = {tree.tree}
    for number in range(1, LIMIT):
        if champion.total == 1:
            return number
        proposal = proposer.propose(
            ProposalRequest(
                number=number,
                seed=random.Random(f"{seed} {number}").getrandbits(63),
                blueprint=BLUEPRINT,
                champion=champion,
                baseline=baseline,
                files=tree,
                targets=tuple(tree.paths()),
                history=tuple(history),
                is_new=lambda edits, tree=tree: tree.after(edits).tree not in seen,  # type: ignore[misc]
            )
        )
        assert proposal is not None, "exhausted before the problem was solved"
        after = tree.after(proposal.edits)
        assert after.tree not in seen, "a tree was proposed twice"
        seen.add(after.tree)
        evaluation = evaluate(problem, after)
        total = score(baseline, evaluation)
        kept = total > champion.total
        outcome = Outcome(
            number=number, verdict="promoted" if kept else "rejected", reason_code="kept" if kept else "worse",
            reason="", summary=proposal.summary, origin=proposal.origin, parent=champion.number, tree=after.tree,
            total=total,
        )  # fmt: skip
        history.append(Attempt(outcome=outcome, data=proposal.data, paths=tuple(e.path for e in proposal.edits)))
        if kept:
            tree = after
            champion = Champion(number=number, commit="c", tree=after.tree, evaluation=evaluation, total=total)
    raise AssertionError("not solved within the limit")


def evaluate(problem: Problem, tree: Tree) -> Evaluation:
    """What the rules would measure."""
    right = Measurement(source="score:right", value=problem.right(tree.files), possible=len(SLOTS))
    return Evaluation(measurements=(right,))


def score(baseline: Evaluation, evaluation: Evaluation) -> float:
    """The total, by the same rules as in a run."""
    return weighted_total(BLUEPRINT.objectives, baseline.values(), evaluation)


def evaluations_of_random_slots(seed: int) -> int:
    """Keep-winner with one random slot set to a random other option; repeats count again."""
    return _blind(seed, one_slot=True)


def evaluations_of_random_search(seed: int) -> int:
    """Whole random configurations; repeats are evaluated again, as random search does."""
    return _blind(seed, one_slot=False)


def _blind(seed: int, *, one_slot: bool) -> int:
    problem = Problem.of(seed)
    draw = random.Random(f"blind {seed}")
    values = dict(problem.start)
    best = problem.right({PATH: render(values)})
    for count in range(1, LIMIT):
        if best == len(SLOTS):
            return count
        proposed = dict(values)
        for name in [draw.choice(list(SLOTS))] if one_slot else SLOTS:
            others = [option for option in SLOTS[name] if option != values[name] or not one_slot]
            proposed[name] = draw.choice(others)
        right = problem.right({PATH: render(proposed)})
        if right > best:
            values, best = proposed, right
    return LIMIT
