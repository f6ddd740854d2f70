"""What is appended comes back exactly, and the same journal always gives the same rows."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
import store_records as given_records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_records import RUN, evaluation, journal, rows, run_record

from maabarium.errors import StoreError
from maabarium.events import EVENT_TYPES, Decided, MeasuredEvent, Proposed, RunFinished, RunStarted
from maabarium.records import Experiment, FileEdit, Measured, Outcome, Proposal
from maabarium.store import Store

STARTED = RunStarted(run=run_record())


def fill(store: Store, transitions, run_id: str = RUN) -> None:
    for transition in transitions:
        store.append(run_id, transition)


@pytest.fixture(scope="module")
def shared_store():
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "m.db") as store:
        yield store


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(run=given_records.records_of_runs, transitions=st.lists(given_records.transitions, max_size=6))
def test_journal_gives_back_exactly_what_was_appended(shared_store, run, transitions):
    numbered = [RunStarted(run=run), *transitions]
    try:
        fill(shared_store, numbered)
        # repr tells -0.0 from 0.0 and tuples from lists, and calls one NaN equal to another
        assert repr(shared_store.journal(RUN)) == repr(tuple(numbered))
        view = shared_store.view(RUN)
        assert repr(view.run) == repr(run)
        assert shared_store.integrity() == []
    finally:
        shared_store.delete_runs([RUN])
    assert all(not found for found in rows(shared_store).values())


def test_events_are_numbered_within_their_run(tmp_path):
    with Store.open(tmp_path / "m.db") as store:
        first = store.append(RUN, STARTED)
        other = store.append("00000000", RunStarted(run=run_record("00000000")))
        second = store.append(RUN, Proposed(experiment=experiment(3), proposal=None, reason_code="exhausted"))
    assert [(e.run_id, e.sequence, e.type, e.number) for e in (first, other, second)] == [
        (RUN, 1, "run_started", None),
        ("00000000", 1, "run_started", None),
        (RUN, 2, "proposed", 3),
    ]


def test_every_event_type_is_stored(tmp_path):
    with Store.open(tmp_path / "m.db") as store:
        fill(store, journal())
        stored = {row[0] for row in store._db.execute("SELECT DISTINCT type FROM events")}
    assert stored == set(EVENT_TYPES)


def experiment(number: int) -> Experiment:
    return Experiment(number=number, parent=0, parent_commit="c", parent_tree="t")


def test_bulk_is_stored_once(tmp_path):
    content = bytes(range(256)) * 4
    edit = FileEdit(path="a", operation="modify", content=content)
    with Store.open(tmp_path / "m.db") as store:
        store.append(RUN, STARTED)
        for number in (1, 2):
            store.append(
                RUN, Proposed(experiment=experiment(number), proposal=Proposal(summary="", edits=(edit, edit)))
            )
        event = store.append(
            RUN, MeasuredEvent(measured=Measured(number=1, stage="screen", candidate=evaluation(1)), tree="t")
        )
        assert store._db.table("blobs").count == 1
        assert event.payload["measured"]["candidate"] == {"evaluation": 1}
        assert store._db.execute("SELECT max(length(payload)) FROM events").fetchone()[0] < 1200


def test_an_interrupted_run_ends_with_the_rows_of_an_uninterrupted_one(tmp_path):
    """A cancelled experiment is taken up again: its second end replaces the first."""
    whole = journal()
    cut = next(i for i, t in enumerate(whole) if isinstance(t, Decided) and t.outcome.number == 4)
    cancelled = Decided(
        outcome=Outcome(
            number=4, verdict="cancelled", reason_code="interrupted", reason="Ctrl-C", phases={"cancelled": 1.0}
        )
    )
    pause = [cancelled, RunFinished(state="interrupted", reason_code="interrupted", reason="Ctrl-C")]
    with Store.open(tmp_path / "a.db") as one, Store.open(tmp_path / "b.db") as two:
        fill(one, whole)
        fill(two, [*whole[:cut], *pause])
        assert two.runs(1)[0].state == "interrupted"
        fill(two, whole[cut:-1])
        assert two.runs(1)[0].state == "running"
        fill(two, whole[-1:])
        left, right = rows(one), rows(two)
    for dump in (left, right):  # the journal of course tells of the interruption
        del dump["events"], dump["event_blobs"]
    assert left == right


def test_rows_do_not_depend_on_other_runs_in_the_database(tmp_path):
    with Store.open(tmp_path / "a.db") as alone, Store.open(tmp_path / "b.db") as shared:
        fill(alone, journal())
        other = journal("00000001")
        for mine, others in itertools.zip_longest(journal(), other):
            shared.append("00000001", others)
            shared.append(RUN, mine)
        shared.delete_runs(["00000001"])
        assert alone.journal(RUN) == shared.journal(RUN)
        assert {t: len(r) for t, r in rows(alone).items()} == {t: len(r) for t, r in rows(shared).items()}


def test_projections_say_what_happened(tmp_path):
    with Store.open(tmp_path / "m.db") as store:
        fill(store, journal())
        found = next(store._db.query("SELECT * FROM experiments WHERE number = 4"))
        counts = {table: store._db.table(table).count for table in ("attempts", "evaluations", "samples", "tests")}
        assert store._db.execute("SELECT outcome FROM tests WHERE test_id LIKE '%test_4' ORDER BY 1").fetchall()[0] == (
            "failed",
        )
        phases = dict(store._db.execute("SELECT phase, seconds FROM phases WHERE experiment_id = 5").fetchall())
        patches = store._db.execute("SELECT file_patches_json FROM proposals WHERE experiment_id = 3").fetchone()[0]
    assert found["promotion_outcome"] == "promoted" and found["iteration"] == 4
    assert found["parent_id"] == 4 and found["duration_ms"] == 1500 and found["error"] is None
    assert found["promoted_branch_name"] == found["promoted_target_branch_name"] == "maabarium/quickstart"
    assert counts == {"attempts": 8 + 9, "evaluations": 8 + 18, "samples": 36, "tests": 160}
    assert phases == {"planning": 0.5, "evaluating": 1.0}
    assert '"content":"x = 1\\r\\n"' in patches


@pytest.mark.parametrize(
    ("run_id", "transition", "sentence"),
    [
        (
            "ffffffff",
            Decided(outcome=Outcome(number=1, verdict="error", reason_code="internal", reason="")),
            "run_started",
        ),
        ("ffffffff", STARTED, "cannot start with the record"),
        (RUN, STARTED, "already"),
    ],
)
def test_transitions_that_do_not_fit_are_refused_and_leave_nothing(tmp_path, run_id, transition, sentence):
    with Store.open(tmp_path / "m.db") as store:
        store.append(RUN, STARTED)
        before = rows(store)
        with pytest.raises(StoreError, match=sentence):
            store.append(run_id, transition)
        assert rows(store) == before
        assert store.journal("ffffffff") == ()
