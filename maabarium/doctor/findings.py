"""What a check found out: one sentence, whether it is good, and what to do when it is not. Checks nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from maabarium.sandbox.probe import Observation

__all__ = ["FUNNELS", "Finding", "Funnel", "Observation", "Status", "failed", "has_failed", "passed", "warned"]

Status = Literal["pass", "warn", "fail"]
Funnel = Literal["environment", "sandbox", "instrument", "target", "models", "storage"]
FUNNELS: tuple[Funnel, ...] = ("environment", "sandbox", "instrument", "target", "models", "storage")
"""In the order in which they are looked at."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. `fix` says what to do, and is there whenever the status is not `pass`."""

    funnel: Funnel
    name: str
    status: Status
    sentence: str
    fix: str = ""
    observed: tuple[Observation, ...] = ()

    def __post_init__(self) -> None:
        if (self.status == "pass") == bool(self.fix):
            raise ValueError(f"{self.name}: a finding has a fix exactly when it is not a pass")


def passed(funnel: Funnel, name: str, sentence: str, observed: Iterable[Observation] = ()) -> Finding:
    """A check that went well."""
    return Finding(funnel, name, "pass", sentence, "", tuple(observed))


def warned(funnel: Funnel, name: str, sentence: str, fix: str, observed: Iterable[Observation] = ()) -> Finding:
    """Something that a run survives, but that should be known."""
    return Finding(funnel, name, "warn", sentence, fix, tuple(observed))


def failed(funnel: Funnel, name: str, sentence: str, fix: str, observed: Iterable[Observation] = ()) -> Finding:
    """Something that must change first."""
    return Finding(funnel, name, "fail", sentence, fix, tuple(observed))


def has_failed(findings: Iterable[Finding]) -> bool:
    """Whether any of them is a failure."""
    return any(finding.status == "fail" for finding in findings)
