"""The executors that come with the core. Measurements are child processes anyway, so threads cost nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection

from maabarium.worker.worker import end_measurements

__all__ = ["Processes", "serial", "threads"]

LAST_WORDS = 2.0
"""Seconds in which a process may end its children after the program that started it died."""


def serial(workers: int) -> Executor:
    """One measurement at a time, whatever `workers` says."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="maabarium-measure")


def threads(workers: int) -> Executor:
    """As many measurements at a time as `workers`."""
    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="maabarium-measure")


class Processes(ProcessPoolExecutor):
    """As `threads`, each in a process of its own, with plug-ins that are installed only (no conftest's).

    They pay where an evaluator works in Python, or a plug-in is not thread-safe.
    All of them read one pipe: the end of it says that the run was cancelled, or that this process died.
    """

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a program with threads is not safe
        self._reader, self._writer = context.Pipe(duplex=False)
        super().__init__(workers, mp_context=context, initializer=_begin, initargs=(self._reader,))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of any executor; with `cancel_futures`, what is being measured ends at once as well."""
        if cancel_futures:
            self._writer.close()
        super().shutdown(wait, cancel_futures=cancel_futures)


def _begin(pipe: Connection) -> None:
    """Prepare a process of the pool: signals are the main process's affair, which tells us through the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_end, args=(pipe,), daemon=True).start()


def _wait_for_end(pipe: Connection) -> None:
    pipe.poll(None)
    end_measurements()
    if parent := multiprocessing.parent_process():
        parent.join()  # ends with the process when the pool is shut down in order
    time.sleep(LAST_WORDS)
    os._exit(1)
