"""What we take from the user's own git configuration: whom they trust, and who they are. Only reads files."""

from __future__ import annotations

import os
from pathlib import Path

from maabarium.workspace.git import Git, as_text

__all__ = ["identity", "neutral_filters", "trusted_folders"]


def _global_files() -> list[Path]:
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    if named is not None:
        return [Path(named)] if named else []
    home = Path.home()
    base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [base / "git" / "config", home / ".gitconfig"]


def trusted_folders() -> tuple[str, ...]:
    """`safe.directory` of the user's and the system's configuration: our own calls read neither."""
    git, found = Git(None), list[str]()
    for file in _global_files():
        if file.is_file():
            _, output, _ = git.attempt("config", "--file", str(file), "--includes", "-z", "--get-all", "safe.directory")
            found += as_text(output).split("\0")[:-1]
    if "GIT_CONFIG_NOSYSTEM" not in os.environ:
        _, output, _ = git.attempt(
            "config", "--system", "-z", "--get-all", "safe.directory", env={"GIT_CONFIG_NOSYSTEM": "0"}
        )
        found += as_text(output).split("\0")[:-1]
    return tuple(value for value in found if value)


def identity(top: Path) -> dict[str, str]:
    """The user's name and address as git variables, for a commit that is the user's act; empty if unknown."""
    git, found = Git(None, folder=top, safe=("*",)), dict[str, str]()
    for key, name in (("user.name", "NAME"), ("user.email", "EMAIL")):
        value = ""
        for file in _global_files():
            if file.is_file():
                value = git.attempt("config", "--file", str(file), "--includes", key)[1].decode().strip() or value
        value = git.attempt("config", "--local", key)[1].decode("utf-8", "replace").strip() or value
        value = os.environ.get(f"GIT_AUTHOR_{name}") or value
        if value:
            found |= {f"GIT_AUTHOR_{name}": value, f"GIT_COMMITTER_{name}": value}
    return found


def neutral_filters(git: Git) -> dict[str, str]:
    """Settings that switch every filter of this repository's configuration off, by name: there is no other way."""
    _, output, _ = git.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\.")
    names = {key[len("filter.") :].rpartition(".")[0] for key in as_text(output).split("\0") if key}
    off = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"filter.{name}.{key}": value for name in sorted(names) for key, value in off.items()}
