"""Rules that live in the target itself, where its own suite would collect them too."""

from __future__ import annotations

import sqlite3

from host_target import Target
from target_texts import LEAN


def test_a_rules_folder_of_the_target_is_not_collected_twice(target: Target) -> None:
    target.write("pyproject.toml", f'[tool.pytest.ini_options]\naddopts = "{LEAN}"\n')
    (target.root / "scoring").rename(target.root / "rules")
    blueprint = target.root / "bp.toml"
    blueprint.write_text(blueprint.read_text().replace("scoring/test_speed.py", "rules"))
    target.commit()
    done = target.pytest("--maabarium", "bp.toml", "--maabarium-iterations", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 tests, 0 flaky, 1 rules" in done.stdout
    with sqlite3.connect(target.root / "data/maabarium.db") as database:
        ids = {row[0] for row in database.execute("select distinct test_id from tests")}
    database.close()
    assert ids == {"tests/test_app.py::test_app", "rules/test_speed.py::test_speed"}
