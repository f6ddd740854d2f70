"""Which files of the tree belong to the rules that proposers never see (`[evaluator] holdout`)."""

from __future__ import annotations

from collections.abc import Iterable

from maabarium.blueprint.globs import Globs

__all__ = ["held_out_files"]


def held_out_files(entries: Iterable[str]) -> Globs:
    """Matches the files of the holdout wherever the blueprint's folder is in the tree, and their namesakes with them.

    Entries are relative to that folder, which is not known here; steps that lead out of it are left aside.
    """
    bare = ("/".join(part for part in entry.split("/") if part not in ("", ".", "..")) for entry in entries)
    return Globs(f"**/{entry}" for entry in bare if entry)
