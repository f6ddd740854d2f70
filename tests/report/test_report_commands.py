"""Commands at the end of a summary: they work from the folder that they are printed in."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_views import promoted, rejected, run_record

from maabarium import events as e
from maabarium.cli import main
from maabarium.records import Evaluation, Experiment, Measured, Measurement, MetricEffect, Outcome
from maabarium.report import summary_lines
from maabarium.report.summary import database_option_of
from maabarium.store import Store, StoredView

RUN = "3931182a"


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project inside another folder, which is the present one."""
    top = tmp_path / "outer" / "my project"
    top.mkdir(parents=True)
    (top / "pyproject.toml").write_text("")
    (tmp_path / "outer" / "pyproject.toml").write_text("")
    monkeypatch.chdir(top.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return top


def stored(database: Path, *outcomes: Outcome, state: e.RunStatus = "completed") -> StoredView:
    """A run as read back from its database."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with Store.open(database) as store:
        store.append(RUN, e.RunStarted(run=run_record(run_id=RUN)))
        row = MetricEffect(
            name="throughput",
            source="score:lines_per_s",
            weight=1.0,
            direction="maximize",
            baseline=4.0,
            raw=4.0,
            value=0.5,
        )
        first = Outcome(number=0, verdict="baseline", reason_code="baseline", reason="", total=0.5, metrics=(row,))
        measured = Evaluation(measurements=(Measurement(source="score:lines_per_s", value=4.0),))
        for outcome in (first, *outcomes):
            number, tree = outcome.number, f"{outcome.number}" * 40
            place = {"parent": 0, "parent_commit": "c" * 40, "parent_tree": "0" * 40, "tree": tree}
            store.append(RUN, e.Proposed(experiment=Experiment.model_validate({"number": number, **place})))
            if number == 0:
                answer = Measured(number=0, stage="baseline", candidate=measured)
                store.append(RUN, e.MeasuredEvent(measured=answer, tree=tree))
            store.append(RUN, e.Decided(outcome=outcome))
        store.append(RUN, e.RunFinished(state=state, reason_code="kept", reason=""))
        return store.view(RUN)


def commands_of(lines: list[str]) -> list[list[str]]:
    """What a person would copy."""
    found = [part.split("      ")[0] for line in lines for part in line.split("maabarium ")[1:]]
    return [shlex.split(command.partition("`")[0]) for command in found]


@pytest.mark.parametrize("name", ["data/maabarium.db", "elsewhere/it's.db"])
def test_commands_work_from_another_folder(top: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = summary_lines(stored(top / name, rejected(1, "gate_failed"), state="interrupted"))
    found = commands_of(lines)
    assert [command[0] for command in found] == ["history", "resume", "history", "report"]
    for command in found:
        assert command[1:] == [RUN, "--db", f"my project/{name}"]
    for command in (found[0], found[2]):
        assert "try 1" in CliRunner().invoke(main, command).stdout
    monkeypatch.chdir(top)
    inside = commands_of(summary_lines(stored_again(top / name)))
    assert inside[0] == (["history", RUN] if name.startswith("data") else ["history", RUN, "--db", name])


def stored_again(database: Path) -> StoredView:
    with Store.open(database, readonly=True) as store:
        return store.view(RUN)


def test_each_command_of_winners_names_the_database(top: Path) -> None:
    view = stored(top / "data" / "maabarium.db", promoted(1, 0, 4.0, 6.0))
    last = summary_lines(view)[-3:]
    assert [line.split()[0] for line in last] == ["look", "keep", "report"]
    assert all("--db 'my project/data/maabarium.db'" in line for line in last)
    assert last[1].endswith("(1 commit on maabarium/quickstart)")


def test_a_database_far_away_is_named_in_full(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = stored(top / "data" / "maabarium.db")
    deep = top.parents[1] / "a" / "b" / "c"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert str(top) in database_option_of(view)
    deep.rmdir()  # the present folder is gone
    assert str(top) in database_option_of(view)
