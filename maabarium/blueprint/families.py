"""What a metric's name means when no source is given: one table, which is data and is printed in the documentation.

A family says who measures names of its kind. `opposite` marks names that praise what the source counts against:
"performance" is bound to the CPU time of the tests, so maximising the one minimises the other, and the bound
metric's direction is turned round. Knows no evaluator: whether the source is offered is found out by `binding`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maabarium.blueprint.schema import Direction

__all__ = ["FAMILIES", "Family", "best_direction", "families_table", "family_of", "is_clock", "turned"]  # fmt: skip


@dataclass(frozen=True)
class Family:
    """Names measured alike. `names` must fit whole, `words` may stand anywhere in a name (`parser_latency`).

    `source` may contain `{name}`, which stands for the metric's own name.
    """

    title: str
    names: tuple[str, ...]
    source: str
    words: tuple[str, ...] = ()
    opposite: bool = False


FAMILIES: tuple[Family, ...] = (
    Family(
        "correctness", ("tests", "correct", "functionality", "stability"), "tests.passed",
        words=("correctness", "reliability", "robustness", "pass_rate", "tests_passed"),
    ),
    Family(
        "failures", ("bugs", "defects", "errors"), "tests.passed",
        words=("failures", "failing_tests", "failed_tests"), opposite=True,
    ),
    Family(
        "speed", ("fast", "scalability"), "tests.cpu",
        words=("performance", "speed", "throughput", "efficiency"), opposite=True,
    ),
    Family(
        "time", ("time", "cpu"), "tests.cpu",
        words=("latency", "runtime", "cpu_time", "execution_time", "response_time", "slowness"),
    ),
    Family("duration of the suite", ("duration",), "tests.duration", words=("wall_time", "test_duration", "test_time")),
    Family(
        "readability", ("readable", "understandability"), "complexity",
        words=("readability", "simplicity"), opposite=True,
    ),
    Family("complexity", (), "complexity", words=("complexity", "cyclomatic")),
    Family(
        "maintainability", ("quality", "modularity", "cleanliness"), "maintainability",
        words=("maintainability", "code_quality", "code_health"),
    ),
    Family("test coverage", ("coverage",), "coverage", words=("test_coverage", "line_coverage", "branch_coverage")),
    Family("lint", ("warnings",), "lint", words=("lint", "style_violations", "style_errors")),
    Family("style", ("style", "tidiness"), "lint", words=("code_style", "style_quality"), opposite=True),
    Family("size", ("bloat", "footprint", "verbosity"), "size", words=("size", "loc", "lines_of_code")),
    Family(
        "brevity", ("brevity", "compactness"), "size",
        words=("conciseness", "code_brevity"), opposite=True,
    ),
    Family(
        "judged prose and product",
        (
            "clarity", "specificity", "actionability", "consistency", "revenue_signal", "product_coherence",
            "ux_quality", "shipping_readiness", "impact", "safety",
        ),
        "prompt:{name}",
        words=("clarity", "specificity", "actionability", "coherence", "tone", "helpfulness"),
    ),
    Family(
        "research", ("factual_grounding", "citation_coverage", "source_quality", "synthesis_quality"),
        "research:{name}", words=("citation", "citations", "grounding", "factual", "synthesis"),
    ),
    Family(
        "LoRA adapters",
        ("lora_quality", "artifact_completeness", "metadata_hygiene", "reproducibility"),
        "lora:{name}", words=("lora", "adapter"),
    ),
)  # fmt: skip

_LESS = ("tests.duration", "tests.cpu", "complexity", "lint", "size")
_MORE = ("tests.passed", "coverage", "maintainability")
_CLOCKS = ("tests.duration", "tests.cpu")


def family_of(name: str) -> Family | None:
    """The family that a metric's name belongs to: a whole name first, else the longest word in it."""
    plain = re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
    for family in FAMILIES:
        if plain in family.names or plain in family.words:
            return family
    padded = f"_{plain}_"
    fits = [(len(word), family) for family in FAMILIES for word in family.words if f"_{word}_" in padded]
    return max(fits, key=lambda fit: fit[0])[1] if fits else None


def turned(direction: Direction) -> Direction:
    """The other direction."""
    return "minimize" if direction == "maximize" else "maximize"


def best_direction(source: str) -> Direction | None:
    """Which way a built-in source is better; None when only its author knows (`score:*`, plug-ins)."""
    if source in _LESS or source.startswith("benchmark:"):
        return "minimize"
    return "maximize" if source in _MORE else None


def is_clock(source: str) -> bool:
    """Whether a built-in source is a time, and therefore noisy."""
    return source in _CLOCKS or source.startswith("benchmark:")


def families_table() -> str:
    """The table as Markdown, for the documentation."""
    lines = ["| family | whole names | words in a name | source | direction |", "|---|---|---|---|---|"]
    for family in FAMILIES:
        names, words = (", ".join(f"`{name}`" for name in group) or "–" for group in (family.names, family.words))
        source = family.source.replace("{name}", "<name>")
        direction = "turned round" if family.opposite else "as written"
        lines.append(f"| {family.title} | {names} | {words} | `{source}` | {direction} |")
    return "\n".join(lines)
