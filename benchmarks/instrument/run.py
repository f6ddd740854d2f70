"""How well pairs tell programs apart, and what a run makes of that: deviation, power, pairs, estimates, in one run.

    python benchmarks/instrument/run.py [--bodies 100] [--loads none,busy,bursts,memory] [--gains 0,0.5,1,2,5]
                                        [--pairs 60] [--trials 100] [--real 0] [--in-turn 20] [--noise FOLDER] [--quick]

The champion does so many percent more work than the candidate (lines of a log that it counts), so the gain is known;
`truth` is counted again by CPU time in one long process. Each gain is measured in `--pairs` real pairs by the real
worker, sandbox and evaluator, beside each load, with sides as long as the engine makes them after a calibration beside
that load and the pairs so far (`side`: median CPU time). Trials are drawn from that series: whole servers with
replacement, the pairs of a server in their order; the engine's judge decides them as the first and as the tenth
candidate of a run.
`--real N` adds N trials that measure every pair anew. `--in-turn N`: as many pairs of equal programs one after the
other. `--save FILE` keeps all pairs, `--from FILE` judges kept ones again; `--noise FOLDER` writes the pairs of equal
programs as noise for `benchmarks/phantom`. `benchmarks/instrument/renamed.py` tries candidates that change nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from instrument_load import LOADS, loaded
from instrument_pairs import Instrument, Pair, judge_of, opened
from instrument_program import checked, source, units_of
from instrument_trials import Trial, Verdicts, by_server, decide, deviation, drawn, log_ratios, summed_up

from maabarium.acceptance.estimate import deviation as robust_deviation
from maabarium.acceptance.judge import Judge

INDICES = (1, 10)
TRUTH_SECONDS = 8.0
CASES = ((0.01, INDICES), (0.0, (1,)))
"""Least gain that counts, and which candidate of a run it is."""


@dataclass
class Series:
    """Pairs of one planted gain beside one load."""

    body: float
    """Milliseconds."""
    load: str
    more: float
    """Share of work that the champion does beyond the candidate's."""
    in_turn: bool
    busy: float
    """Load average of the machine at the end."""
    seconds: float
    """Of one pair."""
    pairs: list[Pair] = field(default_factory=list)

    @property
    def how(self) -> str:
        return "in turn" if self.in_turn else "together"


def record(instrument: Instrument, units: int, shape: Series, count: int) -> Series:
    """Measure so many pairs."""
    began = time.perf_counter()
    trees = trees_of(instrument, units, shape.more)
    source_of_pairs = instrument.pairs(*trees, in_turn=shape.in_turn)
    shape.pairs = [next(source_of_pairs) for _ in range(count)]
    shape.seconds = (time.perf_counter() - began) / count
    shape.busy = os.getloadavg()[0]
    return shape


def trees_of(instrument: Instrument, units: int, more: float) -> tuple[str, str]:
    """Champion and candidate."""
    champion = source(round(units * (1 + more)), "" if more else "the same")
    return instrument.tree(champion), instrument.tree(source(units))


def measured(options: argparse.Namespace) -> list[Series]:
    """All series that were asked for, each printed when it is there; real trials at once."""
    made = []
    print(f"\n{HEAD}")
    for body in options.bodies:
        units = units_of(body)
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder), units, 0.01) as instrument:
            for load in options.loads:
                with loaded(load):
                    instrument.calibrate()
                    shapes = [Series(body, load, more, False, 0, 0) for more in options.gains]
                    shapes += [Series(body, load, 0.0, True, 0, 0)] if options.in_turn else []
                    for shape in shapes:
                        count = options.in_turn if shape.in_turn else options.pairs
                        made.append(record(instrument, units, shape, count))
                        print(deviations(made[-1]), flush=True)
                    if options.real:
                        spread = calibrated(shapes[0], made)
                        real_trials(instrument, units, load, spread, options.real)
    return made


HEAD = (
    f"{'body':>8} {'load':8} {'how':9} {'side':>7} {'gain':>6} {'s a pair':>9} {'deviation':>10} {'(sd)':>8} "
    f"{'median':>9} {'won':>11} {'servers':>8} {'load average':>13}"
)


def deviations(series: Series) -> str:
    """One line of the first table."""
    ratios = log_ratios(series.pairs)
    middle, spread, sd = deviation(ratios)
    side = 1000 * median(pair.lasted for pair in series.pairs)
    won, servers = sum(ratio > 0 for ratio in ratios), len(by_server(series.pairs))
    return (
        f"{series.body:5g} ms {series.load:8} {series.how:9} {side:4.0f} ms {series.more:6.1%} {series.seconds:9.2f} "
        f"{spread:10.2%} {sd:8.2%} {math.expm1(middle):+9.2%} {won:4} of {len(ratios):<4} {servers:7} "
        f"{series.busy:13.1f}"
    )


def calibrated(shape: Series, made: list[Series]) -> float:
    """The deviation that a run would have found at its start: of equal programs, or of this series about its median."""
    alike = [
        one for one in made if not one.more and (one.body, one.load, one.how) == (shape.body, shape.load, shape.how)
    ]
    return robust_deviation(log_ratios(alike[0].pairs), 0.0) if alike else robust_deviation(log_ratios(shape.pairs))


def judge_with(judge: Judge, min_effect: float, spread: float) -> Judge:
    """The same judge with another least gain and what a calibration found."""
    acceptance = judge.blueprint.acceptance.model_copy(update={"min_effect": min_effect})
    return judge_of(judge.blueprint.model_copy(update={"acceptance": acceptance}), judge.baseline, spread)


def real_trials(instrument: Instrument, units: int, load: str, spread: float, count: int) -> None:
    """Trials of a 2 % gain in which every pair is measured anew."""
    judge = judge_of(instrument.blueprint, instrument.baseline, spread)
    trees = trees_of(instrument, units, 0.02)
    began = time.perf_counter()
    trials = [decide(judge, instrument.pairs(*trees), 1) for _ in range(count)]
    took = (time.perf_counter() - began) / count
    print(f"  real trials beside {load}, gain 2 %: {row(summed_up(trials, math.log(1.02)))}, {took:.1f} s each")


def row(verdicts: Verdicts) -> str:
    """What became of trials, in words and figures."""
    kept = f"kept {verdicts.kept:4} of {verdicts.trials}"
    if not verdicts.kept:
        return kept
    estimate = f"estimate off by {verdicts.off:+.2%}, interval holds {verdicts.covered:.0%}"
    return f"{kept}, median {verdicts.pairs:4.0f} pairs, {estimate}"


def powers(series: Series, judge: Judge, spread: float, trials: int, seed: int) -> None:
    """Draw trials from the series and have them judged."""
    servers = by_server(series.pairs)
    for min_effect, indices in CASES:
        for index in indices:
            chance = random.Random(f"{seed}:{series.load}:{series.more}:{min_effect}:{index}")
            one = judge_with(judge, min_effect, spread)
            done: list[Trial] = [decide(one, drawn(servers, chance), index) for _ in range(trials)]
            name = f"{series.body:5g} ms {series.load:8} gain {series.more:4.1%} min_effect {min_effect:.0%}"
            print(f"{name} candidate {index:2}: {row(summed_up(done, math.log1p(series.more)))}")


def write_noise(folder: Path, made: list[Series]) -> None:
    """The log ratios of equal programs, server by server: one file a load."""
    for series in made:
        if series.more == 0 and not series.in_turn:
            ratios = [[round(ratio, 6) for ratio in log_ratios(pairs)] for pairs in by_server(series.pairs)]
            what = {"machine": machine(), "load": series.load, "body_ms": series.body, "servers": ratios}
            path = folder / f"noise-{series.load}.json"
            path.write_text(json.dumps(what) + "\n", encoding="utf-8")
            print(f"{path}: {len(ratios)} servers, {len(series.pairs)} pairs")


def machine() -> str:
    """What the figures hold for."""
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Measure or read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=_numbers, default=[100.0], metavar="MS,…")
    parser.add_argument("--loads", type=_loads, default=list(LOADS), metavar="NAME,…")
    parser.add_argument("--gains", type=_numbers, default=[0.0, 0.5, 1.0, 2.0, 5.0], metavar="PERCENT,…")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--real", type=int, default=0)
    parser.add_argument("--in-turn", type=int, default=20)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--from", type=Path, dest="kept")
    parser.add_argument("--noise", type=Path, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="12 pairs of equal programs and of 2 %%, no load")
    options = parser.parse_args()
    if options.quick:
        options.loads, options.gains, options.pairs, options.in_turn = ["none"], [0.0, 2.0], 12, 6
    options.gains = [gain / 100 for gain in options.gains]
    print(f"{machine()}, load average {os.getloadavg()[0]:.1f} before")
    made = _read(options.kept) if options.kept else measured(options)
    if options.kept:
        print("\n".join((HEAD, *map(deviations, made))))
    if options.save:
        options.save.write_text(json.dumps([asdict(series) for series in made]) + "\n", encoding="utf-8")
    if options.noise:
        write_noise(options.noise, made)
    truths(made)
    judged(made, options)


def truths(made: list[Series]) -> None:
    """Whether more work costs as much more CPU time."""
    print()
    for more in sorted({series.more for series in made if series.more}):
        extra, error = checked(more, TRUTH_SECONDS)
        print(f"truth: {more:.1%} more work takes {extra:.2%} more CPU time (± {error:.2%})", flush=True)


def judged(made: list[Series], options: argparse.Namespace) -> None:
    """Trials drawn from every series of a planted gain; `benchmarks/phantom` is about equal programs."""
    print(f"\n{options.trials} trials drawn from each series, by whole servers")
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), 1_000, 0.01) as instrument:
        judge = judge_of(instrument.blueprint, instrument.baseline)
    for series in made:
        if series.more and not series.in_turn:  # luck of one series of equal programs would be drawn again and again
            powers(series, judge, calibrated(series, made), options.trials, options.seed)


def _read(path: Path) -> list[Series]:
    kept = json.loads(path.read_text(encoding="utf-8"))
    return [Series(**{**one, "pairs": [Pair(**pair) for pair in one["pairs"]]}) for one in kept]


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _loads(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in LOADS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(LOADS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
