"""The target's own pytest configuration: which file, and which of its options may act on a graded session.

Options that pick or interpret tests stay (`-m`, `-k`, `-p`, `--import-mode`, `--strict-markers`, `-W`, …). Options
that spread, repeat, shuffle, cut short, watch or report go: they change what a result means, or only cost time. So do
those that rewrite what tests expect: with them no result means anything.
"""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import iniconfig

from maabarium.errors import EvaluationError

__all__ = ["Configuration", "filtered", "find_configuration"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FLAGS = _words(
    "--exitfirst --no-cov --no-cov-on-fail --cov-append --cov-branch --cov-reset --lf --last-failed --ff "
    "--failed-first --nf --new-first --sw --stepwise --sw-skip --stepwise-skip --sw-reset --stepwise-reset "
    "--cache-clear --pdb --trace --collect-only --co --setup-only --setup-plan --setup-show --looponfail --boxed "
    "--self-contained-html --verbose --quiet --no-header --no-summary --no-loadscope-reorder --showlocals "
    "--random-order --json-report --benchmark-autosave --instafail --full-trace --durations-all "
    "--no-showlocals --xfail-tb --fold-skipped --no-fold-skipped --force-short-summary"
)
"""Dropped, take no value."""

VALUED = _words(
    "--numprocesses --maxprocesses --dist --tx --px --rsyncdir --rsyncignore --max-worker-restart --maxschedchunk "
    "--cov-report --cov-config --cov-context --cov-fail-under --cov-precision --maxfail --lfnf "
    "--last-failed-no-failures --junitxml --junit-xml --junitprefix --junit-prefix --html --css --reruns "
    "--reruns-delay --only-rerun --rerun-except --random-order-bucket --random-order-seed --tb --color "
    "--code-highlight --durations --durations-min --verbosity --show-capture --pdbcls --report-log "
    "--json-report-file --alluredir --pastebin --basetemp --rootdir --confcutdir --config-file "
    "--benchmark-json --benchmark-save --benchmark-compare-fail --benchmark-storage --benchmark-histogram"
)
"""Dropped together with their value."""

OPTIONAL = _words("--cov --cache-show --benchmark-compare --benchmark-cprofile")
"""Dropped; a following word that is no option is their value."""

PREFIXES = ("--cov-", "--random-order", "--reruns", "--html-")
"""Dropped whatever follows: options of such plug-ins that we do not know by name take a value after `=` only."""

REWRITING_FLAGS = _words(
    "--snapshot-update --snapshot-update-new-only --allow-snapshot-deletion --force-regen --regen-all --update-goldens "
    "--image-snapshot-update --regtest-reset --update-examples --accept --accept-copy --update-data"
)
REWRITING_VALUED = _words(
    "--inline-snapshot --record-mode --vcr-record --vcr-record-mode --insta --mpl-generate-path "
    "--mpl-generate-hash-library --arraydiff-generate-path --doctest-plus-generate-diff"
)
"""Dropped, these with their value: with them a session writes down what the code does, and calls it expected."""
REWRITING = re.compile(
    r"--(?=.*(updat|regen|writ|record|accept|approve|bless|generat|refresh|reset))"
    r"(?=.*(snapshot|golden|baseline|expect|reference|cassette|regress|example|fixtures))[\w-]+"
)
"""Names of such options of other plug-ins, and of a project's own conftest; they take a value after `=` only."""

SHORT_FLAGS_DROPPED = "xvqlfd"
SHORT_VALUED_DROPPED = "nrc"
SHORT_VALUED_KEPT = "kmpoW"


@dataclass(frozen=True)
class Configuration:
    """What pytest is told. `file` is None when the target has no configuration of its own."""

    file: Path | None
    rootdir: Path
    addopts: tuple[str, ...]
    """As they will be used."""
    dropped: tuple[str, ...] = ()

    @property
    def override(self) -> str:
        """The value for `-o addopts=…`."""
        return shlex.join(self.addopts)


def filtered(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split pytest options into those that may act on a graded session and those that were dropped."""
    kept: list[str] = []
    dropped: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            kept += [word, *queue]
            break
        if word.startswith("--"):
            _long_option(word, queue, kept, dropped)
        elif word.startswith("-") and len(word) > 1:
            _short_options(word, queue, kept, dropped)
        else:
            kept.append(word)
    return kept, dropped


def _long_option(word: str, queue: list[str], kept: list[str], dropped: list[str]) -> None:
    name, has_value, _ = word.partition("=")
    if name in VALUED or name in REWRITING_VALUED:
        dropped.append(word if has_value or not queue else f"{word} {queue.pop(0)}")
    elif name in OPTIONAL:
        dropped.append(word if has_value or not queue or queue[0].startswith("-") else f"{word} {queue.pop(0)}")
    elif name in FLAGS or name in REWRITING_FLAGS or name.startswith(PREFIXES) or REWRITING.fullmatch(name):
        dropped.append(word)
    else:
        kept.append(word)


def _short_options(word: str, queue: list[str], kept: list[str], dropped: list[str]) -> None:
    """A cluster such as `-xvs`, `-n4`, `-rA` or `-k expression`."""
    stay = ""
    for position, letter in enumerate(word[1:], start=1):
        rest = word[position + 1 :]
        if letter in SHORT_VALUED_KEPT:
            value = rest or (queue.pop(0) if queue else "")
            kept += [f"-{stay}"] if stay else []
            kept += [f"-{letter}", value] if value else [f"-{letter}"]
            return
        if letter in SHORT_VALUED_DROPPED:
            dropped.append(f"-{letter} {rest or (queue.pop(0) if queue else '')}".strip())
            break
        if letter in SHORT_FLAGS_DROPPED:
            dropped.append(f"-{letter}")
        else:
            stay += letter
    if stay:
        kept.append(f"-{stay}")


def find_configuration(top: Path, root: Path) -> Configuration:
    """The configuration file that pytest would use in `root`, not looking above `top`.

    Raises EvaluationError when it cannot be read.
    """
    folder = root
    while True:
        for name in (
            "pytest.toml",
            ".pytest.toml",
            "pytest.ini",
            ".pytest.ini",
            "pyproject.toml",
            "tox.ini",
            "setup.cfg",
        ):
            path = folder / name
            found = _options(path) if path.is_file() else None
            if found is not None:
                kept, dropped = filtered(found)
                return Configuration(path, folder, tuple(kept), tuple(dropped))
        if folder == top or folder == folder.parent:
            return Configuration(None, root, ())
        folder = folder.parent


def _options(path: Path) -> list[str] | None:
    """The addopts of a file, or None if pytest would not take this file for its configuration."""
    try:
        if path.suffix == ".toml":
            return _toml_options(path)
        sections: Any = iniconfig.IniConfig(str(path))
    except (OSError, ValueError, iniconfig.ParseError, configparser.Error) as error:
        raise EvaluationError(f"{path.name} of the target cannot be read: {error}") from error
    section = "tool:pytest" if path.suffix == ".cfg" else "pytest"
    if section not in sections.sections:
        return [] if re.fullmatch(r"\.?pytest\.ini", path.name) else None
    return shlex.split(sections.sections[section].get("addopts", ""))


def _toml_options(path: Path) -> list[str] | None:
    document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    if path.name == "pyproject.toml":
        tool = document.get("tool", {}).get("pytest")
        if not isinstance(tool, dict):
            return None
        table = tool.get("ini_options", tool)
    else:
        table = document.get("pytest", {})
    value = table.get("addopts", []) if isinstance(table, dict) else []
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
