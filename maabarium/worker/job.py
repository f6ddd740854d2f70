"""What a worker is asked: a record that the engine makes and any executor carries. It knows no repository."""

from __future__ import annotations

import random

from maabarium.records import Champion, Evaluation, Proposal, Record, Stage

__all__ = ["MeasureJob"]


class MeasureJob(Record):
    """What a worker is asked: evaluate `tree`, and for a pair `champion_tree` as well, which in other stages says what
    the tree is held against.

    `exclusive`: it is noisy and must run alone on its machine. `sources` is what this stage needs; those of them in
    `side_by_side` are CPU times, for which both sides of a pair run at the same time on one core. The others are
    measured with the sides one after the other, A B B A: a wall clock would count the other side's work.
    `repeats`: how many sessions each side runs for one pair, so that short timed blocks add up; `precise`: both sides
    take turns that are shorter than the kernel's, which a clear effect does not need. `rejections`: how many
    candidates each test rejected so far.
    """

    number: int
    stage: Stage
    tree: str
    seed: int
    timeout: float
    champion_tree: str = ""
    pair: int = 0
    proposal: Proposal | None = None
    champion: Champion | None = None
    baseline: Evaluation | None = None
    baseline_tree: str = ""
    rejections: tuple[tuple[str, int], ...] = ()
    sources: frozenset[str] = frozenset()
    exclusive: bool = False
    side_by_side: frozenset[str] = frozenset()
    repeats: int = 1
    precise: bool = True

    @property
    def name(self) -> str:
        """What tells a pair from all others of a run; its repetitions have it in common."""
        return f"{self.seed}:{self.number}:{self.pair}"

    @property
    def candidate_first(self) -> bool:
        """The order inside a pair: a coin that only the seed decides."""
        return self.coin("order 0")

    def coin(self, what: str) -> bool:
        """One toss for this pair: the same question is always answered the same, another one independently."""
        return random.Random(f"{self.name}:{what}").random() < 0.5
