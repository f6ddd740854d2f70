"""What a worker is asked: a record that the engine makes and any executor carries. It knows no repository."""

from __future__ import annotations

import random

from maabarium.records import Champion, Evaluation, Proposal, Record, Stage

__all__ = ["MeasureJob"]


class MeasureJob(Record):
    """What a worker is asked: evaluate `tree`, for a pair also `champion_tree` beside it, in random order.

    `exclusive`: it is noisy and must run alone on its machine. `together`: both sides of the pair run at the same
    time on one core, which a CPU clock sees through and a wall clock does not. `sources` is what this stage needs.
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
    sources: frozenset[str] = frozenset()
    exclusive: bool = False
    together: bool = False

    @property
    def candidate_first(self) -> bool:
        """The order inside a pair: a coin that only the seed decides."""
        return random.Random(f"{self.seed}:{self.number}:{self.pair}:order").random() < 0.5
