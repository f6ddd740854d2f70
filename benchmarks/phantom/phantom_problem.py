"""The case of the phantom benchmark: one noisy time to be minimised, and the noises that it may have.

What is drawn are log ratios of pairs of a champion and candidates, whole runs at once, so that the fast simulation
and the real judge can be shown the very same numbers. Above 0 the candidate is better; its true gain is `effect`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maabarium.blueprint.schema import Blueprint

__all__ = [
    "NOISES",
    "SOURCE",
    "Draw",
    "Noise",
    "Values",
    "blueprint",
    "of_noise",
    "of_servers",
    "read_recorded",
    "values",
]

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, Floats], Floats]
"""Logarithms of times at these moments of a run (from 0 to 1)."""
SOURCE = "score:seconds"
LEVEL = 0.01
CALIBRATION = 24
SERVER_PAIRS = 4
LAYOUT = 0.003
"""Standard deviation by which equal programs differ from server to server."""


@dataclass(frozen=True)
class Values:
    """Every number that could be measured in some runs: R runs, C candidates, P pairs for each."""

    calibration: Floats
    """R x 24: log ratios of the champion beside itself."""
    ratios: Floats
    """R x C x P: log ratios."""
    servers: NDArray[np.int64]
    """R x C x P: which server each pair came from; 0: each from its own."""
    screens: Floats
    """R x (1 + C): single values of the baseline and of each candidate, for the rule of one look."""


Draw = Callable[[int, int, int, int, float], Values]
"""Seed, runs, candidates, pairs, and the gain of every candidate (0.05: the champion needs 5 % longer)."""


def blueprint(*, max_pairs: int = 100, min_effect: float = 0.0, min_improvement: float = 0.0) -> Blueprint:
    """A blueprint with a single noisy objective."""
    metric = {"name": "seconds", "weight": 1, "direction": "minimize", "source": SOURCE, "noisy": True}
    return Blueprint.model_validate(
        {
            "blueprint": {"name": "phantom", "version": "1", "description": "nothing is ever better"},
            "domain": {"repo_path": ".", "target_files": ["*.py"], "language": "python"},
            "constraints": {
                "max_iterations": 100,
                "timeout_seconds": 60,
                "require_tests_pass": True,
                "min_improvement": min_improvement,
            },
            "metrics": {"metrics": [metric]},
            "acceptance": {"max_pairs": max_pairs, "min_effect": min_effect},
        }
    )


def _gaussian(chance: np.random.Generator, when: Floats) -> Floats:
    return chance.normal(0.0, LEVEL, when.shape)


def _heavy(chance: np.random.Generator, when: Floats) -> Floats:
    return np.clip(LEVEL * chance.standard_t(1.5, when.shape), -3, 3)


def _drifting(chance: np.random.Generator, when: Floats) -> Floats:
    """The machine slows down, speeds up and slows down again within the run, far beyond the noise."""
    start = chance.uniform(0, 2 * np.pi, (when.shape[0],) + (1,) * (when.ndim - 1))
    return 0.3 * np.sin(start + when * 12) + 0.4 * when + chance.normal(0.0, LEVEL / 4, when.shape)


def _bimodal(chance: np.random.Generator, when: Floats) -> Floats:
    slow = chance.random(when.shape) < 0.3
    return 0.1 * slow + chance.normal(0.0, LEVEL / 10, when.shape)


def values(noise: Noise, seed: int, runs: int, candidates: int, pairs: int, effect: float = 0.0) -> Values:
    """Draw whole runs whose sessions come one after the other; which side of a pair is first, a coin decides."""
    chance = np.random.default_rng(seed)
    slots = 1 + 2 * pairs
    before = 1 + 2 * CALIBRATION
    when = np.arange(before + candidates * slots) / (before + candidates * slots)
    logs = noise(chance, np.broadcast_to(when, (runs, when.size)))
    alone = logs[:, 1:before].reshape(runs, CALIBRATION, 2)
    rows = logs[:, before:].reshape(runs, candidates, slots)
    gain = np.log1p(effect)
    coins = np.where(chance.random((runs, candidates, pairs)) < 0.5, 1.0, -1.0)
    return Values(
        calibration=(alone[..., 0] - alone[..., 1]) * np.where(chance.random((runs, CALIBRATION)) < 0.5, 1.0, -1.0),
        ratios=coins * (rows[:, :, 1::2] - rows[:, :, 2::2]) + gain,
        servers=np.zeros((runs, candidates, pairs), np.int64),
        screens=np.concatenate([logs[:, :1], rows[:, :, 0] - gain], axis=1),
    )


def of_noise(noise: Noise) -> Draw:
    """Sessions with this noise, each pair of processes of its own."""
    return lambda seed, runs, candidates, pairs, effect: values(noise, seed, runs, candidates, pairs, effect)


def of_servers(groups: Sequence[Sequence[float]]) -> Draw:
    """Whole servers drawn with replacement from these log ratios of equal programs.

    Which program is which says nothing of equal ones, so each server is drawn with a sign by a coin, all its pairs
    alike. The pairs of a calibration lie in one process with themselves: of them the mean of the server is taken out.
    """
    size = min(len(group) for group in groups)
    known = np.array([group[:size] for group in groups])

    def draw(seed: int, runs: int, candidates: int, pairs: int, effect: float) -> Values:
        chance = np.random.default_rng(seed)
        count = -(-pairs // size)
        drawn = known[chance.integers(0, len(known), (runs, candidates, count))]
        drawn = drawn * np.where(chance.random((runs, candidates, count, 1)) < 0.5, 1.0, -1.0)
        own = known[chance.integers(0, len(known), (runs, -(-CALIBRATION // size)))]
        if size > 1:
            own = (own - own.mean(axis=2, keepdims=True)) * np.sqrt(size / (size - 1))
        numbers = np.arange(1, runs * candidates * count + 1).reshape(runs, candidates, count)
        screens = chance.normal(0.0, float(known.std()), (runs, 1 + candidates))
        return Values(
            calibration=own.reshape(runs, -1)[:, :CALIBRATION],
            ratios=drawn.reshape(runs, candidates, -1)[:, :, :pairs] + np.log1p(effect),
            servers=np.repeat(numbers, size, axis=2)[:, :, :pairs] if size > 1 else np.zeros_like(numbers),
            screens=screens,
        )

    return draw


def _with_layout() -> Draw:
    """Servers that were never measured: each shifts its pairs by its layout."""
    chance = np.random.default_rng(0)
    shifts = chance.normal(0.0, LAYOUT, (400, 1))
    return of_servers((shifts + chance.normal(0.0, LEVEL, (400, SERVER_PAIRS))).tolist())


def read_recorded(path: Path) -> Draw:
    """Servers as `benchmarks/instrument` wrote them: {"servers": [[log ratio, …], …]}, of at least 4 pairs each."""
    groups = [group for group in json.loads(path.read_text(encoding="utf-8"))["servers"] if len(group) >= SERVER_PAIRS]
    if len(groups) < 20:
        raise SystemExit(f"{path} has {len(groups)} servers of at least {SERVER_PAIRS} pairs; 20 are needed")
    return of_servers(groups)


NOISES: dict[str, Draw] = {
    "Gaussian, 1.4 % a pair": of_noise(_gaussian),
    "heavy-tailed (Student, 1.5 df)": of_noise(_heavy),
    "drifting": of_noise(_drifting),
    "bimodal (30 % are 10 % slower)": of_noise(_bimodal),
    "shared layout (0.3 %, servers of 4)": _with_layout(),
}
