"""`[strategy]`: one of somebody else's, installed as its users would, changes the parents of a run and what is kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from worth_case import build_worth, install

from maabarium.errors import BlueprintError
from maabarium.plugins.manager import build_plugins
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run
from maabarium.store import StoredView

PLUGIN = '''
from maabarium import hookimpl


class FromTheStart:
    """Every proposal starts at the baseline, and so many winners are kept."""

    def __init__(self, context):
        self.most = context.options.get("most", 99)
        self.breaks = context.options.get("breaks")

    def parent(self, champions):
        if self.breaks == "parent":
            raise RuntimeError("lost my way")
        return "a" if self.breaks == "answer" else champions[0]

    def replaces(self, winner, champion):
        if self.breaks == "replaces":
            raise RuntimeError("lost my mind")
        return champion.number < self.most


@hookimpl
def maabarium_strategies():
    return {"from-the-start": FromTheStart}
'''


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    install(tmp_path / "site", "maabarium-from-the-start", "maabarium_from_the_start", PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield
    sys.modules.pop("maabarium_from_the_start", None)


def run(folder: Path, strategy: str) -> StoredView:
    blueprint = build_worth(folder, (120, 80, 70), strategy)
    with open_run(prepare_run(blueprint, RunOptions(), build_plugins())) as opened:
        list(opened.outcomes())
        return opened.view()


def parents(view: StoredView) -> list[int]:
    return [view.experiments[number].parent for number in sorted(view.experiments)]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("", [0, 0, 1, 1]),
        ('[strategy]\nkind = "keep-winner"\n', [0, 0, 1, 1]),
        ('[strategy]\nkind = "from-the-start"\n', [0, 0, 0, 0]),
    ],
)
def test_a_strategy_chooses_the_parents(tmp_path: Path, strategy: str, expected: list[int]) -> None:
    view = run(tmp_path, strategy)
    assert parents(view) == expected
    assert [outcome.verdict for outcome in view.outcomes] == ["baseline", "promoted", "rejected", "rejected"]


def test_a_strategy_says_when_a_winner_is_kept(tmp_path: Path) -> None:
    outcome = run(tmp_path, '[strategy]\nkind = "from-the-start"\noptions = { most = 0 }\n').outcomes[1]
    assert (outcome.verdict, outcome.reason_code) == ("rejected", "policy_objection")
    assert outcome.reason.endswith('the strategy "from-the-start" keeps the champion')


def test_a_strategy_that_breaks_is_named(tmp_path: Path) -> None:
    for breaks, said in (
        ("parent", 'the strategy "from-the-start" failed: RuntimeError: lost my way'),
        ("answer", "the strategy \"from-the-start\" chose 'a', which is no champion of this run"),
    ):
        (tmp_path / breaks).mkdir()
        view = run(tmp_path / breaks, f'[strategy]\nkind = "from-the-start"\noptions = {{ breaks = "{breaks}" }}\n')
        assert (view.state, view.reason) == ("failed", said)
    (tmp_path / "kept").mkdir()
    view = run(tmp_path / "kept", '[strategy]\nkind = "from-the-start"\noptions = { breaks = "replaces" }\n')
    outcome = view.outcomes[1]
    assert (outcome.verdict, outcome.reason_code) == ("error", "internal")
    assert outcome.reason == 'the strategy "from-the-start" failed: RuntimeError: lost my mind'


@pytest.mark.parametrize(
    ("strategy", "where", "said"),
    [
        ('kind = "keep-winer"', "strategy.kind", 'no strategy named "keep-winer"; did you mean "keep-winner"?'),
        ("options = { most = 1 }", "strategy.options.most", "keep-winner has no options"),
        ('knd = "keep-winner"', "strategy.knd", "kind"),
    ],
)
def test_what_is_wrong_with_the_section_is_a_problem(tmp_path: Path, strategy: str, where: str, said: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        run(tmp_path, f"[strategy]\n{strategy}\n")
    (problem,) = caught.value.problems
    assert problem.where == where
    assert said in problem.message
