"""One run, put together from the rooms below. What front ends need of it."""

from maabarium.run.record import RunOptions, branch_of
from maabarium.run.run import Run, open_repository

__all__ = ["Run", "RunOptions", "branch_of", "open_repository"]
