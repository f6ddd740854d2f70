"""history where measurements are noisy: what stands side by side agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runs import BLUEPRINT, make_project

import maabarium.events as e
import maabarium.records as r
from maabarium.state_paths import state_paths_of
from maabarium.store import Store

RUN = "0dd5a9c1"
EFFECTS: tuple[tuple[str, str, float | None, float | None], ...] = (
    ("rejected", "worse", 0.5146, 0.972), ("promoted", "kept", 0.6, 1.25), ("rejected", "undecided", 0.7, 0.99),
    ("rejected", "gate_failed", 0.9, None), ("rejected", "no_gain", 0.2, 0.501),
)  # fmt: skip


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored run whose baseline was measured on a slow moment, so that all scores look better than they are."""
    top = make_project(tmp_path / "project")
    monkeypatch.chdir(top)
    record = e.RunRecord(
        run_id=RUN, blueprint_name="demo", blueprint_path=str(top / "demo.toml"), blueprint_text=BLUEPRINT,
        blueprint_hash="b" * 64, grader_hash="9" * 64, seed=0, max_iterations=5, target=str(top), isolation="worktree",
        repository="", base_commit="c" * 40, start_commit="c" * 40, start_tree="0" * 40, branch="maabarium/demo",
    )  # fmt: skip
    slow = r.Evaluation(measurements=(r.Measurement(source="size", value=10.0, clock="cpu"),), grader="g")
    row = r.MetricEffect(name="size", source="size", weight=1.0, direction="minimize", baseline=10.0, value=0.5)
    first = r.Outcome(
        number=0, verdict="baseline", reason_code="baseline", reason="measured as it is", total=0.5, metrics=(row,)
    )
    with Store.open(state_paths_of(top).database) as store:
        store.append(RUN, e.RunStarted(run=record))
        _propose(store, 0, 0)
        measured = r.Measured(number=0, stage="baseline", candidate=slow)
        store.append(RUN, e.MeasuredEvent(measured=measured, tree="0" * 40))
        store.append(RUN, e.Decided(outcome=first))
        parent = 0
        for number, (verdict, code, total, effect) in enumerate(EFFECTS, 1):
            fields = {"verdict": verdict, "reason_code": code, "total": total, "effect": effect, "parent": parent}
            pairs = 0 if effect is None else 2 if effect < 0.9 else 8
            fields |= {"pairs": pairs, "interval": (effect - 0.01, effect + 0.01) if effect and pairs > 2 else None}
            outcome = r.Outcome.model_validate({"number": number, "reason": "", "metrics": (row,), **fields})
            _propose(store, number, parent)
            store.append(RUN, e.Decided(outcome=outcome))
            parent = number if verdict == "promoted" else parent


def _propose(store: Store, number: int, parent: int) -> None:
    place = {"parent": parent, "parent_commit": "c" * 40, "parent_tree": "0" * 40, "tree": f"{number}" * 40}
    experiment = r.Experiment.model_validate({"number": number, **place})
    store.append(RUN, e.Proposed(experiment=experiment, proposal=r.Proposal(summary=f"Try {number}", edits=())))


@pytest.mark.usefixtures("noisy")
def test_levels_take_the_place_of_scores_that_are_single_samples(cli: Any) -> None:
    head, *rows = [line.split() for line in cli("history").stdout.splitlines()]
    assert head == ["#", "level", "effect", "pairs", "reason", "summary"]
    assert rows[0][:3] == ["0", ".", "x1"]
    assert rows[1][:5] == ["1", "-", "x0.972", "x0.97", "8"]
    assert rows[2][:5] == ["2", "+", "x1.25", "x1.25", "8"]
    assert rows[3][:5] == ["3", "-", "x1.24", "x0.99", "8"]
    assert rows[4][:3] == ["4", "-", "gate_failed"]
    assert rows[5][:5] == ["5", "-", "~x0.50", "2", "no_gain"], "two pairs have no level, and say so"


@pytest.mark.usefixtures("noisy")
def test_show_says_that_few_pairs_prove_no_size(cli: Any) -> None:
    assert "effect     x0.501 (2 pairs), too few to tell it from noise" in cli("show", "last", "5").stdout
    assert "too few" not in cli("show", "last", "2").stdout


@pytest.mark.usefixtures("noisy")
def test_no_delta_has_another_sign_than_its_effect(cli: Any) -> None:
    found = json.loads(cli("history", "--json").stdout)
    assert [each["delta"] for each in found] == [None] * 6
    assert [each["level"] for each in found] == pytest.approx([1.0, 0.972, 1.25, 1.2375, None, None])
