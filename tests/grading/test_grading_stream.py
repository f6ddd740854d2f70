"""The result stream: framing, numbering, signatures, and a transcript that survives any record."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium_pytest.grading.stream import Stream
from maabarium_pytest.grading.transcript import Transcript, named
from maabarium_pytest.target.channel import VARIABLE, Channel, Frames


class Clocks:
    """Clocks that advance by one second each time they are read."""

    def __init__(self) -> None:
        self.now = 0.0

    def cpu(self) -> float:
        self.now += 1
        return self.now

    wall = cpu


@pytest.fixture(params=[socket.SOCK_SEQPACKET, socket.SOCK_STREAM], ids=["packets", "stream"])
def line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    stream = Stream(request.param)
    number = os.dup(stream.child.fileno())
    monkeypatch.setenv(VARIABLE, str(number))
    channel = Channel.inherit()
    assert VARIABLE not in os.environ
    channel.nonce = channel.receive()["nonce"]
    yield stream, channel
    channel._socket.close()
    stream.close()


def test_records_arrive_and_marks_are_answered(line: Any) -> None:
    stream, channel = line
    channel.send_chunks("ids", "ids", [f"test_{n}" for n in range(3000)])
    channel.send("start", id="test_1")
    channel.send("result", id="test_1", outcome="passed", detail="", printed=0)
    channel.send("mark", edge="begin", name="t", clock="cpu", per=2.0, unit="u")
    channel.send("mark", edge="end", name="t", clock="cpu", per=2.0, unit="u")
    channel.send("finish", status=0, results=1)
    assert stream.watch(Clocks())
    heard = stream.transcript
    assert heard.fault == "" and heard.status == 0 and len(heard.ids) == 3000
    assert heard.results["test_1"].duration == 1.0
    assert heard.scores["t"].value / (heard.scores["t"].seconds or 0) == 2.0
    assert [channel.receive()["clock"] for _ in range(2)] == [3.0, 4.0]


@pytest.mark.parametrize("fields", [{"n": 7}, {"nonce": "guess"}, {"n": True}])
def test_wrong_number_or_nonce(line: Any, fields: dict[str, Any]) -> None:
    stream, channel = line
    channel.send("ids", **{"ids": []})
    record = {"k": "finish", "n": 1, "nonce": channel.nonce, "status": 0, "results": 0} | fields
    data = json.dumps(record).encode()
    if stream.listen.type == socket.SOCK_STREAM:
        data = len(data).to_bytes(4, "big") + data
    channel._socket.send(data)
    if fields == {"n": True}:  # equal to 1 for Python, and harmless
        assert stream.watch(Clocks())
        return
    assert not stream.watch(Clocks())
    assert "wrong number or signature" in stream.transcript.fault


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 40))
def test_frames_cut_anywhere(messages: list[bytes], step: int) -> None:
    data = b"".join(len(message).to_bytes(4, "big") + message for message in messages)
    frames = Frames()
    got = [message for start in range(0, len(data), step) for message in frames.feed(data[start : start + step])]
    assert got == messages


def test_frames_refuse_a_monster() -> None:
    with pytest.raises(ValueError, match="a message of"):
        Frames().feed(b"\xff\xff\xff\xff")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KINDS = ["hello", "packages", "ids", "partial", "broken", "start", "result", "measure", "points", "mark", "benchmark",
         "coverage", "lines", "origins", "finish", "init__", "nonsense"]  # fmt: skip
FIELDS = ["id", "ids", "outcome", "detail", "printed", "name", "value", "unit", "earned", "possible", "edge", "clock",
          "per", "full", "seconds", "files", "hits", "origins", "status", "results", "packages"]  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6)), max_size=5)
)
def test_transcript_never_raises(records: list[tuple[str, dict[str, Any]]]) -> None:
    heard = Transcript()
    for kind, fields in records:
        heard.receive({"k": kind, **fields}, Clocks())


def told(*records: dict[str, Any]) -> Transcript:
    heard = Transcript()
    for record in records:
        heard.receive(record, Clocks())
    return heard


def result(id: str, outcome: str = "passed") -> dict[str, Any]:
    return {"k": "result", "id": id, "outcome": outcome, "detail": "", "printed": 0}


def start(id: str) -> dict[str, Any]:
    return {"k": "start", "id": id}


IDS = {"k": "ids", "ids": ["a", "b"]}
FINISH = {"k": "finish", "status": 0, "results": 0}


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([IDS, start("c"), result("c")], "was not collected"),
        ([IDS, start("a"), result("b")], "was not running"),
        ([IDS, start("a"), result("a"), start("a"), result("a", "failed")], "two results"),
        ([IDS, start("a"), result("a"), FINISH], "counted 0 results, 1 arrived"),
        ([IDS, FINISH, start("a")], "after the end"),
        ([{"k": "measure", "name": "x", "value": 1, "unit": ""}] * 2, "measured twice"),
        ([{"k": "points", "name": "x", "earned": 3, "possible": 2}], "malformed"),
        ([{"k": "mark", "edge": "end", "name": "x", "clock": "cpu", "per": 1, "unit": ""}], "malformed"),
    ],
)
def test_faults(records: list[dict[str, Any]], words: str) -> None:
    assert words in told(*records).fault


@given(st.text())
def test_names_stay_on_one_line_and_encode(text: str) -> None:
    name = named(text)
    assert len(name.splitlines()) <= 1
    name.encode()
