"""Reading replies: any wrapping, one meaning."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replies_cases import PATH, answer

from maabarium.blueprint.schema import EditFormat
from maabarium.errors import ProposalError
from maabarium.proposers.council.replies import DETAILS, FORMATS, Replacement, parse_reply

EDIT = {"path": PATH, "operation": "modify", "edits": [{"search": "a", "replace": "b"}]}
PLAIN = answer(EDIT)


def refused(text: str, format: EditFormat = "blocks") -> ProposalError:
    with pytest.raises(ProposalError) as caught:
        parse_reply(text, format)
    assert caught.value.reason_code == "unparseable"
    assert caught.value.detail in DETAILS
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"\ufeff  {PLAIN}\n",
        f"```json\n{PLAIN}\n```",
        f"Sure! Here {{it}} is:\n\n```\n{PLAIN}\n```\nI hope {{this}} helps.",
        f'<think>\nShall I {{"summary": "no", "file_patches": [}}?\n</think>\n{PLAIN}',
        f'I think of {{"summary": 1}} first.</think>{PLAIN}',
        f"[THINK]hm[/THINK]{PLAIN}",
        f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{PLAIN}",
        json.dumps({"name": "reply", "arguments": json.loads(PLAIN)}),
        json.dumps({"name": "reply", "arguments": PLAIN}),
        f"{PLAIN}\n{PLAIN}",
        PLAIN.replace("}]}]}", "},],},],}"),
        PLAIN.replace('"modify"', '"Update"'),
        PLAIN.replace(PATH, f"./{PATH}"),
        json.dumps({"summary": "Make it better", "file_patches": EDIT}),
        answer({"path": PATH, "search": "a", "replace": "b"}),
        answer({**EDIT, "content": None, "unified_diff": ""}),
        answer({**EDIT, "reason": "it is faster"}),
        f"Make it better\n\n{PATH}\n```python\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n```\n",
        f"Make it better\n\n**`{PATH}`**\n------- SEARCH\na\n=======\nb\n+++++++ REPLACE\n",
    ],
)
def test_wrapping_does_not_matter(text: str) -> None:
    reply = parse_reply(text, "blocks")
    (patch,) = reply.patches
    assert (reply.summary, patch.path, patch.operation, patch.form) == ("Make it better", PATH, "modify", "blocks")
    (edit,) = patch.edits
    assert (edit.search.rstrip("\n"), edit.replace.rstrip("\n")) == ("a", "b")


def test_line_breaks_in_strings_are_what_they_look_like() -> None:
    reply = parse_reply(PLAIN.replace('"a"', '"a\nc\t"'), "blocks")
    assert reply.patches[0].edits == (Replacement("a\nc\t", "b"),)


def test_no_patches_is_a_reply() -> None:
    assert parse_reply(answer(), "diff").patches == ()


@pytest.mark.parametrize(
    ("text", "detail", "sentence"),
    [
        ("", "proposal_json", "holds no JSON object"),
        ("I cannot do that.", "proposal_json", "holds no JSON object"),
        ("[1, 2]", "proposal_json", "holds no JSON object"),
        ("<think>so many thoughts", "proposal_json", "ends inside its reasoning"),
        (PLAIN[:-20], "proposal_json", "cut off"),
        (PLAIN[:-2], "proposal_json", "not JSON"),
        (PLAIN.replace('"a"', '"\\d"'), "proposal_json", "escape"),
        (PLAIN.replace('"a"', '"say "a""'), "proposal_json", "not JSON"),
        (PLAIN + PLAIN.replace('"b"', '"c"'), "proposal_json", "2 different proposals"),
        (PLAIN.replace('"path"', '"operation"', 1), "proposal_json", "twice in one object"),
        ('{"file_patches": ' + "[" * 100_000, "proposal_json", "nested too deep"),
        ('{"file_patches": ' + "9" * 100_000, "proposal_json", "not JSON"),
        (answer(EDIT, summary=" \n"), "other", "summary is missing"),
        ('{"summary": "s", "file_patches": "none"}', "other", "not a list"),
        ('{"summary": "s", "file_patches": ["x"]}', "other", "not an object"),
        (answer({"operation": "modify"}), "other", "path is missing"),
        (answer({**EDIT, "operation": "rename"}), "other", "'rename' is no operation"),
        (answer({**EDIT, "content": "b"}), "other", "blocks and whole at once"),
        (answer({"path": PATH, "edits": [{"search": "a"}]}), "other", "edits[0].replace is missing"),
        (answer({"path": PATH, "edits": [{"search": "a", "replace": 1}]}), "other", "is not text"),
        (answer({"path": PATH, "edits": []}), "other", "edits is empty"),
        (answer({"path": PATH, "line": 3, "replacement": "x"}), "other", "line is not text"),
        (answer({"path": PATH, "line": "a\nb", "replacement": "x"}), "other", "not one line"),
        (answer({"path": PATH, "operation": "delete", "content": "x"}), "other", "a deletion has no content"),
        (f"{PATH}\n<<<<<<< SEARCH\na\n=======\nb\n", "other", "has no end"),
        (f"{PATH}\n<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n", "other", "twice"),
        ("<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", "other", "no path stands above"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(text: str, detail: str, sentence: str) -> None:
    error = refused(text)
    assert error.detail == detail
    assert sentence in str(error)


def test_a_missing_diff_has_the_codes_of_the_original() -> None:
    assert refused(answer({"path": PATH, "operation": "modify"}), "diff").detail == "missing_unified_diff_field"
    blank = answer({"path": PATH, "operation": "modify", "unified_diff": " \n"})
    assert refused(blank, "diff").detail == "missing_required_unified_diff"


def test_fences_inside_fields_wrap_diffs_and_code_but_not_documents() -> None:
    diff = answer({"path": PATH, "operation": "modify", "unified_diff": "```diff\n@@ -1 +1 @@\n-a\n+b\n```"})
    assert parse_reply(diff, "diff").patches[0].diff == "@@ -1 +1 @@\n-a\n+b\n"
    code = answer({"path": PATH, "operation": "modify", "content": "```python\na = 1\n```"})
    assert parse_reply(code, "whole").patches[0].content == "a = 1\n"
    text = "```python\na = 1\n```"
    document = answer({"path": "README.md", "operation": "modify", "content": text})
    assert parse_reply(document, "whole").patches[0].content == text


DIFFS = """\
Add and remove

```diff
--- a/app/one.py
+++ b/app/one.py
@@ -1 +1 @@
-a
+b
--- /dev/null
+++ b/app/new.py
@@ -0,0 +1 @@
+x
```
and

```diff
diff --git a/app/old.py b/app/old.py
--- a/app/old.py
+++ /dev/null
@@ -1 +0,0 @@
-y
```
"""


def test_plain_diffs_are_one_patch_a_file() -> None:
    reply = parse_reply(DIFFS, "diff")
    assert reply.summary == "Add and remove"
    assert [(patch.path, patch.operation) for patch in reply.patches] == [
        ("app/one.py", "modify"), ("app/new.py", "create"), ("app/old.py", "delete"),
    ]  # fmt: skip
    assert reply.patches[0].diff == "--- a/app/one.py\n+++ b/app/one.py\n@@ -1 +1 @@\n-a\n+b\n"


def test_blanks_at_the_end_of_a_diff_are_part_of_it() -> None:
    text = "--- a/app/one.py\n+++ b/app/one.py\n@@ -1 +1,2 @@\n-a\n+b\n+  \x0c \n"
    assert parse_reply(f"\n {text}", "diff").patches[0].diff.endswith("+  \x0c \n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (DIFFS.replace("-y\n", ""), "inside a hunk"),
        (DIFFS.replace("+b\n", "```\n+b\n"), "inside a hunk"),
        (DIFFS.rstrip("`\n"), "has no end"),
        (DIFFS.replace("+++ b/app/one.py", "+++ b/app/two.py"), "renames"),
        ("@@ -1 +1 @@\n-a\n+b\n" + DIFFS, "belongs to no file"),
        (f"{PATH}\n" + "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n" * 2001, "more than 2000 edits"),
    ],
)
def test_plain_diffs_that_end_early_or_rename_are_refused(text: str, sentence: str) -> None:
    assert sentence in str(refused(text, "diff"))


def test_whole_files_may_stand_in_fences() -> None:
    reply = parse_reply("Two files\n\napp/a.py\n```python\na = 1\n```\n\n### `app/b.py`\n```\n```\n", "whole")
    assert [(patch.path, patch.content) for patch in reply.patches] == [("app/a.py", "a = 1\n"), ("app/b.py", "")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("README.md\n```\n# Use\n```bash\nrun\n```\nmore\n```\n", "a fence starts inside a fence"),
        ("app/a.py\n```\na\n```\n\nNow run\n\n```\npytest\n```\n", "no path stands above"),
        ("app/a.py\n```\na = 1\n", "has no end"),
    ],
)
def test_fenced_files_whose_end_is_not_certain_are_refused(text: str, sentence: str) -> None:
    assert sentence in str(refused(text, "whole"))


def test_fenced_files_are_not_read_where_something_else_was_asked_for() -> None:
    assert refused("app/a.py\n```\na = 1\n```\n", "blocks").detail == "proposal_json"


def test_blocks_of_one_file_are_one_patch() -> None:
    block = "<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n"
    text = f"{PATH}\n{block.format('a', 'b')}{block.format('c', 'd')}app/new.py\n" + block.format("", "x").replace(
        "SEARCH\n\n", "SEARCH\n"
    )
    first, second = parse_reply(text, "blocks").patches
    assert first.edits == (Replacement("a\n", "b\n"), Replacement("c\n", "d\n"))
    assert (second.path, second.operation, second.content) == ("app/new.py", "create", "x\n")


def test_a_reply_without_prose_gets_a_summary() -> None:
    text = f"{PATH}\n```\n<<<<<<< SEARCH\nx = 1\n=======\nb\n>>>>>>> REPLACE\n```\n"
    assert parse_reply(text, "blocks").summary == f"Change {PATH}"


def test_a_summary_is_one_plain_line() -> None:
    assert parse_reply(answer(EDIT, summary="a\nb\x1b[31mc"), "blocks").summary == "a bc"


def test_json_in_a_block_is_content_and_no_reply() -> None:
    text = f"Go on\n\n{PATH}\n<<<<<<< SEARCH\na\n=======\n{PLAIN}\n>>>>>>> REPLACE\n"
    assert parse_reply(text, "blocks").patches[0].edits[0].replace == PLAIN + "\n"


@given(st.text() | st.text(alphabet='{}[]",:\\ \n`<>=@+-asummryfile_patches'), st.sampled_from(FORMATS))
def test_any_text_is_read_or_refused(text: str, format: EditFormat) -> None:
    try:
        parse_reply(text, format)
    except ProposalError as error:
        assert error.reason_code == "unparseable" and error.detail in DETAILS
