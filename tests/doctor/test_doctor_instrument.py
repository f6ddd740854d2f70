"""What doctor says of measuring on this machine: sessions, cores, pairs of a program with itself."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from maabarium.blueprint.schema import Acceptance, SandboxOptions
from maabarium.doctor.findings import Finding
from maabarium.doctor.instrument_checks import Seen, check_instrument, verdicts
from maabarium.plugins.manager import build_plugins
from maabarium.sandbox import SANDBOXES, subprocess_sandbox
from maabarium.sandbox.selection import available

HELD = any(reach.ok and reach.backend == "namespaces" for reach in available(SANDBOXES))
CALM = (0.004, -0.004, 0.003, -0.002, 0.001, -0.005, 0.002, -0.001, 0.004, -0.003, 0.002, -0.002)


def said(**facts: Any) -> dict[str, Finding]:
    """Findings by name about pairs of this kind."""
    usual = {"sessions": "forked from a warm pytest", "overhead": 0.05, "log_ratios": CALM, "seconds": (0.3,) * 12}
    sandbox = subprocess_sandbox(SandboxOptions(level="trusted"), threading.Event())
    return {one.name: one for one in verdicts(Seen(**usual | facts), Acceptance(), sandbox)}


def test_calm_pairs_pass_with_their_resolution() -> None:
    found = said()
    assert {one.status for one in found.values()} == {"pass"}
    assert found["sessions"].sentence == "forked from a warm pytest; a pair costs 50 ms beside the timed work"
    assert re.match(
        r"0\.\d+ % a pair; finds a gain of 2 % in about \d+ pairs \(\d+ s\), of 5 % in",
        found["pairs"].sentence,
    )
    assert "12 pairs of a program of 0.1 s with itself" in found["pairs"].sentence


def test_wild_and_biased_pairs_are_a_warning() -> None:
    wild = said(log_ratios=tuple(value * 100 for value in CALM))["pairs"]
    assert wild.status == "warn" and "2 % seldom" in wild.sentence and wild.fix
    biased = said(log_ratios=tuple(0.05 + value for value in CALM))["pairs"]
    assert biased.status == "warn" and "equal programs do not look equal here" in biased.sentence


def test_cold_sessions_are_a_warning_with_their_reason() -> None:
    found = said(sessions="started one by one (the sandbox landlock keeps no programs)")["sessions"]
    assert found.status == "warn" and "landlock keeps no programs" in found.sentence and "docs/warm.md" in found.fix


def test_what_could_not_be_measured_is_a_failure_with_the_reason() -> None:
    (failure,) = said(problem="the kernel says no").values()
    assert failure.status == "fail" and "the kernel says no" in failure.sentence


def test_at_the_level_trusted_nothing_is_measured() -> None:
    names = {one.name: one for one in check_instrument(build_plugins(), "trusted")}
    assert names["pairs"].status == "pass" and "at the level trusted" in names["pairs"].sentence
    assert "sessions" not in names


@pytest.mark.skipif(not HELD, reason="there are no namespaces on this machine")
def test_this_machine() -> None:
    found = {one.name: one for one in check_instrument(build_plugins(), None)}
    assert set(found) == {"one core", "sessions", "pairs"}
    assert found["sessions"].status == "pass"
    assert re.fullmatch(
        r"forked from a warm pytest; a pair costs \d+ ms beside the timed work", found["sessions"].sentence
    )
    pairs = r" % a pair( of [0-9.]+ times the usual length)?; finds a gain of 2 % .*; \d+ pairs of a program"
    assert re.search(pairs, found["pairs"].sentence)
