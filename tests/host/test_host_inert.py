"""Without --maabarium: the same session as without the plug-in, and `score` for rules by hand."""

from __future__ import annotations

import re

from host_target import Target


def essence(out: str) -> str:
    """What was printed, but for durations and pytest's own list of installed plug-ins."""
    lines = [line for line in out.splitlines() if not line.startswith("plugins: ")]
    return re.sub(r"in \d+\.\d+s", "in 0s", "\n".join(lines))


def test_output_is_the_same_and_nothing_heavy_is_imported(target: Target) -> None:
    target.write(
        "tests/test_modules.py",
        "import sys\n\n\ndef test_modules():\n"
        "    heavy = {'maabarium', 'pydantic', 'httpx', 'git', 'sqlite_utils', 'libcst', 'optuna', 'keyring'}\n"
        "    assert not heavy & set(sys.modules)\n",
    )
    target.write(
        "pyproject.toml",
        '[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "-p no:cacheprovider -p no:randomly"\n',
    )
    with_it, without = target.pytest(), target.pytest("-p", "no:maabarium")
    assert with_it.returncode == without.returncode == 0, with_it.stdout
    assert essence(with_it.stdout) == essence(without.stdout)
    assert with_it.stderr == without.stderr == ""


def test_rules_run_by_hand(target: Target) -> None:
    done = target.pytest("scoring", "--strict-markers")
    assert done.returncode == 0, done.stdout
    assert "speed = 1" in done.stdout
