"""What two sessions over the same tree disagree about."""

from __future__ import annotations

from collections.abc import Mapping

from maabarium.records import Measurement
from maabarium_pytest.grading.transcript import Transcript

__all__ = ["differing_sources", "unstable_ids"]


def unstable_ids(first: Transcript, second: Transcript) -> tuple[str, ...]:
    """Ids that came or ended differently, or that several tests share."""
    ids = first.results.keys() | second.results.keys() | first.ids.keys() | second.ids.keys()
    return tuple(sorted(id for id in ids if _outcome(first, id) != _outcome(second, id) or second.ids.get(id, 0) > 1))


def differing_sources(first: Mapping[str, Measurement], second: Mapping[str, Measurement]) -> tuple[str, ...]:
    """Sources that only one of them has, or with different values."""
    return tuple(
        sorted(
            source
            for source in first.keys() | second.keys()
            if source not in first or source not in second or first[source].value != second[source].value
        )
    )


def _outcome(transcript: Transcript, id: str) -> str:
    heard = transcript.results.get(id)
    return heard.outcome if heard else ""
