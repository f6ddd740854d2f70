"""Ruff's fixes: the edits are those that Ruff itself would make, and each is proposed where it can pay."""

from __future__ import annotations

import ast
import copy
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proposal_requests import BLUEPRINT, Files, make_context, make_request

from maabarium.code.edits import splice
from maabarium.code.python_file import compiles
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.mutate import Mutate, ruff_fixes
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.ruff_fixes import (
    SPEED,
    RuffFixes,
    find_fixes,
    find_ruff,
    fixable_rules,
    oldest_python,
)

SOURCE = b'''"""Words."""
import os


class Reader:
    def known(self, word):
        return word in ["if", "else", "for"]


def shown(name, value):
    return "%s: %s" % (name, value)


def firsts(rows):
    out = []
    for row in rows:
        out.append(row[0])
    return out
'''


def ruffs_own(text: bytes, rule: str) -> bytes:
    """What `ruff --fix` makes of a file."""
    ruff = find_ruff()
    assert ruff is not None
    options = ["--isolated", "--no-cache", "--preview", "--unsafe-fixes", "--exit-zero", "--quiet"]
    command = [ruff, "check", *options, "--fix", "--select", rule, "--stdin-filename", "m.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, check=True).stdout


def request_for(
    files: dict[str, bytes], *sources: str, hits: dict[str, dict[int, int]] | None = None
) -> ProposalRequest:
    """A request whose objectives are these sources, of equal weight."""
    request = make_request(files, hits=hits)
    metrics = [
        {"name": f"m{n}", "weight": 1, "direction": "minimize", "source": each} for n, each in enumerate(sources)
    ]
    chosen = type(BLUEPRINT.metrics).model_validate({"metrics": metrics})
    return replace(request, blueprint=BLUEPRINT.model_copy(update={"metrics": chosen}))


def changes_of(request: ProposalRequest) -> dict[str, Mutation]:
    found = RuffFixes().changes(request)
    assert len({(each.operator, each.site) for each in found}) == len(found)
    return {each.operator: each for each in found}


# --- the edits


LINES = st.sampled_from(
    [
        "x = y in ['ä', 'b']", "x = y == 1 or y == 'é' or y == 3", "return '%s 😀 %s' % (x, y)", "x = '{} é'.format(y)",
        "x = set([z + 1 for z in rows]); y = 'ü'", "x = any([z for z in rows if z])", "x = sorted(rows)[0]", "pass",
        "import os, sys", "x = dict(a=1)",
        "if y.startswith('ä') or y.startswith('b'): x = 1", "x = list(rows)[0]",
        "for z in rows.keys(): print(z)", "x = tuple([1, 2])", "x = sorted(list(rows))",
        "x = (yield)", "x = lambda z: z[1]",
        "x = isinstance(y, int) or isinstance(y, str)", "x = y if y else 'ö'", "x = 'a ß'.split()",
        "print('\t', 'x'  )",
        "x = sum([[1], [2]], [])", "with open('ä') as f: x = [l for l in f.readlines()]",
        "x = map(lambda z: z + 1, rows)",
    ]
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.data())
def test_the_edits_are_what_ruff_itself_would_make(
    lines: list[str], newline: str, bom: bool, data: st.DataObject
) -> None:
    text = "# ünïcode 😀\ndef f(rows, y):\n" + "".join(f"    {line}\n" for line in lines)
    content = b"\xef\xbb\xbf" * bom + text.replace("\n", newline).encode()
    (found,) = find_fixes([("m.py", content)], fixable_rules())
    single = sorted(rule for rule, count in Counter(fix.operator for fix in found).items() if count == 1)
    if not single:
        return
    rule = data.draw(st.sampled_from(single))
    (fix,) = (fix for fix in found if fix.operator == rule)
    made = splice(content.removeprefix(b"\xef\xbb\xbf"), fix.edits)
    assert made is not None and compiles(made)
    if not find_fixes([("m.py", made)], {rule})[0]:  # a fix that leads to the next one is followed up by Ruff
        assert ruffs_own(content, rule).removeprefix(b"\xef\xbb\xbf") == made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_every_fix_in_the_standard_library_parses() -> None:
    modules = sorted(path for path in Path(ast.__file__).parent.glob("*.py") if 2_000 < path.stat().st_size < 20_000)
    files = {path.name: path.read_bytes() for path in modules[::2]}
    found = RuffFixes().changes(request_for(files, "size", "tests.cpu"))
    assert len({change.operator for change in found}) > 40 and len(found) > 300
    broken = [f"{change.path}: {change.summary}" for change in found[::5] if not compiles(change.content)]
    assert broken == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"def f(:\n", b"\x00", b"\xff\xfe", b"# coding: latin-1\nx = '\xe4' in ['\xe4', 'b']\n", b"("],
)  # fmt: skip
def test_what_cannot_be_read_has_no_fix(content: bytes) -> None:
    request = request_for({"bad.py": content, "good.py": SOURCE}, "lint")
    assert {change.path for change in RuffFixes().changes(request)} == {"good.py"}


def test_a_byte_order_mark_stays() -> None:
    content = b"\xef\xbb\xbf" + SOURCE
    found = changes_of(request_for({"a.py": content}, "tests.cpu"))
    assert found["PLR6201"].content == content.replace(b'["if", "else", "for"]', b'{"if", "else", "for"}')


def test_formatting_by_percent_becomes_an_f_string_in_one_step() -> None:
    found = changes_of(request_for({"a.py": SOURCE}, "tests.cpu"))
    assert b'    return f"{name}: {value}"\n' in found["UP031"].content


@pytest.mark.parametrize(
    ("rule", "body", "expected", "given_"),
    [
        ("PLR6201", 'x not in ("a", "b", "c")', 'x not in {"a", "b", "c"}', "z"),
        ("FURB192", "(sorted(x)[0], 1)", "(min(x), 1)", [3, 1]),
        ("FURB192", "sorted(x, reverse=True)[-1]", "min(x)", [3, 1]),
        ("FURB192", "sorted((-y for y in x), key=abs)[0]", "min((-y for y in x), key=abs)", [3, 1]),
        ("FURB118", "sorted(x, key=lambda row: (row[1], row[0]))", "key=operator.itemgetter(1, 0)", [(1, 2), (0, 2)]),
        ("C419", "any([y > 1 for y in x])", "any(y > 1 for y in x)", [1, 2]),
        ("C403", "set([y + 1 for y in x])", "{y + 1 for y in x}", [1, 1]),
        ("C404", "dict([(y, 1) for y in x])", "{y: 1 for y in x}", [1, 2]),
        ("C419", "sum([y for y in x], 5)", "sum((y for y in x), 5)", [1, 2]),
        ("C414", "sorted(list(x))", "sorted(x)", [2, 1]),
        ("SIM118", "[k for k in x.keys()]", "[k for k in x]", {"a": 1}),
        ("SIM401", "x['a'] if 'a' in x else 0", "x.get('a', 0)", {"a": 1}),
        ("SIM101", "not (isinstance(x, int) or isinstance(x, str))", "not (isinstance(x, (int, str)))", 1),
        ("PLR1714", "x == 1 or x == 2 or x == 3", "x in {1, 2, 3}", 9),
        ("PIE810", "x.startswith('a') or x.startswith('b')", "x.startswith(('a', 'b'))", "bc"),
    ],
)
def test_what_operators_of_ours_did_ruff_does(rule: str, body: str, expected: str, given_: object) -> None:
    code = f"def f(x{': dict' if rule == 'SIM401' else ''}):\n    return {body}\n".encode()
    made = changes_of(request_for({"a.py": code}, "tests.cpu"))[rule].content
    assert expected in made.decode()
    results = []
    for text in (code, made):
        scope: dict[str, Any] = {}
        exec(compile(text, "<example>", "exec"), scope)
        results.append(scope["f"](copy.deepcopy(given_)))
    assert results[0] == results[1]


# --- which of them are proposed


def test_a_fix_says_where_what_and_why() -> None:
    change = changes_of(request_for({"a.py": SOURCE}, "tests.cpu"))["PLR6201"]
    assert change.site == "a.py::Reader.known::1"
    assert change.summary == (
        "Convert to `set` (Reader.known): Use a set literal when testing for membership (Ruff's PLR6201)"
    )


def test_numbers_read_off_the_text_get_all_rules_and_speed_a_short_list() -> None:
    speed = changes_of(request_for({"a.py": SOURCE}, "score:lines_per_s"))
    assert set(speed) == {"PLR6201", "UP031", "PERF401"} and set(speed) <= set(SPEED)
    lint = changes_of(request_for({"a.py": SOURCE}, "lint"))
    assert "F401" in lint and lint["F401"].weight == max(change.weight for change in lint.values())
    assert "import os" not in lint["F401"].content.decode()
    style = b"def f(a, b):\n    '''A line.'''\n    return a,b\n"
    assert "Q002" not in changes_of(request_for({"a.py": style}, "size"))
    assert "Q002" in changes_of(request_for({"a.py": style}, "maintainability"))
    both = changes_of(request_for({"a.py": SOURCE}, "lint", "score:lines_per_s"))
    assert both["F401"].weight == lint["F401"].weight / 2 and both["PERF401"].weight == speed["PERF401"].weight


def test_for_speed_only_where_the_line_map_says_that_the_code_runs() -> None:
    hits = {"a.py": {7: 500}, "b.py": {}}
    files = {"a.py": SOURCE, "b.py": SOURCE}
    found = RuffFixes().changes(request_for(files, "tests.cpu", hits=hits))
    assert [(change.path, change.operator) for change in found] == [("a.py", "PLR6201")]
    assert "F401" in {change.operator for change in RuffFixes().changes(request_for(files, "lint", hits=hits))}


def test_every_rule_of_the_short_list_has_fixes() -> None:
    assert set(SPEED) - fixable_rules() == set()


@pytest.mark.parametrize(
    ("path", "text", "minor"),
    [
        ("pyproject.toml", '[project]\nrequires-python = ">=3.9,<4"\n', 9),
        ("src/pyproject.toml", '[project]\nrequires-python = "~=3.10"\n', 10),
        ("pyproject.toml", '[project]\nrequires-python = ">=3.2"\n', 7),
        ("pyproject.toml", "[project]\nname = 1\n", None),
        ("pyproject.toml", "[project", None),
        ("other.toml", "", None),
    ],
)
def test_fixes_are_for_the_oldest_python_of_the_target(path: str, text: str, minor: int | None) -> None:
    request = request_for({"src/a.py": SOURCE, path: text.encode()}, "lint")
    assert oldest_python(request) == minor
    union = b"from typing import Optional\n\n\ndef f(x: Optional[int]):\n    return x\n"
    found = {fix.operator for fix in find_fixes([("a.py", union)], {"UP045"}, minor)[0]}
    assert found == ({"UP045"} if minor in (None, 10) else set())


# --- the program


def test_only_the_program_beside_the_interpreter_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that a target offers by a PATH, a working directory, a configuration or a module of that name."""
    for folder in ("bin", "ruff"):
        (tmp_path / folder).mkdir()
    fake = tmp_path / "bin" / "ruff"
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    fake.chmod(0o755)
    (tmp_path / "ruff" / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "pyproject.toml").write_text("[tool.ruff.lint]\nignore = ['ALL']\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("RUFF_CONFIG", str(tmp_path / "pyproject.toml"))
    monkeypatch.chdir(tmp_path)
    assert "PLR6201" in changes_of(request_for({"a.py": SOURCE}, "tests.cpu"))
    assert not (tmp_path / "ran").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "pyproject.toml", "ruff"]


def test_without_ruff_the_other_arms_go_on_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files({"a.py": SOURCE})
    assert Mutate(make_context()).notes(files, ["a.py"]) == ()
    monkeypatch.setattr(ruff_fixes, "find_ruff", lambda: None)
    monkeypatch.setattr("maabarium.proposers.mutate.proposer.find_ruff", lambda: None)
    assert changes_of(request_for({"a.py": SOURCE}, "lint")) == {}
    (note,) = Mutate(make_context()).notes(files, ["a.py"])
    assert "pip install ruff" in str(note)
    assert Mutate(make_context(arms=["rewrites"])).notes(files, ["a.py"]) == ()


@pytest.mark.parametrize("script", ["exit 2", "echo '{'", "sleep 9"])
def test_a_program_that_fails_or_hangs_is_no_fix(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ruff"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(ruff_fixes, "find_ruff", lambda: program)
    monkeypatch.setattr(ruff_fixes, "SECONDS", 0.5)
    assert find_fixes([("a.py", SOURCE)], {"PLR6201"}) == [[]]
