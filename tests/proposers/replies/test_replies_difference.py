"""Diffs that are made here are read back to the byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from maabarium.code.diffs import apply_diff, parse_diff
from maabarium.code.edits import make_diff

lines = (
    st.sampled_from([b"a", b"b", b"", b"--- x", b"+++ y", b"@@ -1 +1 @@", b"\\ No", b"-- ", b"\xff", b" "])
    | st.binary()
)
contents = st.lists(
    st.tuples(lines, st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])).map(b"".join), max_size=30
).map(b"".join)  # fmt: skip


@given(contents | st.binary(), contents | st.binary(), st.booleans())
def test_a_diff_gives_exactly_the_new_content(before: bytes, after: bytes, cut: bool) -> None:
    after = after[:-1] if cut else after
    text = make_diff(before, after, "a/b c.py")
    assert (text == "") == (before == after)
    if text:
        assert apply_diff(parse_diff(text), before) == after


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.data())
def test_small_changes_of_a_long_file_are_small(kinds: list[int], data: st.DataObject) -> None:
    before = b"".join(b"%d %d\n" % (number, kind) for number, kind in enumerate(kinds))
    parts = before.splitlines(keepends=True)
    parts[data.draw(st.integers(0, len(parts) - 1))] = b"new\n"
    text = make_diff(before, b"".join(parts), "f")
    assert apply_diff(parse_diff(text), before) == b"".join(parts)
    assert len(text.splitlines()) <= 2 + 1 + 3 + 2 + 3


def test_headers_name_the_file_or_nothing() -> None:
    assert (
        make_diff(b"", b"x", "f", new=True)
        == "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n"
    )
    assert make_diff(b"x\n", b"", "f", gone=True) == "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"


def test_a_comparison_that_would_take_long_is_coarse() -> None:
    before = b"".join(b"%d\n" % number for number in range(3000))
    after = b"".join(b"x%d\n" % number for number in range(3000))
    text = make_diff(before, after, "f")
    assert text.count("@@ -") == 1
    assert apply_diff(parse_diff(text), before) == after
