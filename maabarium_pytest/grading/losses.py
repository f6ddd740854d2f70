"""Which result of a test rejects a candidate, and whether the first one may end its session. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from maabarium.records import Evaluation, TestOutcome
from maabarium_pytest.grading.rules import role_of
from maabarium_pytest.grading.suite import Suite

__all__ = ["FAILING", "Losses", "ends_at_first_loss"]

FAILING = frozenset({"failed", "error"})


@dataclass(frozen=True)
class Losses:
    """What a changed tree must not lose, as the baseline has it; ids are those of tests and rules."""

    required: frozenset[str]
    """Tests that passed, and do so whenever they run."""
    known: frozenset[str]
    flaky: frozenset[str]
    partial: frozenset[str]
    """Rules that earn points: failing them gates nothing."""
    strict: bool
    """A test of the suite that was not there before must not fail."""

    @classmethod
    def of(cls, suite: Suite, baseline: Evaluation) -> Losses:
        """What this baseline demands."""
        flaky = frozenset(baseline.flaky + baseline.later_flaky)
        excepted = flaky.union(baseline.partial)
        return cls(
            required=frozenset(t.id for t in baseline.tests if t.outcome == "passed" and t.id not in excepted),
            known=frozenset(test.id for test in baseline.tests),
            flaky=flaky,
            partial=frozenset(baseline.partial),
            strict=suite.strict,
        )

    def rejects(self, id: str, outcome: TestOutcome, partial: Container[str]) -> bool:
        """Whether this result alone rejects the tree. `partial`: rules that carry points in this session."""
        if role_of(id) != "suite":
            settled = id in self.partial and id in partial  # what carries points was settled at the baseline
            return outcome not in ("passed", "xpassed") and not settled and id not in self.flaky
        if id in self.required:
            return outcome != "passed"
        return self.strict and outcome in FAILING and id not in self.known and id not in self.flaky


def ends_at_first_loss(suite: Suite, baseline: Evaluation) -> bool:
    """Whether nothing is to be learned after the first lost test.

    The share of tests that pass as an objective needs them all, and so does who repairs a red baseline: which tests
    are still red says where the fault is.
    """
    shares = any(str(metric.source).endswith("tests.passed") for metric in suite.request.blueprint.objectives)
    return suite.request.stage == "screen" and not shares and not any(test.failed for test in baseline.tests)
