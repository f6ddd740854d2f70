"""Whether any test could stop a wrong candidate: one that ends alike each time and runs what may change. Pure."""

from __future__ import annotations

from maabarium.blueprint.schema import Blueprint
from maabarium.records import Evaluation, Measured
from maabarium.safe_text import listed

__all__ = ["with_later_flaky", "without_stable_tests"]


def with_later_flaky(baseline: Evaluation, measured: Measured) -> Evaluation:
    """The baseline of a run after a measurement that found tests flaky: from then on they gate nothing.

    What an audit excuses stays its own affair: it holds under the audit's hash seeds only.
    """
    sides = (measured.candidate, measured.champion) if measured.stage != "audit" else ()
    known = {*baseline.later_flaky}
    found = known.union(*(side.later_flaky for side in sides if side is not None))
    return baseline if found == known else baseline.model_copy(update={"later_flaky": tuple(sorted(found))})


def without_stable_tests(blueprint: Blueprint, baseline: Evaluation) -> str:
    """A sentence when the tests that gate are so few, because others are flaky, that nothing may be kept; else empty.

    A suite without flaky tests is taken as it is, however little of the target it runs.
    """
    flaky = {*baseline.flaky, *baseline.later_flaky}
    if not flaky:
        return ""
    shares = any(str(metric.source).endswith("tests.passed") for metric in blueprint.objectives)
    counted = {test.id for test in baseline.tests if test.outcome not in ("skipped", "xfailed")} | flaky
    gating = {
        test.id
        for test in baseline.tests
        if test.id not in flaky.union(baseline.partial) and (test.outcome == "passed" or (shares and test.failed))
    }
    advice = "make them end alike each time, or add tests or rules that do"
    if 2 * len(flaky) > len(counted):
        few = f"{len(flaky)} of {len(counted)} tests are flaky and gate nothing ({listed(sorted(flaky))})"
        return f"{few}, so nothing is kept: {advice}"
    by_test = baseline.lines.by_test if baseline.lines is not None else {}
    covering = {id for id, lines in by_test.items() if id and any(lines.values())}
    if covering and not covering & gating:
        reach = (
            f"no stable test covers the files that may change, only flaky ones do ({listed(sorted(covering & flaky))})"
        )
        return f"{reach}, so nothing is kept: {advice}" if covering & flaky else ""
    return ""
