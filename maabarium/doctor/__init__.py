"""What is looked at before a run is started, by trying it; each check says what it found and what to do."""

from maabarium.doctor.confinement import taken
from maabarium.doctor.examination import Wishes, demanded_level, examine
from maabarium.doctor.findings import FUNNELS, Finding, Observation, has_failed

__all__ = ["FUNNELS", "Finding", "Observation", "Wishes", "demanded_level", "examine", "has_failed", "taken"]
