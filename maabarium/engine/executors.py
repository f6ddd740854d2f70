"""The executors that come with the core: one measurement at a time, or several in threads.

Both run measurements in threads of the main process; the work itself happens in child processes, so threads
cost nothing and a signal reaches the main thread at once.
"""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

__all__ = ["serial", "threads"]


def serial(workers: int) -> Executor:
    """One measurement at a time, whatever `workers` says."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="maabarium-measure")


def threads(workers: int) -> Executor:
    """As many measurements at a time as `workers`."""
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="maabarium-measure")
