"""Unified diffs: what an honest diff does, and what a careless one may not do."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.code.diffs import apply_diff, parse_diff
from maabarium.errors import ProposalError

NUMBERS = b"".join(b"%d\n" % number for number in range(1, 21))


def apply(text: str, before: bytes) -> bytes:
    return apply_diff(parse_diff(text), before)


def lines_of(content: bytes) -> list[str]:
    """Lines with their line feed; bytes that are no UTF-8 become lone surrogates, as in JSON."""
    text = content.decode("utf-8", "surrogateescape")
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def make_diff(before: bytes, after: bytes, context: int) -> str:
    """A diff as git writes it: difflib's, with the note about a missing newline."""
    made = difflib.unified_diff(lines_of(before), lines_of(after), "a/f", "b/f", n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in made)


line_strategy = st.one_of(st.sampled_from([b"", b"a", b"b", b"--- x", b"+++ y", b"@@ -1 +1 @@", b"\\ No"]), st.binary())
content_strategy = st.lists(
    st.tuples(line_strategy, st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])), max_size=12
).map(lambda parts: b"".join(line + ending for line, ending in parts))  # fmt: skip


@given(before=content_strategy, after=content_strategy, cut=st.booleans(), context=st.integers(0, 4))
def test_a_diff_made_by_a_library_gives_exactly_the_new_content(
    before: bytes, after: bytes, cut: bool, context: int
) -> None:
    after = after[:-1] if cut else after
    if before == after:
        return
    assert apply(make_diff(before, after, context), before) == after


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        apply("@@ -1 +1 @@\n" + text, NUMBERS)
    except ProposalError as error:
        assert error.reason_code in ("unparseable", "does_not_apply")


@given(data=st.data())
def test_counts_in_headers_do_not_matter(data: st.DataObject) -> None:
    counts = [data.draw(st.integers(0, 9)) for _ in range(2)]
    text = f"@@ -4,{counts[0]} +4,{counts[1]} @@\n 4\n-5\n+five\n 6\n"
    assert apply(text, NUMBERS) == NUMBERS.replace(b"\n5\n", b"\nfive\n")


def test_a_hunk_moves_to_the_only_place_where_it_fits() -> None:
    assert apply("@@ -1,2 +1,2 @@\n 12\n-13\n+x\n", NUMBERS) == NUMBERS.replace(b"\n13\n", b"\nx\n")


def test_a_hunk_that_fits_twice_is_refused() -> None:
    with pytest.raises(ProposalError, match="fits at lines 2, 5") as caught:
        apply("@@ -1 +1 @@\n-x\n+y\n", b"a\nx\nb\nc\nx\n")
    assert caught.value.reason_code == "does_not_apply"


def test_a_hunk_at_its_stated_place_wins_over_others() -> None:
    assert apply("@@ -5 +5 @@\n-x\n+y\n", b"a\nx\nb\nc\nx\n") == b"a\nx\nb\nc\ny\n"


@pytest.mark.parametrize("near", ["@@ -5 +5 @@\n-5 \n+y\n", "@@ -5 +5 @@\n-\t5\n+y\n"])
def test_nothing_is_matched_approximately(near: str) -> None:
    with pytest.raises(ProposalError, match="line 5 is '5"):
        apply(near, NUMBERS)


def test_hunks_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ProposalError, match="wrong order"):
        apply("@@ -9 +9 @@\n-9\n+x\n@@ -3 +3 @@\n-3\n+y\n", NUMBERS)


def test_an_insertion_without_context_needs_an_exact_header() -> None:
    assert apply("@@ -2,0 +3 @@\n+x\n", b"1\n2\n3\n") == b"1\n2\nx\n3\n"
    for header in ("@@ -2 +2,2 @@", "@@ -9,0 +10 @@"):
        with pytest.raises(ProposalError, match="names no place"):
            apply(f"{header}\n+x\n", b"1\n2\n3\n")


def test_creation_and_deletion() -> None:
    created = apply("--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n", b"")
    assert created == b"a\nb"
    assert apply("--- a/f\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n\\ No newline at end of file\n", created) == b""


def test_newlines_are_exact_and_a_uniform_file_keeps_its_own() -> None:
    assert apply("@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\n", b"a\r\nb\r\n") == b"a\r\nc\n"
    assert apply("@@ -1,2 +1,2 @@\n a\n-b\n+c\n", b"a\r\nb\r\n") == b"a\r\nc\r\n"
    assert apply("@@ -1,2 +1,2 @@\r\n a\r\n-b\r\n+c\r\n", b"a\nb\n") == b"a\nc\n"
    with pytest.raises(ProposalError):
        apply("@@ -1,2 +1,2 @@\n a\n-b\n+c\n", b"a\r\nb\nc\r\n")


def test_a_line_without_newline_stays_the_last() -> None:
    with pytest.raises(ProposalError, match="without a newline"):
        apply("@@ -1 +1 @@\n-a\n+x\n\\ No newline at end of file\n", b"a\nb\n")


def test_blank_context_padding_and_signature() -> None:
    assert apply("@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n\n\n", b"a\n\nb\n") == b"a\n\nc\n"
    assert apply("@@ -1 +1 @@\n-a\n+c\n-- \n2.43.0\n\n", b"a\n") == b"c\n"


def test_a_mode_is_read() -> None:
    assert parse_diff("diff --git a/f b/f\nold mode 100644\nnew mode 100755\n").mode == 0o100755


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no hunk"),
        ("hello\n", "no hunk"),
        ("@@ -1 @@\n-a\n", "line 1: a hunk header looks like"),
        ("@@ -1 +1 @@\n", "line 1: the hunk is empty"),
        ("@@ -1 +1 @@\n-a\n+b\n#c\n", "line 4: a line in a hunk starts with"),
        ("@@ -1 +1 @@\n\\ No newline at end of file\n", "line 2: .* follows no line"),
        ("@@ -1 +1 @@\n-a\n+b\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n", "line 4: a second file"),
        ("diff --git a/f b/g\nrename from f\nrename to g\n", "line 2: it is a rename"),
        ("GIT binary patch\n", "line 1: it is a binary patch"),
        ("@@ -1 +1 @@\n-\ud800\n", "cannot be encoded"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, problem: str) -> None:
    with pytest.raises(ProposalError, match=problem) as caught:
        parse_diff(text)
    assert caught.value.reason_code == "unparseable"
