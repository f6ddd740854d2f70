"""The arm: sites, weights, what is passed over, what stays byte for byte."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.blueprint.schema import Blueprint
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate.mutation import MAX_FILE_BYTES, Mutation
from maabarium.proposers.mutate.rewrites.arm import ALL_OPERATORS, Rewrites
from maabarium.records import Champion, Evaluation, FileEdit, LineMap

BLUEPRINT = Blueprint.model_validate(
    {
        "blueprint": {"name": "x", "version": "1", "description": ""},
        "domain": {"repo_path": ".", "target_files": ["**/*.py"], "language": "python"},
        "constraints": {
            "max_iterations": 1, "timeout_seconds": 1, "require_tests_pass": True, "min_improvement": 0,
        },
        "metrics": {"metrics": [{"name": "speed", "weight": 1, "direction": "maximize"}]},
    }
)  # fmt: skip
TWO = b"""import re

def cold(text):
    return re.match("cold", text)

class Reader:
    def hot(self, text):
        return re.match("hot", text), re.search("second", text)
"""


@dataclass
class Files:
    """The double of a tree: files in memory, and how often each was read."""

    contents: Mapping[str, bytes]
    tree: str = "0" * 40
    reads: list[str] = field(default_factory=list)

    def paths(self) -> Sequence[str]:
        return sorted(self.contents)

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        return self.contents[path]


def request_for(contents: Mapping[str, bytes], hits: dict[str, dict[int, int]] | None = None) -> ProposalRequest:
    lines = LineMap(hits=hits) if hits is not None else None
    evaluation = Evaluation(lines=lines)
    never: Callable[[Sequence[FileEdit]], bool] = lambda edits: True  # noqa: E731
    champion = Champion(number=0, commit="1" * 40, tree="0" * 40, evaluation=evaluation, total=0.5)
    return ProposalRequest(
        1, 7, BLUEPRINT, champion, evaluation, Files(contents), tuple(sorted(contents)), (), never
    )  # fmt: skip


def changes_of(contents: Mapping[str, bytes], hits: dict[str, dict[int, int]] | None = None) -> list[Mutation]:
    return list(Rewrites().changes(request_for(contents, hits)))


def test_sites_name_the_function_and_the_number_in_it() -> None:
    found = [change for change in changes_of({"a/b.py": TWO}) if change.operator == "compile-pattern"]
    assert [change.site for change in found] == [
        "a/b.py::Reader.hot::1", "a/b.py::Reader.hot::2", "a/b.py::cold::1",
    ]  # fmt: skip
    assert found[0].summary == (
        "compile the pattern once (Reader.hot, 1st): the regular expression was compiled or looked up on every call"
    )
    assert [change.summary.partition(":")[0] for change in found[1:]] == [
        "compile the pattern once (Reader.hot, 2nd)", "compile the pattern once (cold)",
    ]  # fmt: skip


def test_no_two_changes_of_a_file_have_the_same_summary() -> None:
    many = "\n".join(f"    d = re.match('{n}', text) or list(text.keys())" for n in range(12))
    found = changes_of({"m.py": TWO + f"\ndef f(text):\n{many}\n".encode()})
    summaries = [change.summary for change in found]
    assert len(set(summaries)) == len(summaries) > 24
    assert any("(f, 11th)" in each for each in summaries) and any("(f, 12th)" in each for each in summaries)


def test_the_last_of_several_places_is_still_the_same_idea() -> None:
    """A key has no number but that of the site: others are gone once they were kept."""
    first, second, _ = (change for change in changes_of({"m.py": TWO}) if change.operator == "compile-pattern")
    (left,) = (
        change for change in changes_of({"m.py": second.content})
        if change.operator == "compile-pattern" and "Reader" in change.site
    )  # fmt: skip
    assert left.summary != first.summary and left.key == first.key


def test_sites_stay_when_lines_shift() -> None:
    shifted = b'"""A docstring."""\n\n\n' + TWO
    assert [c.site for c in changes_of({"m.py": TWO})] == [c.site for c in changes_of({"m.py": shifted})]


def test_hot_lines_come_first_and_dead_ones_last() -> None:
    hits = {"m.py": {4: 10, 8: 5000}}
    weights = {change.site: change.weight for change in changes_of({"m.py": TWO}, hits)}
    assert weights["m.py::Reader.hot::1"] > 2 * weights["m.py::cold::1"]
    never_run = {change.site: change.weight for change in changes_of({"m.py": TWO}, {"m.py": {8: 5000}})}
    assert never_run["m.py::cold::1"] < 0.05
    assert all(0 <= weight <= 1 for weight in weights.values())


def test_walking_a_container_on_every_pass_is_the_likelier_loss() -> None:
    text = b"def f(xs, t):\n    for x in xs:\n        t.a = x / sum(xs) + x / len(xs)\n"
    weights = {change.summary.split()[1]: change.weight for change in changes_of({"m.py": text}, {"m.py": {3: 100}})}
    assert weights["sum(xs)"] > 2 * weights["len(xs)"]


def test_best_guess_first_over_all_files() -> None:
    found = changes_of({"a.py": TWO, "b.py": TWO}, {"b.py": {8: 100}})
    assert found[0].path == "b.py"
    assert [change.weight for change in found] == sorted((change.weight for change in found), reverse=True)


def test_pure_and_kept_by_content() -> None:
    arm, request = Rewrites(), request_for({"m.py": TWO, "n.py": TWO})
    first = list(arm.changes(request))
    assert list(arm.changes(request)) == first == list(Rewrites().changes(request))
    assert len(arm._kept) == 1


def test_a_change_is_one_site_and_the_rest_byte_for_byte() -> None:
    for change in changes_of({"m.py": TWO}):
        old, new = TWO.decode().splitlines(), change.content.decode().splitlines()
        gone = [line for line in difflib.ndiff(old, new) if line.startswith("- ")]
        assert len(gone) <= 1


LATIN = b"# -*- coding: latin-1 -*-\n"


@pytest.mark.parametrize(
    ("newline", "encoding", "head"),
    [
        *((newline, "utf-8", head) for newline in ("\n", "\r\n", "\r") for head in (b"", codecs.BOM_UTF8)),
        *((newline, "latin-1", LATIN) for newline in ("\n", "\r\n")),
        ("\n", "cp1252", b"#coding:cp1252\n"),
    ],
)
def test_encodings_and_line_ends_survive(newline: str, encoding: str, head: bytes) -> None:
    text = 'import re\n\n\ndef f(x):\n\tif x: return  1 # caf\xe9   \n\treturn re.match("\xfc", x)\n\n# \xe9nd'
    content = head.replace(b"\n", newline.encode()) + text.replace("\n", newline).encode(encoding)
    (change,) = (change for change in changes_of({"m.py": content}) if change.operator == "compile-pattern")
    added = f'{newline}{newline}_F_PATTERN = re.compile("\xfc")'.encode(encoding)
    assert change.content == content.replace(b"import re", b"import re" + added, 1).replace(
        're.match("\xfc", x)'.encode(encoding), b"_F_PATTERN.match(x)"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"def f(:\n", b"\x00", b"\xff\xfe", b"# coding: nonsense\nx = 1\n", b"print 'x'\n", b"\\", b"x = (",
        b"(" * 5000, b"x = " + b"-" * 20000 + b"1", b"\x0c\ndef f(x):\n\x0c    return x in [1, 2, 3]\n",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_passed_over(content: bytes) -> None:
    assert all(change.content != content for change in changes_of({"m.py": content}))


def test_large_files_are_passed_over_with_a_reason() -> None:
    large = TWO + b"# padding\n" * (MAX_FILE_BYTES // 10)
    request = request_for({"large.py": large, "small.py": TWO, "notes.txt": b"import re"})
    assert {change.path for change in Rewrites().changes(request)} == {"small.py"}


def test_a_target_that_does_not_exist_yet_is_no_error() -> None:
    request = request_for({"m.py": TWO})
    absent = ProposalRequest(**{**request.__dict__, "targets": ("absent.py", "m.py")})
    assert {change.path for change in Rewrites().changes(absent)} == {"m.py"}


LINES = st.sampled_from(
    [
        "out = []",
        "out.append(x)",
        "return x",
        "q.pop(0)",
        "q = list(rows)",
        "x += 'a'",
        "return sorted(rows)[0]",
        "d = {}",
        "d[x] = d.get(x, 0) + 1",
        "y = re.match('a', x)",
        "y = rows[i]",
        "x = x + [1]",
        "d[x] += 1",
        "pass",
        "x.split(',')[0]",
        "z = x.split(',')[1]",
        "return any([x for x in rows])",
        "yield x",
        "g = lambda x: out",
        "del rows[0]",
        "total = 0",
        "total += x",
        "text = ''",
        "text += x",
        "return True",
        "return False",
        "x = len(rows)",
        "d[x] = []",
        "d[x].append(y)",
        "y = d[x] if x in d else 0",
        "out = [x for x in q if x not in rows]",
        "out.append((yield x))",
        "x = y = z",
        "break",
        "y: int = sorted(list(d.keys()), key=lambda r: r[0])[:3]",
    ]
)
HEADS = st.sampled_from(
    [
        "for x in rows:", "for i in range(len(rows)):", "while q:", "if x in [1, 2, 3]:", "if x not in out:",
        "if x in d:", "if x not in d:", "def g(x, out=out):", "with x as y:", "for x, y in d.items():",
        "if len(q) == 0:", "while len(rows) > x.count('a'):", "for k in d.keys():", "async def h(rows):", "class A(x):",
    ]
)  # fmt: skip
BLOCK = st.deferred(lambda: st.lists(st.one_of(LINES.map(lambda line: [line]), COMPOUND), min_size=1, max_size=4))
COMPOUND = st.builds(
    lambda head, body, rest: [head, *indented(body), *(["else:", *indented(rest)] if rest and has_else(head) else [])],
    HEADS, BLOCK, st.none() | BLOCK,
)  # fmt: skip


def indented(statements: list[list[str]]) -> list[str]:
    return [f"    {line}" for statement in statements for line in statement]


def has_else(head: str) -> bool:
    return head.startswith(("for", "while", "if"))


@settings(max_examples=80, deadline=None)
@given(BLOCK)
def test_any_program_gives_programs_that_compile(statements: list[list[str]]) -> None:
    body = "\n".join(indented(statements))
    content = f"import re\n\ndef f(rows: list, x, q, d: dict, out, y, i, total, text):\n{body}\n".encode()
    seen = {content}
    for change in changes_of({"m.py": content}):
        compile(change.content, "m.py", "exec")
        assert change.content not in seen
        seen.add(change.content)


def test_the_page_lists_every_operator() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "rewrites.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == list(dict.fromkeys(listed))
    assert set(listed) == {operator.name for operator in ALL_OPERATORS}
