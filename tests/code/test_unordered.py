"""Which code is seen to use what has no order."""

from __future__ import annotations

import pytest

from maabarium.code.unordered import unordered_uses


@pytest.mark.parametrize(
    ("code", "uses"),
    [
        ("list(set(rows))", 1),
        ("{a, b}", 1),
        ("{a for a in b}", 1),
        ("os.listdir(folder); folder.glob('*')", 2),
        ("sorted(rows, key=id)", 1),
        ("a.keys() & b.keys()", 2),
        ("{}", 0),
        ("{'set': 1}", 0),
        ("dict.fromkeys(rows)", 0),
        ("def (", 0),
    ],
)
def test_uses(code: str, uses: int) -> None:
    assert unordered_uses(code.encode()) == uses
