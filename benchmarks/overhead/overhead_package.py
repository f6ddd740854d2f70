"""The published package of the overhead benchmark: pydash, pure Python, 1 902 tests that take a few seconds.

Its source release is fetched by pip into a cache folder, once. Left out: `tests/pytest_mypy_testing` (needs a plug-in
of its own) and the thirteen tests that wait for a clock or compare with one.
"""

from __future__ import annotations

from pathlib import Path

import fetching

__all__ = ["FAULTS", "NAME", "faulty", "sound", "unpack"]

NAME = "pydash==8.1.0"
INI = """[pytest]
testpaths = tests
pythonpath = src
norecursedirs = pytest_mypy_testing
addopts = -k "not debounce and not throttle and not delay and not test_now"
"""
FAULTS = {
    "chunk": ("arrays", "int(ceil(len(array) / float(size)))", "int(len(array) / float(size))"),
    "clamp": ("numerical", "        x = upper  # type: ignore\n", "        x = lower  # type: ignore\n"),
    "surround": ("strings", 'return f"{wrapper}{text}{wrapper}"', 'return f"{wrapper}{text}"'),
    "partition": ("collections", "return [trues, falses]", "return [falses, trues]"),
    "is_increasing": ("predicates", "is_monotone(value, operator.le)", "is_monotone(value, operator.lt)"),
}
"""One planted fault each: function, its module, what is there, what stands there instead."""


def unpack(target: Path) -> str:
    """Put the package's release into `target`; a sentence that says why, when it cannot be had."""
    problem = fetching.unpack(NAME, target)
    if not problem:
        (target / "pytest.ini").write_text(INI, encoding="utf-8")
    return problem


def sound(target: Path, number: int) -> tuple[str, str, str]:
    """A proposal that changes nothing that a test sees: one more private constant."""
    path = f"src/pydash/{list(FAULTS.values())[number % len(FAULTS)][0]}.py"
    return f"sound {number}", path, (target / path).read_text(encoding="utf-8") + f"\n\n_UNUSED = {number}\n"


def faulty(target: Path, function: str) -> tuple[str, str, str]:
    """A proposal with the fault of this function."""
    module, old, new = FAULTS[function]
    path = f"src/pydash/{module}.py"
    text = (target / path).read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise SystemExit(f"{path} holds {old!r} {text.count(old)} times; the faults are written for {NAME}")
    return f"fault in {function}", path, text.replace(old, new)
