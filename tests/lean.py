"""Options for the suites of test targets: without plug-ins that they do not use, a child starts in half the time.

What a suite does with its plug-ins is tested where it matters, with addopts of its own.
"""

from __future__ import annotations

__all__ = ["LEAN"]

LEAN = " ".join(f"-p no:{name}" for name in ("anyio", "benchmark", "hypothesispytest", "pytest_cov", "xdist"))
