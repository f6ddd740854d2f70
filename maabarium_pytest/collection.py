"""A blueprint as pytest sees it: a file whose items are report slots, `experiment[0]` to `experiment[n]`.

A slot holds nothing and runs nothing: the session fills it with an outcome. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

__all__ = ["BlueprintFile", "Collection", "Slot"]


class Slot(pytest.Item):
    """The place of one experiment in pytest's reports."""

    number: int

    def runtest(self) -> None:
        """Never called: the session answers the whole protocol of a slot."""
        raise AssertionError("a slot is filled by the session that drives the run")

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the slot is: the blueprint, no line."""
        return self.path, None, self.name


class BlueprintFile(pytest.File):
    """A blueprint with one slot for the baseline and one for each experiment that its run may make."""

    max_iterations: int

    def collect(self) -> Iterator[Slot]:
        """All slots in order."""
        for number in range(self.max_iterations + 1):
            slot: Slot = Slot.from_parent(self, name=f"experiment[{number}]")
            slot.number = number
            yield slot


class Collection:
    """Collects exactly the blueprints that were named, wherever they are. `slots`: path -> highest number."""

    def __init__(self, slots: Mapping[Path, int]) -> None:
        self._slots = {path.absolute(): count for path, count in slots.items()}
        self._folders = {folder for path in self._slots for folder in path.parents}

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool:
        """Nothing but the blueprints and the folders that lead to them."""
        return collection_path not in self._slots and collection_path not in self._folders

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector:
        """A plain folder, even where an `__init__.py` makes it a package: nothing is imported."""
        folder: pytest.Dir = pytest.Dir.from_parent(parent, path=path)
        return folder

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> BlueprintFile | None:
        """The blueprint at this path, if it is one that was named."""
        if file_path not in self._slots:
            return None
        file: BlueprintFile = BlueprintFile.from_parent(parent, path=file_path)
        file.max_iterations = self._slots[file_path]
        return file
