"""Fixtures of the host's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_target import Target, make_target


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A fresh target."""
    return make_target(tmp_path)
