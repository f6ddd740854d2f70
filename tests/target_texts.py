"""What several tests write into the targets they make."""

from __future__ import annotations

__all__ = ["BLUEPRINT", "LEAN"]

SURPLUS = ("anyio", "benchmark", "hypothesispytest", "pytest_cov", "random_order", "randomly", "xdist")
LEAN = " ".join(f"-p no:{name}" for name in SURPLUS)
"""Options for a suite: without plug-ins that it does not use, a child starts in half the time. What a suite does with
its plug-ins is tested where it matters, with addopts of its own."""

BLUEPRINT = """\
[blueprint]
name = "demo"
version = "1"
description = "d"
[domain]
repo_path = "."
target_files = ["src/**/*.py"]
language = "python"
[constraints]
max_iterations = 4
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.01
[metrics]
[[metrics.metrics]]
name = "size"
weight = 1.0
direction = "minimize"
source = "size"
"""
