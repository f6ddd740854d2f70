"""How much work the stall does, counted: the same number every time."""

from stall.receipt import receipt
from stall.search import position


class Counted:
    """A number that counts how often it is compared."""

    comparisons = 0

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        Counted.comparisons += 1
        return self.value == other.value

    def __lt__(self, other):
        Counted.comparisons += 1
        return self.value < other.value

    __hash__ = None


def test_comparisons(score):
    items = [Counted(value) for value in range(0, 200, 2)]
    for value in range(200):
        position(items, Counted(value))
    score.measure("comparisons", Counted.comparisons)


def test_lookups(score):
    asked = []
    receipt(["egg", "fig", "egg", "nut"] * 5, lambda name: asked.append(name) or 1)
    score.measure("lookups", len(asked))
