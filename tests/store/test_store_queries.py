"""Finding, listing, viewing, asking and pruning runs."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from store_records import RUN, evaluation, journal, run_record

from maabarium.errors import StoreError, UsageProblem
from maabarium.events import Decided, MeasuredEvent, Proposed, RunStarted
from maabarium.records import Evaluation, Measured
from maabarium.store import Store


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "m.db") as opened:
        yield opened


def add(store: Store, run_id: str, **changes) -> None:
    store.append(run_id, RunStarted(run=run_record(run_id, **changes)))


def fill(store: Store, run_id: str = RUN) -> None:
    for transition in journal(run_id):
        store.append(run_id, transition)


def test_a_view_is_what_the_journal_says(store):
    fill(store)
    view, whole = store.view(RUN), journal()
    assert view.run == whole[0].run and view.state == "completed" and view.reason == "nothing is left to try"
    assert view.started_at.endswith("Z") and view.finished_at >= view.started_at
    assert list(view.outcomes) == [t.outcome for t in whole if isinstance(t, Decided)]
    assert view.proposals == {t.experiment.number: t.proposal for t in whole if isinstance(t, Proposed)}
    assert view.experiments == {t.experiment.number: t.experiment for t in whole if isinstance(t, Proposed)}
    assert view.baseline == evaluation(0)
    assert len(view.samples) == 36
    first = [s for s in view.samples if (s.number, s.pair, s.source) == (1, 1, "score:lines")]
    assert {s.side: (s.value, s.clock, s.candidate_first) for s in first} == {
        "champion": (1.0, "cpu", False),
        "candidate": (3.0, "cpu", False),
    }
    assert sorted(view.ids) == sorted(view.created) == list(range(8))


def test_a_view_of_a_run_that_has_just_started(store):
    add(store, RUN)
    view = store.view(RUN)
    assert (view.state, view.outcomes, view.baseline, view.finished_at) == ("running", (), None, None)
    with pytest.raises(StoreError, match="run ffffffff is not in"):
        store.view("ffffffff")


def test_runs_are_listed_newest_first(store):
    fill(store)
    add(store, "00000001", blueprint_name="other")
    latest, first = store.runs(10)
    assert (latest.run_id, latest.state, latest.experiments, latest.best_total) == ("00000001", "running", 0, None)
    assert (first.experiments, first.promoted, first.rejected, first.errors) == (7, 3, 4, 0)
    assert latest.gain is None and first.gain == pytest.approx(math.prod(each.effect for each in store.view(RUN).kept))
    assert first.best_total == pytest.approx(0.57) and first.branch == "maabarium/quickstart"
    assert [run.run_id for run in store.runs(1)] == ["00000001"]
    assert [run.run_id for run in store.runs(10, "quickstart")] == [RUN]


def test_runs_are_found_by_prefix_and_last(store):
    with pytest.raises(UsageProblem, match="no run in the database yet"):
        store.resolve("last")
    for run_id, name in (("3f9c01aa", "quickstart"), ("3f000000", "quickstart"), ("aa000000", "other")):
        add(store, run_id, blueprint_name=name)
    assert store.resolve("last") == "aa000000"
    assert store.resolve("last", "quickstart") == "3f000000"
    assert store.resolve("3f9") == store.resolve("3F9C") == "3f9c01aa"
    for given, sentence in (
        ("3f", "the start of 2 runs: 3f000000, 3f9c01aa"),
        ("3f9c01ab", "did you mean 3f9c01aa"),
        ("zzz", "the latest are aa000000, 3f000000"),
        ("", "the latest are"),
        ("%", "the latest are"),
    ):
        with pytest.raises(UsageProblem, match=sentence):
            store.resolve(given)
    with pytest.raises(UsageProblem, match=r'no run of quickstart "aa"'):
        store.resolve("aa", "quickstart")


def test_an_evaluation_made_alone_answers_for_its_tree(store):
    add(store, RUN)
    made = {}
    for stage, value in (("screen", 1.0), ("audit", 2.0), ("pair", 3.0)):
        made[stage] = evaluation(1, value=value)
        measured = Measured(number=1, stage=stage, candidate=made[stage], champion=evaluation(1, value=9.0))
        store.append(RUN, MeasuredEvent(measured=measured, tree="t1", champion_tree="t0"))
    assert store.evaluation("t1", "g", "e") == made["audit"]
    assert store.evaluation("t0", "g", "e") is None
    assert store.evaluation("t1", "g", "other") is None
    assert isinstance(store.evaluation("t1", "g", "e"), Evaluation)


def test_requests_are_asked_seen_and_handled(store):
    add(store, RUN)
    first, second = store.request(RUN, "pause"), store.request(RUN, "stop")
    assert [(r.id, r.kind) for r in store.pending_requests(RUN)] == [(first, "pause"), (second, "stop")]
    store.handle(first)
    store.handle(first)
    assert [r.kind for r in store.pending_requests(RUN)] == ["stop"]
    for run_id, kind, sentence in (
        ("ffffffff", "stop", "is not in the database"),
        (RUN, "dance", "pause, stop, approve"),
    ):
        with pytest.raises(StoreError, match=sentence):
            store.request(run_id, kind)
    with pytest.raises(StoreError, match="no request 99"):
        store.handle(99)


def test_old_runs_are_found_by_their_last_event_and_deleted_whole(store):
    fill(store)
    fill(store, "00000001")
    store.request("00000001", "stop")
    store._db.execute("UPDATE events SET time = '2020-01-01T00:00:00.000Z' WHERE run_id = '00000001'")
    assert store.runs_older_than(30) == ["00000001"]
    keep = store.journal(RUN)
    assert store.delete_runs(["00000001", "ffffffff"]) == {
        "runs": 1, "experiments": 8, "evaluations": 26, "events": len(keep), "blobs": 0,
    }  # fmt: skip
    assert store.journal(RUN) == keep and store.integrity() == []
    before = store.path.stat().st_size
    assert store.delete_runs([RUN])["blobs"] == 5
    assert store.path.stat().st_size < before
    assert store.runs(10) == [] and store.integrity() == []


def test_integrity_finds_what_was_tampered_with(store):
    fill(store)
    store._db.execute("UPDATE experiments SET promotion_outcome = 'promoted' WHERE number = 2")
    assert store.integrity() == [f"experiment 2 of run {RUN} is rejected in its journal, promoted in its row"]
    store._db.execute("UPDATE blobs SET data = x'00' WHERE size = 7")
    problems = store.integrity()
    assert any("cannot be read: compressed data is damaged" in problem for problem in problems)
    assert any(problem.startswith("event ") and f"of run {RUN}" in problem for problem in problems)
    with pytest.raises(StoreError, match="cannot be read"):
        store.journal(RUN)


def test_integrity_finds_missing_events_and_rows(store):
    fill(store)
    store._db.execute("DELETE FROM events WHERE sequence = 5")
    assert any("lacks events" in problem for problem in store.integrity())
    store._db.execute("PRAGMA foreign_keys = OFF")
    store._db.execute("DELETE FROM evaluations WHERE id = 1")
    assert any("evaluation 1 is missing" in problem for problem in store.integrity())


def test_threads_may_share_a_store(store):
    start = threading.Barrier(4)

    def work(run_id: str) -> int:
        start.wait()
        fill(store, run_id)
        return len(store.journal(run_id)) + len(store.runs(9))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [f"0000000{i}" for i in range(4)]))
    assert all(store.journal(f"0000000{i}") == tuple(journal(f"0000000{i}")) for i in range(4))
    assert store.integrity() == []


def test_tests_that_rejected_are_counted_over_the_other_runs_on_a_target(store):
    fill(store, "one")
    fill(store, "two")
    target = run_record().target
    rejected = {f"tests/test_it.py::test_{number}": 2 for number in (2, 3, 5, 6)}
    assert store.rejections(target, apart_from="three") == rejected
    assert store.rejections(target, apart_from="two") == dict.fromkeys(rejected, 1)
    assert store.rejections("/another/target", apart_from="three") == {}
