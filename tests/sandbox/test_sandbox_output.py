"""Output is kept in bounded memory: what begins and what ends it, and how much is missing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from maabarium.sandbox.supervision import KeptOutput

LETTERS = st.binary(max_size=40).map(lambda data: bytes(97 + byte % 26 for byte in data))


@given(st.lists(LETTERS, max_size=20), st.integers(0, 30), st.integers(1, 30))
def test_head_and_tail_of_any_chunks(chunks: list[bytes], head: int, tail: int) -> None:
    kept = KeptOutput(100, head, tail)
    for chunk in chunks:
        kept.add(chunk)
    whole = b"".join(chunks).decode()
    assert kept.flooded == (len(whole) > 100)
    if len(whole) <= head + tail:
        assert kept.text() == whole
    else:
        match = re.fullmatch(r"([a-z]*)\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n([a-z]*)", kept.text())
        assert match and match[1] == whole[:head] and match[3] == whole[-tail:]
        assert int(match[2]) == len(whole) - head - tail


def test_memory_is_bounded() -> None:
    kept = KeptOutput(10**9)
    for _ in range(2000):
        kept.add(b"x" * 65536)
    assert kept.total == 2000 * 65536
    assert len(kept._head) + len(kept._tail) < 600_000
