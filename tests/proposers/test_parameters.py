"""Marked and unmarked parameters: what is found, what is written, and what the history does to the order."""

from __future__ import annotations

import ast
import copy
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proposal_requests import BLUEPRINT, Files, make_attempt, make_request

from maabarium.blueprint.schema import Metrics
from maabarium.proposers.mutate.mutation import Mutation
from maabarium.proposers.mutate.parameters.arm import JOINT, Parameters
from maabarium.proposers.mutate.parameters.effects import Effects, comparisons, value_data, value_text
from maabarium.proposers.mutate.parameters.factors import scan_markers
from maabarium.proposers.mutate.parameters.values import Choice, Range, canonical
from maabarium.records import Proposal

SOURCE = b'''"""Not a marker: # maabarium: tune(1, 2)"""
SIZE = 64  # maabarium: tune(1, 4096, log)
RATIO: float = 0.5  # maabarium: tune(0.1, 2.0)
CONFIG = {
    "mode": "fast",  # maabarium: choice("fast", 'slow', None)
}


class Reader:
    def read(
        self,
        chunk=8,  # maabarium: tune(1, 16)
        *,
        strict: bool = True,  # maabarium: choice(True, False)
    ):
        self.sorter = sorted  # maabarium: choice(sorted, heapq.merge)
        return chunk
'''


def changes(source: bytes, **fields: Any) -> list[Mutation]:
    unmarked = fields.pop("unmarked", False)
    return list(Parameters(unmarked=unmarked).changes(make_request({"a.py": source}, **fields)))


def texts(source: bytes, operator: str, **fields: Any) -> list[str]:
    """New values of the changes of one operator, in order."""
    found = [change for change in changes(source, **fields) if change.operator == operator]
    return [str(change.data[change.site]) for change in found]


def values(content: bytes) -> list[str]:
    scan = scan_markers("a.py", content)
    assert not scan.problems
    return [factor.present for factor in scan.factors]


def test_markers_are_found_with_their_names() -> None:
    scan = scan_markers("a.py", SOURCE)
    assert scan.problems == ()
    assert {factor.name: factor.present for factor in scan.factors} == {
        "SIZE": "64", "RATIO": "0.5", "CONFIG.mode": "'fast'", "Reader.read.chunk": "8",
        "Reader.read.strict": "True", "Reader.read.self.sorter": "sorted",
    }  # fmt: skip
    assert scan.factors[0].site == "a.py::SIZE::0"


def test_a_single_change_touches_its_value_only() -> None:
    for change in changes(SOURCE):
        if change.operator == JOINT:
            continue
        before, after = SOURCE.split(b"\n"), change.content.split(b"\n")
        assert sum(left != right for left, right in zip(before, after, strict=True)) == 1
        assert sum(left != right for left, right in zip(values(SOURCE), values(change.content), strict=True)) == 1


def test_options_are_written_as_the_user_spelled_them() -> None:
    found = {change.content for change in changes(SOURCE) if "mode" in change.site and change.operator == "choice"}
    assert found == {SOURCE.replace(b'"mode": "fast"', b'"mode": ' + option) for option in (b"'slow'", b"None")}


def test_ints_stay_ints_and_stay_inside() -> None:
    for value in texts(b"N = 3  # maabarium: tune(0.5, 9.5)\n", "tune"):
        assert 1 <= int(value) <= 9


@pytest.mark.parametrize(
    "source",
    [
        "# -*- coding: latin-1 -*-\nÉ = f('é'); X = 5  # maabarium: tune(1, 9)\n".encode("latin-1"),
        "\ufeffX = 5  # maabarium: tune(1, 9)\r\n\r\nY = 'ü'\r\n".encode(),
        "\tif_ = 1\rX = 5  # maabarium: tune(1, 9)\r".lstrip().encode(),
        "é = {'ü': 'x'}\x0c\nX = 5  # ö maabarium: no\n".encode() + b"Y = 5 # noqa # maabarium: tune(1, 9)",
    ],
)
def test_encodings_newlines_and_odd_characters_survive(source: bytes) -> None:
    contents = [change.content for change in changes(source)]
    assert source.replace(b"5", b"9") in contents or source[::-1].replace(b"5", b"9", 1)[::-1] in contents


literal = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(0.001, 1e6, allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8),
    st.booleans(),
    st.none(),
)
line = st.sampled_from(
    [
        "X = {}  {}",
        "X: object = {}  {}",
        "D = {{'é': {},  {}\n}}",
        "def f(é, *, a={},  {}\n): pass",
        "g(ö={}  {}\n)",
    ]
)


@given(st.lists(literal, min_size=2, max_size=4, unique_by=repr), line, st.sampled_from(["\n", "\r\n"]), st.data())
def test_the_syntax_tree_changes_in_the_value_only(
    options: list[Any], form: str, end: str, data: st.DataObject
) -> None:
    rule = f"# maabarium: choice({', '.join(map(repr, options))})"
    text = f"'ß'\n{form.format(repr(options[0]), rule)}\nz = 'ä'\n".replace("\n", end)
    found = changes(text.encode())
    assert [change.data[change.site] for change in found] == [value_data(canonical(repr(each))) for each in options[1:]]
    change = data.draw(st.sampled_from(found))
    expected = copy.deepcopy(ast.parse(text))
    present = ast.dump(ast.parse(repr(options[0]), mode="eval").body)
    wanted = ast.parse(value_text(change.data[change.site]), mode="eval").body
    assert _replaced(ast.dump(expected), present, ast.dump(wanted)) >= {ast.dump(ast.parse(change.content))}


def _replaced(dump: str, present: str, wanted: str) -> set[str]:
    """The dump with each single occurrence of the present value replaced."""
    parts = dump.split(present)
    return {present.join(parts[:n]) + wanted + present.join(parts[n:]) for n in range(1, len(parts))}


@given(st.binary(max_size=200))
def test_no_file_content_raises(content: bytes) -> None:
    changes(content + b"\nX = 1  # maabarium: tune(1, 9)\n", unmarked=True)


@given(st.text(max_size=40).filter(lambda text: not set(text) & set("\n\r\x0c\x00")))
def test_no_marker_raises(rule: str) -> None:
    source = f"X = 5  # maabarium: {rule}\n".encode("utf-8", "replace")
    scan = scan_markers("a.py", source)
    assert len(scan.factors) + len(scan.problems) == 1


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("X = 5  # maabarium: tun(1, 9)", 'a.py:1  tun(1, 9): there is no "tun"; did you mean "tune"?'),
        ("X = 5  # maabarium: tune(1, 9", "it cannot be read; write tune(low, high)"),
        ("X = 5  # maabarium: tune(9, 1)", "the lowest value must be below the highest"),
        ("X = 5  # maabarium: tune(0, 9, log)", "must start above 0"),
        ("X = 5  # maabarium: tune(1, 9, lin)", "tune takes a lowest and a highest value"),
        ("X = 'a'  # maabarium: tune(1, 9)", "the value 'a' is not a number; use choice"),
        ("X = True  # maabarium: tune(1, 9)", "the value True is not a number"),
        ("X = 5  # maabarium: tune('a', 9)", "must be numbers"),
        ("X = 5  # maabarium: tune(1, 1e999)", "must be numbers"),
        ("X = 5  # maabarium: tune(1, 1e300)", "numbers beyond 1e+15"),
        ("X = 5  # maabarium: choice(5)", "at least two different values"),
        ("X = 5  # maabarium: choice(5, f())", "f() is neither a literal nor a name"),
        ("def f(a=1, b=2): pass  # maabarium: tune(1, 9)", "several values end on this line (f.a, f.b)"),
        ("f()  # maabarium: tune(1, 9)", "no single value of an assignment"),
        ("def f(:  # maabarium: tune(1, 9)", "cannot be parsed as Python"),
    ],
)
def test_a_marker_that_cannot_be_used_is_reported(source: str, problem: str) -> None:
    files = Files({"a.py": source.encode()})
    (found,) = Parameters().notes(files, ["a.py"])
    assert problem in str(found)
    assert changes(source.encode()) == []


CHOICE = b'A = "a"  # maabarium: choice("a", "b", "c", "d")\nB = "a"  # maabarium: choice("a", "b", "c", "d")\n'


def attempt(number: int, name: str, old: str, new: str, total: float, verdict: str = "rejected", **more: Any) -> Any:
    site = f"a.py::{name}::0"
    return make_attempt(number, verdict, {site: new, f"was {site}": old}, total=total, **more)


def first(source: bytes, *history: Any, total: float = 0.5, champion: int = 0) -> tuple[str, str]:
    """Name and new value of the first change."""
    change = changes(source, history=history, total=total, champion=champion)[0]
    return change.site.split("::")[1], str(change.data[change.site])


def test_a_factor_whose_changes_were_neutral_is_explored_further() -> None:
    assert first(CHOICE, attempt(1, "A", "'a'", "'b'", 0.5)) == ("A", "'c'")
    assert first(CHOICE, attempt(1, "B", "'a'", "'b'", 0.5)) == ("B", "'c'")


def test_a_factor_whose_change_hurt_waits() -> None:
    assert first(CHOICE, attempt(1, "A", "'a'", "'b'", 0.25)) == ("B", "'b'")
    found = changes(CHOICE, history=(attempt(1, "A", "'a'", "'b'", 0.25),))
    singles = [change.site for change in found if change.operator == "choice"]
    assert [site.split("::")[1] for site in singles] == ["B"] * 3 + ["A"] * 3


def test_a_broken_value_says_nothing_about_the_present_one() -> None:
    broken = attempt(1, "A", "'a'", "'b'", 0.0, reason_code="gate_failed")
    found = [change for change in changes(CHOICE, history=(broken,)) if change.operator == "choice"]
    assert found[-1].data[found[-1].site] == "'b'"
    assert len({change.weight for change in found[:5]}) == 1  # nothing of A waits, but for what broke


def test_values_known_from_an_earlier_champion_are_postponed() -> None:
    source = CHOICE.replace(b'A = "a"', b'A = "c"')
    history = (attempt(1, "A", "'a'", "'b'", 0.5), attempt(2, "A", "'a'", "'c'", 0.75, "promoted"))
    order = texts(source, "choice", history=history, total=0.75, champion=2)
    # B is fresh; d was never tried; a and b are known to be worse than c.
    assert order[:4] == ["'b'", "'c'", "'d'", "'d'"]
    assert sorted(order[4:]) == ["'a'", "'b'"]


def test_a_range_is_spread_then_followed_then_refined() -> None:
    source = b"N = 64  # maabarium: tune(1, 4096, log)\n"
    assert sorted(map(int, texts(source, "tune"))) == [1, 8, 512, 4096]
    worse_below = attempt(1, "N", "64", "8", 0.25)
    assert texts(source, "tune")[:2] == ["512", "8"]
    assert first(source, worse_below) == ("N", "512")
    both = (worse_below, attempt(2, "N", "64", "512", 0.4))
    refined = texts(source, "tune", history=both)
    assert set(map(int, refined[:2])) == {181, 23}


def test_a_range_without_any_effect_is_left_alone() -> None:
    source = b"N = 64  # maabarium: tune(1, 4096, log)\n"
    flat = [attempt(number, "N", "64", value, 0.5) for number, value in enumerate(["1", "8", "512", "4096"], 1)]
    assert set(texts(source, "tune", history=flat)) == {
        "1", "8", "512", "4096",
    }  # fmt: skip


def test_the_additive_model_adds_and_deduces() -> None:
    pair = {"a.py::A::0": "'b'", "was a.py::A::0": "'a'", "a.py::B::0": "'c'", "was a.py::B::0": "'a'"}
    history = (
        make_attempt(1, "rejected", pair, total=0.25),
        attempt(2, "A", "'a'", "'b'", 0.75, "promoted"),
        attempt(3, "A", "'b'", "'d'", 0.5, parent=2),
    )
    request = make_request({"a.py": CHOICE}, history=history, champion=2, total=0.75)
    effects = Effects.of(comparisons(request))
    assert effects.known("a.py::A::0", "'b'") == {"'b'": 0, "'a'": -0.25, "'d'": -0.25}
    assert effects.known("a.py::B::0", "'a'") == {"'a'": 0, "'c'": -0.5}


def test_what_hurt_at_the_baseline_is_remembered_at_later_champions() -> None:
    source = CHOICE.replace(b'B = "a"', b'B = "c"')
    history = (attempt(1, "A", "'a'", "'b'", 0.25), attempt(2, "B", "'a'", "'c'", 0.75, "promoted"))
    found = comparisons(make_request({"a.py": source}, history=history, champion=2, total=0.75))
    assert [comparison.gain for comparison in found] == [-0.25, 0.25]


def test_a_change_that_was_not_kept_on_request_is_known_to_be_good() -> None:
    good = attempt(1, "A", "'a'", "'c'", 0.75, reason_code="policy_objection")
    assert first(CHOICE, good) == ("A", "'c'")


def test_small_differences_mean_nothing_when_totals_are_noisy() -> None:
    noisy = BLUEPRINT.metrics.metrics[0].model_copy(update={"noisy": True})
    blueprint = BLUEPRINT.model_copy(update={"metrics": Metrics(metrics=(noisy,))})
    history = tuple(attempt(n, "A", "'a'", "'b'", 0.5, effect=effect) for n, effect in enumerate((0.99, 0.9, 1.01), 1))
    request = replace(make_request({"a.py": CHOICE}, history=history), blueprint=blueprint)
    assert [comparison.gain < 0 for comparison in comparisons(request)] == [False, True, False]
    assert [comparison.gain for comparison in comparisons(request)][::2] == [0, 0]


def test_errors_and_interruptions_say_nothing() -> None:
    history = (
        attempt(1, "A", "'a'", "'b'", 0.0, "error", reason_code="internal"),
        attempt(2, "A", "'a'", "'c'", 0.0, "cancelled", reason_code="interrupted"),
        attempt(3, "A", "'a'", "'d'", 0.0, reason_code="stale_conflict"),
    )
    assert comparisons(make_request({"a.py": CHOICE}, history=history)) == ()


def test_combinations_follow_single_changes_and_span_files() -> None:
    files = {"a.py": b"A = 1  # maabarium: choice(1, 2, 3)\n", "b.py": b"B = 1  # maabarium: choice(1, 2, 3)\n"}
    sites = {"a.py": "a.py::A::0", "b.py": "b.py::B::0"}
    history = []
    for number, (path, value) in enumerate([(path, value) for path in files for value in (2, 3)], 1):
        data = {sites[path]: value, f"was {sites[path]}": 1}
        history.append(make_attempt(number, "rejected", data, total=0.5))
    found = list(Parameters().changes(make_request(files, history=history)))
    assert found[0].operator == JOINT
    assert [found[0].path, *(path for path, _ in found[0].others)] == ["a.py", "b.py"]
    assert set(found[0].data) == {*sites.values(), *(f"was {site}" for site in sites.values())}
    again = list(Parameters().changes(make_request(files, history=history)))
    assert again == found
    assert all(len({change.content for change in found}) > 1 for change in found)


TWO = b"A = 1  # maabarium: choice(1, 2)\nB = 1  # maabarium: choice(1, 2)\n"


def test_without_the_extra_values_are_tried_one_at_a_time_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = [{"a.py::A::0": 2, "was a.py::A::0": 1}, {"a.py::B::0": 2, "was a.py::B::0": 1}]
    history = [make_attempt(number, "rejected", each, total=0.5) for number, each in enumerate(data, 1)]
    request = make_request({"a.py": TWO}, history=history)
    assert JOINT in {change.operator for change in Parameters().changes(request)}
    assert Parameters().notes(request.files, request.targets) == ()
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert {change.operator for change in Parameters().changes(request)} == {"choice"}
    (note,) = Parameters().notes(request.files, request.targets)
    assert "2 values are marked" in str(note) and "maabarium[tune]" in str(note)
    assert Parameters().notes(Files({"a.py": TWO.splitlines()[0]}), ["a.py"]) == ()


def test_a_number_of_thousands_of_digits_is_a_problem_not_an_error() -> None:
    source = b"KNOWN = {0x" + b"f" * 5000 + b": 1}\nN = 5  # maabarium: tune(1, 9)\n"
    assert "a number too long" in str(scan_markers("a.py", source).problems)
    assert list(Parameters(unmarked=True).changes(make_request({"a.py": source}))) == []


def test_the_order_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from proposal_requests import make_request;"
        "from maabarium.proposers.mutate.parameters.arm import Parameters;"
        "import sys; source = sys.stdin.buffer.read();"
        "print([each.summary for each in Parameters(unmarked=True).changes(make_request({'a.py': source}))])"
    )
    printed = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run([sys.executable, "-c", program], input=SOURCE, capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1


def test_unmarked_numbers_only_when_asked_and_only_quantities() -> None:
    source = b"""VERSION = 3
LIMIT = 100
SCALE = 0.5
ZERO = 0
FLAG = True
ERROR_CODE = 7
class Colour(Enum):
    RED = 4
def f(a: Annotated[int, Field(gt=5)], depth=3, *, wide=2.0) -> Literal[8]:
    return g(a[1], step=10)
"""
    assert changes(source) == []
    found = changes(source, unmarked=True)
    assert {change.site.split("::")[1] for change in found} == {"LIMIT", "SCALE", "f.depth", "f.wide", "f.step"}
    assert {change.data[change.site] for change in found if "LIMIT" in change.site} == {200, 50, 101, 99}
    assert {change.data[change.site] for change in found if "SCALE" in change.site} == {1.0, 0.25}


def test_unmarked_numbers_of_hot_files_come_first() -> None:
    files = {"cold.py": b"A = 5\n", "hot.py": b"B = 5\n"}
    request = make_request(files, hits={"cold.py": {1: 1}, "hot.py": {1: 100_000}})
    found = list(Parameters(unmarked=True).changes(request))
    assert {change.path for change in found[:2]} == {"hot.py"}


@pytest.mark.parametrize("text", ["1", "-1", "1.0", "True", "None", "'1'", "'a b'", "heapq.merge", "1e+16", "(1, 2)"])
def test_values_survive_the_way_through_the_store(text: str) -> None:
    proposal = Proposal(summary="s", edits=(), data={"v": value_data(text)})
    stored = Proposal.model_validate_json(proposal.model_dump_json())
    assert value_text(stored.data["v"]) == text


@given(st.integers(1, 10**6), st.integers(2, 10**6), st.booleans(), st.booleans(), st.floats(0, 1))
def test_a_range_never_leaves_its_bounds(low: int, width: int, log: bool, whole: bool, unit: float) -> None:
    domain = Range(low, low + width, log, whole)
    text = domain.value(unit)
    assert low <= float(text) <= low + width
    assert isinstance(ast.literal_eval(text), int) == whole


@given(
    st.lists(st.sampled_from("abcdef"), min_size=2, unique=True),
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([-1.0, 0.0, 1.0])),
)
def test_ideas_of_a_choice_are_all_other_options_once(options: list[str], known: dict[str, float]) -> None:
    present = options[0]
    trials = list(Choice({option: option for option in options}).trials(present, {**known, present: 0.0}))
    assert sorted(trial.text for trial in trials) == sorted(options[1:])
    assert all(0 < trial.weight < 1 for trial in trials)
