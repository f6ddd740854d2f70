"""Replies that Hypothesis invents: any text, and JSON that keeps to the schema more or less."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from reply_breakage import PATHS as HOSTILE
from reply_cases import WORDS

__all__ = ["REPLIES"]

LINES = st.sampled_from([f"{word} {index}\n" for word in WORDS for index in range(4)])
HUNK = st.tuples(LINES, LINES).map(lambda pair: f"@@ -1 +1 @@\n-{pair[0]}+{pair[1]}")
TEXTS = st.text(max_size=60) | LINES | HUNK | st.sampled_from(("", "pass", "# ... existing code ...\n"))
PATHS = st.sampled_from(("src/app.py", "src/data.txt", *HOSTILE)) | st.text(max_size=12)
LOOSE = st.fixed_dictionaries({}, optional={"search": TEXTS, "replace": TEXTS | st.none()})
PATCH = st.fixed_dictionaries(
    {},
    optional={
        "path": PATHS, "operation": st.sampled_from(("create", "modify", "delete", "rename", None)),
        "unified_diff": TEXTS, "content": TEXTS | st.none(), "edits": st.lists(LOOSE, max_size=3) | TEXTS,
        "line": TEXTS | st.integers(), "replacement": TEXTS,
    },
)  # fmt: skip
EDIT = st.fixed_dictionaries({"search": LINES, "replace": TEXTS})
NAMED = st.sampled_from(("src/app.py", "src/data.txt"))
MODIFY = st.just("modify")
SHAPES = (
    st.fixed_dictionaries({"path": NAMED, "operation": MODIFY, "unified_diff": HUNK}),
    st.fixed_dictionaries({"path": NAMED, "operation": MODIFY, "content": TEXTS}),
    st.fixed_dictionaries({"path": NAMED, "line": LINES, "replacement": TEXTS}),
    st.fixed_dictionaries({"path": NAMED, "edits": st.lists(EDIT, max_size=2)}),
    st.fixed_dictionaries({"path": PATHS, "operation": st.just("create"), "content": TEXTS}),
)
PATCHES = st.lists(PATCH | st.one_of(*SHAPES), max_size=3) | PATCH | st.lists(st.one_of(*SHAPES), max_size=1)
REPLY = st.fixed_dictionaries({"file_patches": PATCHES, "summary": st.just("Change it") | TEXTS})
REPLIES = REPLY.map(json.dumps) | TEXTS
