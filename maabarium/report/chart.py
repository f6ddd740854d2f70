"""The picture of a run: every experiment's level, the champion's line and the intervals, as inline SVG.

Draws numbers only: no text of a candidate gets in here. The same levels give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

from maabarium.report.levels import Level

__all__ = ["level_chart"]

COLOURS = {"ink": "#010203", "line": "#010204", "good": "#010205", "bad": "#010206"}
"""Stand-ins which the page's style sheet replaces, so that one picture serves light and dark."""
SETTINGS: Any = {"svg.hashsalt": "maabarium", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11}
NAMED_UP_TO = 12
"""More winners than this, and their numbers would cover one another."""


def level_chart(levels: Sequence[Level]) -> str:
    """An `<svg>` element that fits the width it is given; empty when there is nothing to draw."""
    if not levels:
        return ""
    import matplotlib  # heavy: only a report file needs it
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(8.0, 3.6), layout="constrained")
        FigureCanvasSVG(figure)
        _draw(figure.add_subplot(), levels)
        text = StringIO()
        figure.savefig(
            text, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Type": None, "Format": None}
        )
    return _inlined(text.getvalue())


def _draw(axes: Any, levels: Sequence[Level]) -> None:
    numbers = [0, *(level.number for level in levels)]
    axes.step(numbers, [1.0, *(level.champion for level in levels)], where="post", color=COLOURS["line"], lw=1.6)
    for level in levels:
        won = level.verdict == "promoted"
        colour = COLOURS["good"] if won else COLOURS["bad"]
        if level.interval is not None:
            axes.plot([level.number] * 2, level.interval, color=colour, lw=1.4, alpha=0.7)
        axes.plot([level.number], [level.value], "o" if won else "x", color=colour, ms=6 if won else 5)
    winners = [level for level in levels if level.verdict == "promoted"]
    for level in winners if len(winners) <= NAMED_UP_TO else ():
        place = {"xytext": (-5, 6), "textcoords": "offset points", "ha": "right"}
        axes.annotate(f"#{level.number}", (level.number, level.value), color=COLOURS["ink"], **place)
    axes.set_xlabel("experiment", color=COLOURS["ink"])
    axes.set_ylabel("times the baseline", color=COLOURS["ink"])
    axes.xaxis.get_major_locator().set_params(integer=True)
    values = [level.value for level in levels]
    if max(values) > 20 * min(values):
        axes.set_yscale("log")
    axes.tick_params(colors=COLOURS["ink"], which="both")
    axes.grid(visible=True, color=COLOURS["ink"], alpha=0.12)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(COLOURS["ink"])


def _inlined(document: str) -> str:
    """The `<svg>` element alone: no prolog, no metadata, no fixed size, and colours from the style sheet."""
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    label = "Improvement over the baseline by experiment"
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
