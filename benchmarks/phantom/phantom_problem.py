"""The case of the phantom benchmark: one noisy time to be minimised, and the noises that it may have.

All values are times near 1 of programs that are exactly equally fast. A noise gives whole runs at once, so that
the fast simulation and the real judge can be shown the very same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maabarium.blueprint.schema import Blueprint

__all__ = ["NOISES", "SOURCE", "Noise", "Values", "blueprint", "values"]

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, Floats], Floats]
SOURCE = "score:seconds"
LEVEL = 0.02


@dataclass(frozen=True)
class Values:
    """Every number that could be measured in some runs: R runs, C candidates, P pairs for each."""

    baseline: Floats
    """R"""
    screens: Floats
    """R x C"""
    champion: Floats
    """R x C x P"""
    candidate: Floats
    """R x C x P"""


def blueprint(*, max_pairs: int = 40, min_effect: float = 0.0, min_improvement: float = 0.0) -> Blueprint:
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


NOISES: dict[str, Noise] = {
    "Gaussian, 2 %": _gaussian,
    "heavy-tailed (Student, 1.5 df)": _heavy,
    "drifting": _drifting,
    "bimodal (30 % are 10 % slower)": _bimodal,
}


def values(noise: Noise, seed: int, runs: int, candidates: int, pairs: int, effect: float = 0.0) -> Values:
    """Draw whole runs. `effect` makes every candidate that much faster (0.05: the champion needs 5 % longer)."""
    chance = np.random.default_rng(seed)
    slots = 1 + 2 * pairs
    when = np.arange(1 + candidates * slots) / (1 + candidates * slots)  # moments of the run, from 0 to 1
    logs = noise(chance, np.broadcast_to(when, (runs, when.size)))
    rows = logs[:, 1:].reshape(runs, candidates, slots)
    first = chance.random((runs, candidates, pairs)) < 0.5
    early, late = rows[:, :, 1::2], rows[:, :, 2::2]
    gain = np.log1p(effect)
    return Values(
        baseline=np.exp(logs[:, 0]),
        screens=np.exp(rows[:, :, 0] - gain),
        champion=np.exp(np.where(first, late, early)),
        candidate=np.exp(np.where(first, early, late) - gain),
    )
