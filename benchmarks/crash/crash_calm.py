"""A pytest plug-in, loaded into every run that is compared: no small session goes before the suite.

Whether there is one, and of how many tests, depends on how fast the machine is at that moment.
"""

from __future__ import annotations

from maabarium_pytest.grading import rejection

rejection.LEAST_SUITE = float("inf")
