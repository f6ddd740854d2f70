"""What failing tests say: frames of their tracebacks, kind of error, and how far the answer was from the right one.

Reads untrusted text with bounded effort and believes none of it: a symptom only changes an order.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from maabarium.code.edits import common_ends
from maabarium.code.faults import DETAIL, FailingTest
from maabarium.proposers.mutate.repairs.place import Words
from maabarium.records import TestResult

__all__ = ["Symptom", "boost", "read_symptom", "words"]

_ASSERT = re.compile(r"^E?\s*(?:AssertionError: )?assert (.{1,2000})$", re.M)
_WHERE = re.compile(r"^E?\s*\+\s+where (.{1,300}?) = ", re.M)
_AT_INDEX = re.compile(r"At index \d+ diff: (.{1,300}) != (.{1,300})$", re.M)
_LENGTHS = re.compile(r"(Left|Right) contains (?:one more item|(\d+) more items)")
_RAISES = re.compile(r"(?:raises\(\s*\(?|assertRaises\(\s*|DID NOT RAISE <class ')((?:\w+\.)*)(\w+)")
_UNBOUND = re.compile(r"(?:local variable|name|free variable) '(\w{1,80})'")
_SPLITS = (" == ", " != ", " <= ", " >= ", " not in ", " is not ", " < ", " > ", " in ", " is ")

_BY_ERROR: dict[str, dict[str, float]] = {
    "TypeError": {"arithmetic": 1.5, "arguments": 1.6, "none": 1.6, "name": 1.4, "call": 1.4, "condition": 1.1},
    "IndexError": {"one": 1.8, "boundary": 1.7, "constant": 1.2, "condition": 1.2, "arithmetic": 1.2},
    "KeyError": {"name": 1.4, "condition": 1.3, "text": 1.4, "arguments": 1.3, "one": 1.1},
    "ZeroDivisionError": {"arithmetic": 1.5, "constant": 1.4, "one": 1.3, "condition": 1.3, "boundary": 1.3},
    "UnboundLocalError": {"name": 1.5, "condition": 1.4, "loop": 1.5},
    "NameError": {"name": 2.0},
    "AttributeError": {"call": 1.6, "name": 1.5, "none": 1.5, "condition": 1.3},
    "RecursionError": {"arithmetic": 1.4, "one": 1.5, "condition": 1.4, "boundary": 1.3, "arguments": 1.2},
    "StopIteration": {"boundary": 1.4, "condition": 1.3, "one": 1.3},
    "ValueError": {"condition": 1.2, "boundary": 1.2, "arguments": 1.2, "exception": 1.0, "constant": 1.1},
}
_BY_KIND: dict[str, dict[str, float]] = {
    "one off": {"one": 1.8, "boundary": 1.6, "arithmetic": 1.1},
    "sign": {"sign": 2.5, "arithmetic": 1.4, "arguments": 1.2},
    "number": {"arithmetic": 1.3, "constant": 1.2, "one": 1.1, "call": 1.1},
    "truth": {"condition": 1.6, "boundary": 1.4, "one": 1.05},
    "length": {"one": 1.5, "boundary": 1.5, "loop": 1.4, "condition": 1.2},
    "none": {"none": 2.0, "condition": 1.3, "loop": 1.2},
    "text": {"text": 1.6, "call": 1.3, "one": 1.1},
    "blanks": {"text": 2.0, "blanks": 2.2, "call": 1.2, "one": 1.3, "arithmetic": 1.2},
    "case": {"case": 3.0},
    "order": {"arguments": 1.5, "one": 1.3, "sign": 1.4, "call": 1.4, "condition": 1.2},
    "did not raise": {"condition": 1.6, "boundary": 1.6, "exception": 1.2, "one": 1.1},
    "other error": {"exception": 2.5},
}


@dataclass(frozen=True)
class Symptom(FailingTest):
    """A failing test, and what its text says of the answer that was wrong."""

    kinds: frozenset[str] = frozenset()
    numbers: tuple[int | float, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    exceptions: tuple[str, ...] = ()
    unbound: str = ""


_Finding = str | int | float | tuple[str, str]
"""A kind of `_BY_KIND`, a number that was expected, or a piece of text that was wrong with the right one."""


def read_symptom(result: TestResult) -> Symptom:
    """The symptom of one failing test."""
    detail = result.detail[:DETAIL]
    test = FailingTest.of(result.id, detail)
    actual = set(_WHERE.findall(detail))
    every: list[_Finding] = []
    for assertion in _ASSERT.findall(detail)[:5]:
        every += _compare_sides(assertion.strip(), actual)
    for left, right in _AT_INDEX.findall(detail)[:3]:
        every += _differ(_value(left), _value(right))
    if _LENGTHS.search(detail):
        every.append("length")
    named = tuple(dict.fromkeys(match[1] for match in _RAISES.findall(detail)))
    if "DID NOT RAISE" in detail:
        every.append("did not raise")
    elif named and test.error not in (*named, "", "AssertionError"):
        every.append("other error")
    found = dict.fromkeys(every)
    return Symptom(
        **vars(test),
        kinds=frozenset(each for each in found if isinstance(each, str)),
        numbers=tuple(each for each in found if isinstance(each, int | float))[:6],
        texts=tuple(each for each in found if isinstance(each, tuple))[:6],
        exceptions=named[:4],
        unbound=unbound[1] if (unbound := _UNBOUND.search(detail)) else "",
    )


def words(symptoms: Sequence[Symptom]) -> Words:
    """What the failing tests name together, the commonest first, a bounded number of each."""
    numbers = Counter(number for symptom in symptoms for number in symptom.numbers)
    texts = Counter(text for symptom in symptoms for text in symptom.texts)
    exceptions = Counter(name for symptom in symptoms for name in symptom.exceptions)
    return Words(
        tuple(sorted(numbers, key=lambda n: (-numbers[n], abs(n))))[:4],
        tuple(sorted(texts, key=lambda t: (-texts[t], t)))[:6],
        tuple(sorted(exceptions, key=lambda e: (-exceptions[e], e)))[:3],
        tuple(sorted({symptom.unbound for symptom in symptoms if symptom.unbound})),
    )


def boost(symptoms: Sequence[Symptom]) -> dict[str, float]:
    """Factor by tag: the mean over the failing tests of what each speaks for (1.0 is no opinion)."""
    total: dict[str, float] = {}
    for symptom in symptoms:
        own = dict(_BY_ERROR.get(symptom.error, {}))
        for kind in symptom.kinds:
            for tag, factor in _BY_KIND[kind].items():
                own[tag] = max(own.get(tag, 1.0), factor)
        for tag, factor in own.items():
            total[tag] = total.get(tag, 0.0) + factor - 1.0
    return {tag: 1.0 + extra / len(symptoms) for tag, extra in total.items()}


def _compare_sides(assertion: str, actual: set[str]) -> Iterator[_Finding]:
    """Read `left == right`; the left side is what was computed unless pytest's `where` lines say otherwise."""
    if assertion.startswith("not ") or assertion in ("False", "True", "None"):
        yield "truth" if assertion != "None" else "none"
        return
    for token in _SPLITS:
        left, cut, right = assertion.partition(token)
        if not cut:
            continue
        if token.strip() not in ("==", "is"):
            yield "truth" if token.strip() in ("in", "not in") else "number"
            return
        if right in actual and left not in actual:
            left, right = right, left
        yield from _differ(_value(left), _value(right))
        return


_UNREADABLE = object()


def _value(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text.strip())
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            return _UNREADABLE


def _differ(wrong: Any, right: Any, depth: int = 0) -> Iterator[_Finding]:
    """In which way a value is wrong; collections by their first element that differs."""
    if wrong is _UNREADABLE or right is _UNREADABLE or depth > 4:
        return
    if isinstance(wrong, bool) or isinstance(right, bool):
        yield "truth"
    elif wrong is None or right is None:
        yield "none"
    elif isinstance(wrong, int | float) and isinstance(right, int | float):
        yield "number"
        if abs(wrong - right) == 1:
            yield "one off"
        if wrong == -right:
            yield "sign"
        if abs(right) < 10**9:
            yield right
    elif isinstance(wrong, str) and isinstance(right, str):
        yield from _texts(wrong, right)
    elif isinstance(wrong, list | tuple) and isinstance(right, list | tuple):
        if len(wrong) != len(right):
            yield "length"
        elif sorted(map(repr, wrong)) == sorted(map(repr, right)):
            yield "order"
        else:
            unequal = [pair for pair in zip(wrong, right, strict=True) if pair[0] != pair[1]]
            yield from _differ(*unequal[0], depth + 1) if unequal else ()
    elif isinstance(wrong, dict) and isinstance(right, dict):
        keys = sorted((key for key in wrong.keys() & right.keys() if wrong[key] != right[key]), key=repr)
        yield from _differ(wrong[keys[0]], right[keys[0]], depth + 1) if keys else ("length",)


def _texts(wrong: str, right: str) -> Iterator[_Finding]:
    """Cut what both have in common at the ends; the middles are the wrong piece and the right one."""
    yield "text"
    if wrong.lower() == right.lower():
        yield "case"
    if "".join(wrong.split()) == "".join(right.split()):
        yield "blanks"
    elif sorted(wrong) == sorted(right):
        yield "order"
    head, tail = common_ends(wrong, right)
    piece = (wrong[head : len(wrong) - tail], right[head : len(right) - tail])
    if max(map(len, piece)) <= 40:
        yield piece
