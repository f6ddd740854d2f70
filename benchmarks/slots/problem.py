"""The slots problem: four choices of five options, and a suite that tells only how many of them are right.

There are 625 configurations and no hint which choice is wrong. Modelled on the k-module problem of the OpenEvolve
examples; the target is a small package, so that the same files serve the simulation and the real engine.
"""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass

SLOTS = {
    "LOADER": ("csv", "json", "xml", "yaml", "ini"),
    "PREPROCESS": ("none", "strip", "scale", "center", "rank"),
    "ALGORITHM": ("bubble", "heap", "merge", "quick", "radix"),
    "FORMATTER": ("plain", "table", "html", "markdown", "tree"),
}
PATH = "pipeline/config.py"


@dataclass(frozen=True)
class Problem:
    """One instance: where the search starts and what it looks for."""

    start: dict[str, str]
    solution: dict[str, str]

    @classmethod
    def of(cls, seed: int) -> Problem:
        """Start and solution are drawn independently, so a slot is right at the start once in five."""
        draw = random.Random(f"slots {seed}")
        start, solution = ({name: draw.choice(options) for name, options in SLOTS.items()} for _ in range(2))
        return cls(start, solution)

    def files(self) -> dict[str, bytes]:
        """The target: a package whose configuration is marked as open."""
        return {PATH: render(self.start), "pipeline/__init__.py": b'"""A pipeline of four replaceable stages."""\n'}

    def right(self, files: dict[str, bytes]) -> int:
        """How many slots are right: all that the suite tells."""
        values = read(files[PATH])
        return sum(values[name] == option for name, option in self.solution.items())


def render(values: dict[str, str]) -> bytes:
    """The configuration file with these values."""
    lines = ['"""Which implementation each stage of the pipeline uses."""', ""]
    for name, options in SLOTS.items():
        shown = ", ".join(f'"{option}"' for option in options)
        lines.append(f'{name} = "{values[name]}"  # maabarium: choice({shown})')
    return "\n".join([*lines, ""]).encode()


def read(content: bytes) -> dict[str, str]:
    """The values in a configuration file."""
    assignments = (node for node in ast.parse(content).body if isinstance(node, ast.Assign))
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in assignments}
