"""Fixtures of the tests on projects as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from field_project import FieldProject


@pytest.fixture
def project(tmp_path: Path) -> FieldProject:
    """The base project, not committed yet, without a blueprint."""
    return FieldProject(tmp_path)
