"""What we take from the user's own git configuration: whom they trust, and who they are. Only reads files."""

from __future__ import annotations

import os
from pathlib import Path

from maabarium.workspace.git import IDENTITY, Git, as_text

__all__ = ["identity", "neutral_filters", "trusted_folders"]


def trusted_folders() -> tuple[str, ...]:
    """`safe.directory` of the user's and the system's configuration: our own calls read neither."""
    nowhere = Git(Path(os.devnull), folder=Path("/"), personal=True)  # in no repository, so no local configuration
    _, output, _ = nowhere.attempt("config", "-z", "--get-all", "safe.directory")
    return tuple(value for value in as_text(output).split("\0") if value)


def identity(git: Git) -> dict[str, str]:
    """What is missing of the user's name and address, as git variables, for a commit that is the user's act."""
    found = dict[str, str]()
    for key, name, ours in (("user.name", "NAME", IDENTITY[0]), ("user.email", "EMAIL", IDENTITY[1])):
        known = as_text(git.attempt("config", key)[1]).strip()
        for role in ("AUTHOR", "COMMITTER"):
            variable = f"GIT_{role}_{name}"
            found[variable] = os.environ.get(variable) or known or ours
    return found


def neutral_filters(git: Git) -> dict[str, str]:
    """Settings that switch every filter of this repository's configuration off, by name: there is no other way."""
    _, output, _ = git.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    names = {key[len("filter.") :].rpartition(".")[0] for key in as_text(output).split("\0") if key}
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"filter.{name}.{key}": value for name in sorted(names) for key, value in off.items()}
