"""Champion against champion at the start of a run: how much equal programs deviate, and what can be found. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from maabarium.acceptance.estimate import deviation
from maabarium.acceptance.sequential import expected_pairs, test_of_gain
from maabarium.acceptance.steadiness import Steadiness
from maabarium.blueprint.schema import Acceptance, Metric
from maabarium.records import Evaluation, Measured, Record
from maabarium.scoring import factor

__all__ = [
    "MORE_PAIRS",
    "Calibration",
    "Found",
    "bias_sentence",
    "calibrate",
    "calibration_line",
    "noisy_line",
    "pairs_wanted",
    "sign_test",
]

PAIRS = 12
MORE_PAIRS = 24
"""Where the first ones look one-sided."""
LEAST_PAIRS = 4
SUSPICIOUS = 0.05
BIASED = 0.001
"""An honest machine, whose signs are coins, is stopped in at most one of a thousand runs."""
TOLERATED = 0.25
"""Share of `min_effect` by which equal programs may differ."""
SHARE_OF_BUDGET = 0.1
SECONDS = 60.0
"""What a calibration may take where the run has no limit."""
FINDS = (0.02, 0.05)


class Found(Record):
    """A gain (0.02 is 2 %), and the pairs and seconds after which the first candidate with it is kept.

    `pairs` is None where fewer than half of such candidates are.
    """

    gain: float
    pairs: int | None
    seconds: float | None


class Calibration(Record):
    """What pairs of the champion with itself show of one run."""

    pairs: int
    seconds: float
    """A pair."""
    deviation: float
    """Robust standard deviation of the log ratio of a pair, of sides as long as they must be."""
    lengthened: float = 1.0
    """How many times as long the sides of later pairs begin, to be steadier."""
    bias: float
    """Median log ratio."""
    p_value: float
    """Of the sign test that the sides are equal."""
    tolerated: float
    """A bias (log ratio) that is small beside the least gain that counts."""
    finds: tuple[Found, ...]

    @property
    def steadied(self) -> float:
        """The deviation of later pairs."""
        return self.deviation / math.sqrt(self.lengthened)

    @property
    def biased(self) -> bool:
        """Whether equal programs do not look equal, beyond what chance allows."""
        return self.p_value < BIASED and abs(self.bias) > self.tolerated


def sign_test(values: Sequence[float]) -> float:
    """Two-sided p-value of the signs, were each a coin; zeros do not count."""
    above, below = sum(value > 0 for value in values), sum(value < 0 for value in values)
    count, fewer = above + below, min(above, below)
    return min(1.0, 2 * sum(math.comb(count, k) for k in range(fewer + 1)) * 0.5**count)


def pairs_wanted(log_ratios: Sequence[float], seconds: Sequence[float], wall_seconds: float | None) -> int:
    """How many pairs a calibration is to have, after those that it has, and the `seconds` that each of them took.

    12, or 24 where they look one-sided; fewer, but 4, where they would take more than a tenth of the run's time.
    """
    may_take = SECONDS if wall_seconds is None else wall_seconds * SHARE_OF_BUDGET
    each = median(seconds) if seconds else 0.0
    affordable = MORE_PAIRS if each * MORE_PAIRS <= may_take else max(LEAST_PAIRS, int(may_take / each))
    first = min(PAIRS, affordable)
    if len(log_ratios) < first or sign_test(log_ratios[:first]) >= SUSPICIOUS:
        return first
    return affordable


def calibration_line(calibration: Calibration) -> str:
    """What the pairs of this run can tell: "0.8 % a pair; finds a gain of 2 % in about 9 pairs (5 s), …"."""
    said = []
    for number, found in enumerate(calibration.finds):
        gain = f"{'a gain of ' if not number else ''}{found.gain:.0%}".replace("%", " %")
        if found.pairs is None or found.seconds is None:
            said.append(f"{gain} seldom")
        else:
            pairs = f"in about {found.pairs} pairs" if not number else f"in {found.pairs}"
            said.append(f"{gain} {pairs} ({max(1, round(found.seconds))} s)")
    longer = f" of {calibration.lengthened:.1f} times the usual length" if calibration.lengthened >= 1.3 else ""
    return f"{calibration.steadied * 100:.2g} % a pair{longer}; finds {', of '.join(said)}"


def noisy_line(metrics: Sequence[Metric], baseline: Evaluation, pairs: Sequence[Measured]) -> str:
    """Which of these noisy metrics there are; beside each its own deviation in the calibration's `pairs`, where that is
    not the deviation of the whole: "score:speed 0.9 %, score:nap 8 % (wall clock, sides in turn)"."""
    clocks = {measurement.source: measurement.clock for measurement in baseline.measurements}
    own = len(metrics) > 1 or any(clocks.get(str(metric.source)) != "cpu" for metric in metrics)
    said = []
    for metric in sorted(metrics, key=lambda metric: str(metric.source)):
        source = str(metric.source)
        ratios = [
            math.log(factor(metric, pair.champion.values()[source], pair.candidate.values()[source]))
            for pair in pairs
            if pair.champion
            and pair.candidate
            and {source} <= pair.champion.values().keys() & pair.candidate.values().keys()
        ]
        figure = f" {deviation(ratios, 0.0) * 100:.2g} %" if own and len(ratios) > 1 else ""
        how = {"cpu": "", "wall": " (wall clock, sides in turn)"}.get(
            clocks.get(source) or "", " (no clock, sides in turn)"
        )
        said.append(f"{source}{figure}{how}")
    return ", ".join(said)


def bias_sentence(calibration: Calibration) -> str:
    """Why a run cannot go on after this calibration."""
    return (
        f"the start, measured beside itself, came out {math.expm1(calibration.bias) * 100:+.2f} % better in the median "
        f"of {calibration.pairs} pairs (p = {calibration.p_value:.1g}): equal programs do not look equal here, so that "
        "no gain could be believed; measure longer work, on a machine with less other load, or in another sandbox"
    )


def calibrate(
    log_ratios: Sequence[float], seconds: Sequence[float], rules: Acceptance, lasted: Sequence[float] = ()
) -> Calibration:
    """What these pairs show, at least one: log ratios, the seconds that each took, and the CPU seconds of a side of
    each (none where no CPU clock is read)."""
    spread, each = deviation(log_ratios, 0.0), median(seconds)
    steadiness, usual = Steadiness(), median(lasted) if lasted else 0.0
    if usual:
        steadiness.add(log_ratios, lasted, 0.0)
    lengthened = max(1.0, steadiness.wanted() / usual) if usual else 1.0
    test = test_of_gain(rules, 1, spread / math.sqrt(lengthened))
    finds = []
    for gain in FINDS:
        pairs = expected_pairs(math.log1p(gain), test)
        finds.append(Found(gain=gain, pairs=pairs, seconds=None if pairs is None else pairs * each * lengthened))
    return Calibration(
        pairs=len(log_ratios),
        seconds=each,
        deviation=spread,
        lengthened=lengthened,
        bias=median(log_ratios),
        p_value=sign_test(log_ratios),
        tolerated=math.log1p(rules.min_effect) * TOLERATED,
        finds=tuple(finds),
    )
