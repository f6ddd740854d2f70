"""How far a winner goes by itself: promotion.autonomy from 0 to 4."""

from __future__ import annotations

import pytest
from host_target import Target

pytestmark = pytest.mark.slow


def run_at(target: Target, section: str) -> str:
    blueprint = target.root / "bp.toml"
    blueprint.write_text(blueprint.read_text() + f"\n[promotion]\n{section}\n")
    target.commit()
    done = target.pytest("--maabarium", "bp.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("level", "word"), [(0, "proposed only"), (1, "promotion is off")])
def test_levels_0_and_1_keep_nothing(target: Target, level: int, word: str) -> None:
    run_at(target, f"autonomy = {level}")
    assert "maabarium/speed" not in target.git("branch", "--list")
    shown = target.pytest("--maabarium", "bp.toml", "-v").stdout
    assert word in shown


def test_level_3_moves_the_named_branch_only(target: Target) -> None:
    head = target.git("rev-parse", "HEAD")
    target.git("branch", "improved")
    out = run_at(target, 'autonomy = 3\nbranch = "improved"')
    new_head = target.git("rev-parse", "HEAD")
    # HEAD moved by our own commit of the blueprint; the branch was behind it and is now at the winner.
    assert target.git("rev-parse", "improved") == target.git("rev-parse", "maabarium/speed") != head
    assert target.git("rev-parse", "HEAD") == new_head
    assert "improved was moved forward" in out


def test_level_4_moves_the_clean_checkout(target: Target) -> None:
    out = run_at(target, "autonomy = 4")
    assert target.git("rev-parse", "main") == target.git("rev-parse", "maabarium/speed")
    assert target.git("status", "--porcelain", "--untracked-files=no") == ""
    assert (target.root / "app/__init__.py").read_text() == "SPEED = 2\n"
    assert "undo:" in out
