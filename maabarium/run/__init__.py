"""One run, put together from the rooms below. What front ends need of it."""

from maabarium.run.prepared import PreparedRun, prepare_run
from maabarium.run.record import RunOptions, branch_of
from maabarium.run.repository import open_repository
from maabarium.run.run import OpenRun, open_run

__all__ = ["OpenRun", "PreparedRun", "RunOptions", "branch_of", "open_repository", "open_run", "prepare_run"]
