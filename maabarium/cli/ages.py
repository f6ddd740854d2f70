"""Ages as people write them on a command line: `90d`, `12h`, `3m`."""

from __future__ import annotations

import re

import click

__all__ = ["days_of"]

_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0}
LONGEST = 36_500.0
"""A hundred years; more cannot be taken from today."""


def days_of(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A number with `h`, `d`, `w`, `m` (30 days) or `y` as days, for an option's callback; a bare number is days."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([hdwmy]?)", value.strip().lower())
    if found is None:
        raise click.BadParameter(f'"{value}" is not an age; write it like 12h, 90d, 8w, 3m (months) or 1y', ctx, param)
    days = float(found[1]) * _DAYS[found[2] or "d"]
    if days > LONGEST:
        raise click.BadParameter(f'"{value}" is more than a hundred years', ctx, param)
    return days
