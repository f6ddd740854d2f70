"""From replies to edits: exact, shown, within the targets, or refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies_cases import BEFORE, PATH, after, answer, edits

from maabarium.code.edits import make_diff
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies import DETAILS, FORMATS, edits_of, parse_reply, reply_schema
from maabarium.proposers.council.replies.formats import example_of, format_rules
from maabarium.proposers.council.replies.reply import Shown

NEW = BEFORE.replace(b"result = result + price", b"result += price")
LINE = "        result = result + price"
FIVE = b"one\ntwo\nthree\nfour\nfive\n"


def refused(
    patch: dict[str, object], content: bytes = BEFORE, ranges: tuple[range, ...] | None = None
) -> ProposalError:
    with pytest.raises(ProposalError) as caught:
        edits(answer({"path": PATH, "operation": "modify", **patch}), content, ranges=ranges)
    assert caught.value.detail in DETAILS
    return caught.value


def block(search: str, replace: str) -> dict[str, object]:
    return {"edits": [{"search": search, "replace": replace}]}


@pytest.mark.parametrize("language", ["python", "markdown", "rust"])
@pytest.mark.parametrize("format", FORMATS)
def test_the_sample_of_every_format_does_what_it_says(format: str, language: str) -> None:
    sample, text = example_of(format, language)  # type: ignore[arg-type]
    assert format == "lines" or text in format_rules(format, language)  # type: ignore[arg-type]
    shown = [Shown(sample.path, sample.before.encode())]
    (edit,) = edits_of(parse_reply(text, format), shown, targets=lambda _: True, exists=lambda _: True)  # type: ignore[arg-type]
    assert edit.content == sample.before.replace(sample.line, sample.replacement).encode() != sample.before.encode()


# --- blocks


@pytest.mark.parametrize("search", [LINE, LINE + "\n", "result = result + price", "    for price in prices:\n" + LINE])
def test_a_search_is_whole_lines_or_a_piece_that_occurs_once(search: str) -> None:
    assert after(block(search, search.replace("result = result +", "result +="))) == NEW


def test_whole_lines_win_over_pieces_of_others() -> None:
    assert after(block("x = 1", "x = 2"), b"max = 1\nx = 1\ny = x = 1\n") == b"max = 1\nx = 2\ny = x = 1\n"


@pytest.mark.parametrize(
    ("search", "content", "detail", "sentence"),
    [
        ("x = 1", b"max = 1\n", "search_replace.no_match", "is not a line of it"),
        ("x = 1", b"x = 10\n", "search_replace.no_match", "is not a line of it"),
        ("a", b"a\nb\na\n", "search_replace.ambiguous_match", "more than once"),
        ("a\na", b"a\na\na\n", "search_replace.ambiguous_match", "more than once"),
        ("f(", b"f(1) + f(2)\n", "search_replace.ambiguous_match", "more than once"),
        ("one\nTWO", FIVE, "search_replace.no_match", "line 2 is 'two', not 'TWO'"),
        ("five\nsix", FIVE, "search_replace.no_match", "not 'six'"),
        ("  two", FIVE, "search_replace.no_match", "line 2 is 'two'"),
        ("", FIVE, "search_replace.empty_search", "searches for nothing"),
    ],
)
def test_nothing_is_matched_approximately(search: str, content: bytes, detail: str, sentence: str) -> None:
    error = refused(block(search, "z"), content)
    assert error.detail == detail and sentence in str(error)


def test_edits_do_not_depend_on_their_order_and_do_not_overlap() -> None:
    one, two = {"search": "two", "replace": "2"}, {"search": "four\nfive", "replace": "4"}
    wanted = b"one\n2\nthree\n4\n"
    assert after({"edits": [one, two]}, FIVE) == after({"edits": [two, one]}, FIVE) == wanted
    for other in ("two", "one\ntwo", "two\nthree"):
        error = refused({"edits": [one, {"search": other, "replace": "x"}]}, FIVE)
        assert error.detail == "search_replace.overlap"
    both = answer(*({"path": PATH, "operation": "modify", "edits": [each]} for each in (two, one)))
    assert edits(both, FIVE)[0].content == wanted


def test_an_empty_replacement_deletes_lines() -> None:
    assert after(block("two\nthree\n", ""), FIVE) == b"one\nfour\nfive\n"
    assert after(block("two", "\n"), FIVE) == b"one\n\nthree\nfour\nfive\n"
    assert after(block("two", ""), b"one\r\ntwo\r\nthree\r\n") == b"one\r\nthree\r\n"
    assert after(block("five", ""), FIVE.rstrip()) == b"one\ntwo\nthree\nfour\n"


# --- newlines, encodings


@pytest.mark.parametrize("form", ["blocks", "diff", "whole", "lines"])
def test_a_file_of_carriage_returns_keeps_them(form: str) -> None:
    old, new = FIVE.decode(), FIVE.decode().replace("two\n", "2\nzwei\n")
    patch: dict[str, object] = {
        "blocks": block("two\nthree", "2\nzwei\nthree"),
        "diff": {"unified_diff": make_diff(old.encode(), new.encode(), PATH)},
        "whole": {"content": new},
        "lines": {"line": "two", "replacement": "2\nzwei"},
    }[form]
    assert after(patch, FIVE.replace(b"\n", b"\r\n")) == new.replace("\n", "\r\n").encode()
    assert after(patch, b"\xef\xbb\xbf" + FIVE) == b"\xef\xbb\xbf" + new.encode()


def test_lines_added_without_context_get_the_newlines_of_the_file() -> None:
    content = b"a\r\nb\r\n"
    assert after({"unified_diff": "@@ -1,0 +2 @@\n+x\n"}, content) == b"a\r\nx\r\nb\r\n"


def test_mixed_newlines_stay_where_they_are() -> None:
    content = b"a\r\nb\nc\r\n"
    assert after(block("b", "x"), content) == b"a\r\nx\nc\r\n"
    assert after(block("c", "x"), content) == b"a\r\nb\nx\r\n"
    assert refused(block("a\nb", "x"), content).detail == "search_replace.no_match"


def test_bytes_that_are_no_utf8_survive_and_no_others_join_them() -> None:
    content = "naïve\nplain\ncafé\n".encode("latin-1")
    assert after(block("plain", "x = 1"), content) == content.replace(b"plain", b"x = 1")
    assert "not UTF-8" in str(refused(block("plain", "größer"), content))
    assert "cannot be written whole" in str(refused({"content": "naive\n"}, content))
    assert "no longer be UTF-8" in str(refused(block(LINE, "\udcff")))
    assert "cannot be encoded" in str(refused(block(LINE, "\ud800")))


def test_a_final_newline_is_kept_or_stays_missing() -> None:
    assert after({"content": "x"}, b"a\n") == b"x\n"
    assert after({"content": "x"}, b"a") == b"x"
    assert after(block("five", "5"), FIVE.rstrip()) == FIVE.replace(b"five\n", b"5")


# --- what was shown


PART = (range(2, 4),)


def test_only_shown_lines_can_be_changed() -> None:
    assert after(block("three", "3"), FIVE, ranges=PART) == FIVE.replace(b"three", b"3")
    assert after(block("a", "x"), b"a\nb\na\n", ranges=(range(3, 4),)) == b"a\nb\nx\n"
    assert "not among the lines shown" in str(refused(block("four", "4"), FIVE, PART))
    assert "not among the lines shown" in str(refused(block("three\nfour", "4"), FIVE, PART))
    line = {"line": "four", "replacement": "4"}
    assert refused(line, FIVE, PART).detail == "search_replace.no_match"


def test_a_diff_may_look_at_hidden_lines_but_not_change_them() -> None:
    context = " one\n two\n-three\n+3\n four\n"
    assert after({"unified_diff": f"@@ -1,4 +1,4 @@\n{context}"}, FIVE, ranges=PART) == FIVE.replace(b"three", b"3")
    for hunk in ("@@ -4 +4 @@\n-four\n+4\n", "@@ -5,0 +6 @@\n+six\n", "@@ -4,2 +4,3 @@\n four\n+x\n five\n"):
        error = refused({"unified_diff": hunk}, FIVE, PART)
        assert (error.reason_code, error.detail) == ("out_of_bounds", "not_shown")
    beside = "@@ -3,2 +3,3 @@\n three\n+x\n four\n"
    assert after({"unified_diff": beside}, FIVE, ranges=PART) == FIVE.replace(b"three\n", b"three\nx\n")


def test_a_hunk_goes_to_the_shown_one_of_two_places() -> None:
    content = b"a\nx\nb\nx\n"
    hunk = {"unified_diff": "@@ -9 +9 @@\n-x\n+y\n"}
    assert after(hunk, content, ranges=(range(3, 5),)) == b"a\nx\nb\ny\n"
    assert "fits at lines 2, 4" in str(refused(hunk, content))


def test_what_was_shown_in_part_is_neither_rewritten_nor_deleted() -> None:
    for patch in ({"content": "x"}, {"operation": "delete"}):
        assert refused(patch, FIVE, PART).detail == "not_shown"
    everything = (range(1, 3), range(3, 9))
    assert after({"content": "x\n"}, FIVE, ranges=everything) == b"x\n"


@pytest.mark.parametrize(
    "line",
    [
        "# ... existing code ...",
        "    // rest of the function unchanged",
        "... (rest of the file is the same)",
        "[… unchanged …]",
    ],
)
def test_a_line_that_stands_for_others_is_refused(line: str) -> None:
    for patch in ({"content": f"a\n{line}\n"}, block("two", line), {"unified_diff": f"@@ -2 +2 @@\n-two\n+{line}\n"}):
        assert refused(patch, FIVE).detail == "elided_content"
    assert after(block("two", "2"), FIVE + line.encode()) == FIVE.replace(b"two", b"2") + line.encode()


# --- operations and paths


def test_a_file_is_created_deleted_and_not_created_over() -> None:
    new = {"path": "app/new.py", "operation": "create"}
    for form in (
        {"content": "x\n"},
        {"unified_diff": "@@ -0,0 +1 @@\n+x\n"},
        {"edits": [{"search": "", "replace": "x\n"}]},
    ):
        (edit,) = edits(answer({**new, **form}))
        assert (edit.path, edit.operation, edit.content) == ("app/new.py", "create", b"x\n")
    (edit,) = edits(answer({**new, "operation": "modify", "content": "x\n"}))
    assert edit.operation == "create"
    (edit,) = edits(answer({"path": PATH, "operation": "delete"}))
    assert (edit.operation, edit.content) == ("delete", None)
    for path in (PATH, "app/unseen.py"):
        assert refused({"path": path, "operation": "create", "content": "x"}).detail == "path_exists"
    assert refused({"path": "app/new.py", **block("a", "b")}).detail == "missing_file"
    assert refused({"path": "app/new.py", "operation": "delete"}).detail == "missing_file"
    assert refused({"path": "app/unseen.py", "content": "x"}).detail == "not_shown"


def test_the_diff_of_a_deletion_removes_everything() -> None:
    gone = make_diff(FIVE, b"", PATH, gone=True)
    (edit,) = edits(answer({"path": PATH, "operation": "delete", "unified_diff": gone}), FIVE)
    assert edit.operation == "delete"
    part = {"operation": "delete", "unified_diff": "@@ -1 +0,0 @@\n-one\n"}
    assert "must remove every line" in str(refused(part, FIVE))


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("../x", "unsafe_patch_path"), ("/etc/passwd", "unsafe_patch_path"), ("app/../x", "unsafe_patch_path"),
        ("app//x", "unsafe_patch_path"), ("app\\x", "unsafe_patch_path"), ("app/a\nb", "unsafe_patch_path"),
        ("app/\u202ex", "unsafe_patch_path"), ("tests/test_x.py", "not_a_target"),
    ],
)  # fmt: skip
def test_paths_outside_are_refused(path: str, detail: str) -> None:
    error = refused({"path": path, "operation": "create", "content": "x"})
    assert (error.reason_code, error.detail) == ("out_of_bounds", detail)


def test_two_patches_of_one_file_are_refused_unless_they_are_blocks() -> None:
    patch: dict[str, object] = {"path": PATH, "operation": "modify", "content": "x"}
    with pytest.raises(ProposalError, match="changed by two patches"):
        edits(answer(patch, patch))


@pytest.mark.parametrize(
    ("diff", "detail"),
    [
        ("@@ -1 +1 @@\n-ONE\n+1\n", "removal_mismatch"), ("@@ -1,2 +1 @@\n ONE\n-two\n", "context_mismatch"),
        ("@@ -9 +9 @@\n-nine\n+9\n", "context_beyond_eof"), ("hello", "other"),
    ],
)  # fmt: skip
def test_diffs_fail_with_the_codes_of_the_original(diff: str, detail: str) -> None:
    assert refused({"unified_diff": diff}, FIVE).detail == f"unified_diff.{detail}"


def test_numbers_of_thousands_of_digits_are_no_numbers() -> None:
    diff = f"--- a/{PATH}\n+++ b/{PATH}\n@@ -1,{'9' * 5000} +1 @@\n-one\n+1\n"
    for text in (diff, answer({"path": PATH, "operation": "modify", "unified_diff": diff})):
        with pytest.raises(ProposalError, match="a hunk header looks like"):
            edits(text, FIVE, format="diff")


@given(
    content=st.lists(st.sampled_from([b"a\n", b"b\n", b"a\r\n", b"\n", b"ab\n", b"\xff\n", b"  a\n"])).map(b"".join),
    search=st.text(alphabet="ab \n", max_size=8),
    replace=st.text(max_size=8),
    spans=st.lists(st.tuples(st.integers(1, 12), st.integers(0, 5)), max_size=3) | st.none(),
)
def test_one_replacement_changes_one_place_or_nothing(
    content: bytes, search: str, replace: str, spans: list[tuple[int, int]] | None
) -> None:
    ranges = None if spans is None else tuple(range(start, start + length) for start, length in spans)
    try:
        made = after(block(search, replace), content, ranges=ranges)
    except ProposalError as error:
        assert error.detail in DETAILS
        return
    assert made is not None
    lines, hidden = content.split(b"\n"), 0
    if ranges is not None:
        for number, line in enumerate(lines[:-1], 1):
            if not any(number in each for each in ranges):
                found = made.find(line + b"\n", hidden)
                assert found >= 0
                hidden = found + len(line) + 1


def test_the_schema_says_what_can_be_done() -> None:
    whole, part = Shown(PATH, FIVE), Shown("app/part.py", FIVE, PART)
    schema = reply_schema("blocks", [whole, part], [])
    shapes = schema["properties"]["file_patches"]["items"]["anyOf"]
    assert [shape["properties"]["operation"]["enum"] for shape in shapes] == [["modify"], ["delete"]]
    assert shapes[0]["properties"]["path"]["enum"] == sorted([PATH, "app/part.py"])
