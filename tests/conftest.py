"""For all tests of the project."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


def pytest_sessionstart() -> None:
    """Whoever started the tests may ignore signals, as `nohup` does; the processes of the tests must not."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_finish() -> None:
    """What collecting made stays to the end: looking through it again for garbage took a tenth of the whole time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def obeys_permissions() -> Iterator[None]:
    """The test's thread may read and write only what the permissions of files allow, also as root."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may read everything")
    capget, capset = (getattr(ctypes.CDLL(None), name) for name in ("capget", "capset"))
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # capabilities(7): version 3, this thread
    before, after = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert capget(header, before) == 0
    after[:] = before[:]
    after[0] &= ~(1 << 1 | 1 << 2)  # effective: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert capset(header, after) == 0
    yield
    assert capset(header, before) == 0
