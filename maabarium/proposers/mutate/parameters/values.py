"""The values that one parameter may take, and which of them to try next.

A value is its source text in one spelling (`64`, `'fast'`, `None`), so that 1, 1.0 and True stay three values.
What is known of a factor is a mapping of value to gain over the present value: above 0 better, 0 neutral,
below 0 worse; a value that is not in it was never tried. Knows no files, no history and no bandit.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Choice", "Range", "Scaled", "Trial", "ValueDomain", "canonical", "is_number", "number"]

Known = Mapping[str, float]

FRESH, BACK, HOPELESS = 0.16, 0.05, 0.02
"""Least weight of a value of a factor still to be explored; weight of one whose present value has proved its
worth; weight of a value that was measured as worse before."""
INERT = 0.2
"""Prior chance that a factor does not matter at all."""
NEAR = 0.1
"""Share of a range that a first step takes at least."""
FINEST = 1 / 40
"""Share of a range below which no finer step is tried."""


@dataclass(frozen=True)
class Trial:
    """A value to try, the chance that it pays, and why it is tried."""

    text: str
    weight: float
    why: str


@dataclass(frozen=True)
class Choice:
    """A closed list of values without order."""

    options: Mapping[str, str]
    """In one spelling, and as the user wrote them."""

    def trials(self, present: str, known: Known) -> Iterator[Trial]:
        """Untried options first, in order; a factor whose present value beat another one waits."""
        others = [option for option in self.options if option != present]
        untried = [option for option in others if option not in known]
        neutral = sum(known.get(option) == 0 for option in others)
        proven = any(-math.inf < gain < 0 for option, gain in known.items() if option != present)
        if proven:
            weight, why = BACK, "not tried yet, though the present value has beaten another one"
        elif neutral:  # one option at most is best: what is left of the chance that it is among the untried
            matters = (1 - INERT) * len(untried) / len(self.options)
            weight = max(FRESH, matters / (matters + INERT) / max(len(untried), 1))
            why = f"{neutral} of {len(others)} others made no difference"
        else:
            weight, why = max(FRESH, (1 - INERT) / (len(others) + 1)), "the present value was never challenged"
        yield from (Trial(option, weight, why) for option in untried)
        yield from (_again(option, known[option]) for option in others if option in known)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, evenly or logarithmically spaced; `whole` for ints."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def unit(self, text: str) -> float:
        """Where the value stands in the range, 0 to 1 (outside when the value is)."""
        value = number(text)
        if self.log:
            value = max(value, self.low * 1e-9)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def value(self, unit: float) -> str:
        """The value at that place, whole or rounded to three figures, always inside the range."""
        if self.log:
            value = self.low * (self.high / self.low) ** unit
        else:
            value = self.low + (self.high - self.low) * unit
        value = round(value) if self.whole else float(f"{value:.3g}")
        value = min(max(value, self.low), self.high)
        return repr(int(value) if self.whole else float(value))

    def trials(self, present: str, known: Known) -> Iterator[Trial]:
        """A few spread points first, then steps between the best value and its tried neighbours."""
        here = self.unit(present)
        tried = {self.unit(text): gain for text, gain in known.items() if is_number(text) and text != present}
        seen = {present}
        grid = dict.fromkeys(self.value(step / 4) for step in range(5))
        for text in sorted(grid, key=lambda text: (abs(self.unit(text) - here), -number(text))):
            near = abs(self.unit(text) - here) < NEAR  # a step too small to show anything
            if text not in seen and text not in known and not near:
                seen.add(text)
                yield _spread(text, self.unit(text), here, tried)
        if any(tried.values()):
            yield from self._between(present, here, tried, seen | set(known))
        for text, gain in known.items():
            if text != present and is_number(text) and self.low <= number(text) <= self.high:
                yield _again(text, gain)

    def _between(self, present: str, here: float, tried: Mapping[float, float], seen: set[str]) -> Iterator[Trial]:
        below = max((unit for unit in tried if unit < here), default=0.0)
        above = min((unit for unit in tried if unit > here), default=1.0)
        for neighbour in (above, below):
            gap = abs(neighbour - here)
            text = self.value((neighbour + here) / 2)
            if gap > FINEST and text not in seen:
                seen.add(text)
                yield Trial(text, min(FRESH, gap * 0.6), f"between {present} and a value that was tried")


@dataclass(frozen=True)
class Scaled:
    """A number without declared bounds: doubled, halved, and for small ints one more or less."""

    def trials(self, present: str, known: Known) -> Iterator[Trial]:
        """Steps from the present value; a direction that made it worse is not followed further."""
        here = number(present)
        tried = {number(text): gain for text, gain in known.items() if is_number(text) and text != present}
        for text in dict.fromkeys(_steps(here, present)):
            if text == present:
                continue
            if text in known:
                yield _again(text, known[text])
            else:
                yield _spread(text, number(text), here, tried)


ValueDomain = Choice | Range | Scaled
"""The possible values of one factor; `trials` gives those to try next, none of them the present one."""


def canonical(source: str) -> str:
    """One spelling for a value: `64_000` and `64000`, "a" and 'a' are the same. Raises SyntaxError."""
    text = ast.unparse(ast.parse(source.strip(), mode="eval").body)
    return repr(number(text)) if is_number(text) else text


@functools.lru_cache(maxsize=4096)
def number(text: str) -> int | float:
    """The number that the text spells. Raises ValueError."""
    value = ast.literal_eval(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{text} is not a number")
    return value


def is_number(text: str) -> bool:
    """Whether `number` reads the text."""
    try:
        number(text)
    except (ValueError, SyntaxError, TypeError, OverflowError):
        return False
    return True


def _spread(text: str, there: float, here: float, tried: Mapping[float, float]) -> Trial:
    """A point on one side of the present value, judged by what is known of both sides."""
    upward = there > here
    same = [gain for place, gain in tried.items() if (place > here) == upward]
    other = [gain for place, gain in tried.items() if (place > here) != upward]
    direction = "up" if upward else "down"
    if any(gain < 0 for gain in same):
        return Trial(text, BACK, f"another step {direction} was worse")
    if any(gain < 0 for gain in other):
        return Trial(text, 2.5 * FRESH, f"further {direction}, as the other direction is worse")
    if same:
        return Trial(text, FRESH, f"further {direction}, as the steps so far made no difference")
    return Trial(text, 1.25 * FRESH, f"the first step {direction}")


def _again(text: str, gain: float) -> Trial:
    """A value that was measured beside another state of the program."""
    if gain > 0:
        return Trial(text, 3 * FRESH, "it was better when it was measured before")
    if gain == 0:
        return Trial(text, BACK * 0.8, "it made no difference before")
    return Trial(text, HOPELESS, "it was worse before, beside other values")


def _steps(here: float, present: str) -> Iterator[str]:
    if "." in present or "e" in present or "E" in present:
        yield from (repr(float(f"{here * factor:.6g}")) for factor in (2.0, 0.5))
        return
    whole = int(here)
    near = [repr(whole + 1), repr(whole - 1)]
    far = [repr(whole * 2), repr(whole // 2 if whole > 0 else -(-whole // 2))]
    yield from near + far if abs(whole) <= 4 else far + near
