"""For all tests of the project."""

from __future__ import annotations

import gc
import signal


def pytest_sessionstart() -> None:
    """Whoever started the tests may ignore signals, as `nohup` does; the processes of the tests must not."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_finish() -> None:
    """What collecting made stays to the end: looking through it again for garbage took a tenth of the whole time."""
    gc.collect()
    gc.freeze()
