"""What two evaluations of the same tree disagree about, and how a baseline carries it to the later stages.

A baseline `Evaluation` has two gates that always hold: `flaky`, whose detail lists test ids one a line, and
`noisy`, whose detail lists sources one a line. Read them with the functions here.
"""

from __future__ import annotations

from collections.abc import Mapping

from maabarium.records import Evaluation, Gate, Measurement
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["differing_sources", "flaky_gate", "flaky_ids", "noisy_gate", "stable_ids"]


def flaky_gate(first: Transcript, second: Transcript) -> Gate:
    """The gate `flaky` of a baseline that ran twice."""
    ids = first.results.keys() | second.results.keys() | first.ids.keys() | second.ids.keys()
    flaky = sorted(id for id in ids if _outcome(first, id) != _outcome(second, id) or second.ids.get(id, 0) > 1)
    return Gate(name="flaky", passed=True, detail="\n".join(flaky))


def noisy_gate(first: Mapping[str, Measurement], second: Mapping[str, Measurement]) -> Gate:
    """The gate `noisy` of a baseline that was measured twice."""
    noisy = sorted(
        source
        for source in first.keys() | second.keys()
        if source not in first or source not in second or first[source].value != second[source].value
    )
    return Gate(name="noisy", passed=True, detail="\n".join(noisy))


def _outcome(transcript: Transcript, id: str) -> str:
    heard = transcript.results.get(id)
    return heard.outcome if heard else ""


def _listed(evaluation: Evaluation, name: str) -> frozenset[str]:
    return frozenset(line for gate in evaluation.gates if gate.name == name for line in gate.detail.split("\n") if line)


def flaky_ids(evaluation: Evaluation) -> frozenset[str]:
    """Ids that came or ended differently in the two runs of this baseline: they gate nothing."""
    return _listed(evaluation, "flaky")


def differing_sources(evaluation: Evaluation) -> frozenset[str]:
    """Sources whose two baseline values differ: they are noisy."""
    return _listed(evaluation, "noisy")


def stable_ids(evaluation: Evaluation) -> frozenset[str]:
    """Ids that passed in this baseline and must go on passing."""
    flaky = flaky_ids(evaluation)
    return frozenset(test.id for test in evaluation.tests if test.outcome == "passed" and test.id not in flaky)
