"""The plug-in manager: contributions, names, and plug-ins that break."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import pytest
from worth_case import install

from maabarium import hookimpl
from maabarium.errors import BlueprintError, PluginError, Problem
from maabarium.plugins.hookspecs import RunFinish
from maabarium.plugins.manager import KINDS, PluginWarning, build_plugins, contributions, lookup, make, notify
from maabarium.suggestions import suggestion

FINISH = RunFinish("3f9c01aa", "completed", "done", 0)


class Gives:
    def __init__(self, **names: Any) -> None:
        self.names = names

    @hookimpl
    def maabarium_executors(self) -> dict[str, Any]:
        return self.names


def test_our_own_plugins_come_through_entry_points() -> None:
    manager = build_plugins()
    entries = {entry.name for entry in importlib.metadata.entry_points(group="maabarium")}
    assert {"maabarium", "maabarium_pytest"} <= entries
    assert entries <= {name for name, _ in manager.list_name_plugin()}
    assert {"serial", "threads"} <= contributions(manager, "executors").keys()
    assert all(contributions(build_plugins(entry_points=False), kind) == {} for kind in KINDS)


def test_each_manager_is_its_own() -> None:
    first, second = build_plugins(Gives(a=1), entry_points=False), build_plugins(entry_points=False)
    assert contributions(first, "executors") == {"a": 1}
    assert contributions(second, "executors") == {}


def test_contributions_are_merged_and_sorted() -> None:
    manager = build_plugins(Gives(b=1, c=2), Gives(a=3), entry_points=False)
    assert list(contributions(manager, "executors").items()) == [("a", 3), ("b", 1), ("c", 2)]


def test_a_name_given_twice_is_refused_with_both_givers() -> None:
    manager = build_plugins(entry_points=False)
    manager.register(Gives(pool=1), name="first")
    manager.register(Gives(pool=2), name="second")
    with pytest.raises(PluginError, match=r"'pool' is contributed twice, by (first and second|second and first)"):
        contributions(manager, "executors")


def test_an_unknown_name_gets_a_suggestion() -> None:
    manager = build_plugins(Gives(threads=1, serial=2), entry_points=False)
    assert lookup(manager, "executors", "serial") == 2
    with pytest.raises(PluginError, match='no executor named "thread"; did you mean "threads"'):
        lookup(manager, "executors", "thread")
    with pytest.raises(PluginError, match="there is: serial, threads"):
        lookup(manager, "executors", "zzz")


@pytest.mark.parametrize(
    ("kind", "one"),
    [
        ("providers", "provider"), ("proposers", "proposer"), ("evaluators", "evaluator"), ("executors", "executor"),
        ("sandboxes", "sandbox"), ("strategies", "strategy"),
    ],
)  # fmt: skip
def test_every_kind_has_its_word(kind: str, one: str) -> None:
    with pytest.raises(PluginError, match=f'^no {one} named "x"; there is none'):
        lookup(build_plugins(entry_points=False), kind, "x")


def test_two_distributions_with_one_entry_point_name_are_both_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from maabarium import hookimpl\n@hookimpl\ndef maabarium_executors():\n    return {%r: print}\n"
    for name in ("one", "two"):
        install(tmp_path, f"outside-{name}", f"outside_{name}", text % name, entry="extra")
    monkeypatch.syspath_prepend(tmp_path)
    manager = build_plugins()
    assert {"one", "two"} <= contributions(manager, "executors").keys()
    names = {name for name, _ in manager.list_name_plugin() if name.startswith("extra")}
    assert names == {"extra of outside-one", "extra of outside-two"}
    (tmp_path / "outside_two.py").write_text(text % "one" + "\n")  # another size, so that no bytecode stands for it
    sys.modules.pop("outside_two")
    with pytest.raises(PluginError, match=r"'one' is contributed twice, by extra of outside-\w+ and extra of outside-"):
        contributions(build_plugins(), "executors")
    for name in ("one", "two"):
        sys.modules.pop(f"outside_{name}")


@pytest.mark.parametrize(
    ("answer", "said"), [(RuntimeError("no"), "RuntimeError: no"), ([], r"with \[\], which is no")]
)
def test_contributions_that_break_are_named(answer: Any, said: str) -> None:
    class Breaks:
        @hookimpl
        def maabarium_executors(self) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    manager = build_plugins(entry_points=False)
    manager.register(Breaks(), name="breaks")
    with pytest.raises(PluginError, match=f"the plug-in breaks .*maabarium_executors.*{said}"):
        contributions(manager, "executors")


def test_suggestions_take_any_collection_of_names() -> None:
    assert suggestion("modfy", ("modify", "delete")) == '; did you mean "modify"?'


def test_a_hook_that_does_not_exist_is_refused() -> None:
    class Wrong:
        @hookimpl
        def maabarium_executor(self) -> dict[str, Any]:
            return {}

    with pytest.raises(PluginError, match="maabarium_executor"):
        build_plugins(Wrong(), entry_points=False)


def test_a_hook_with_an_unknown_argument_is_refused() -> None:
    class Wrong:
        @hookimpl
        def maabarium_run_finish(self, request: Any, more: Any) -> None: ...

    with pytest.raises(PluginError, match="more"):
        build_plugins(Wrong(), entry_points=False)


def test_a_factory_that_breaks_is_named_and_what_it_says_of_a_blueprint_is_passed_on() -> None:
    def breaks(workers: int) -> Any:
        raise ValueError("no threads here")

    def refuses(workers: int) -> Any:
        raise BlueprintError("demo", [Problem("execution.workers", "too many")])

    manager = build_plugins(Gives(breaks=breaks, refuses=refuses), entry_points=False)
    with pytest.raises(PluginError, match='the executor "breaks" cannot be made: ValueError: no threads here'):
        make(manager, "executors", "breaks", 2)
    with pytest.raises(BlueprintError, match="too many"):
        make(manager, "executors", "refuses", 2)


def test_an_entry_point_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = importlib.metadata.EntryPoint("lost", "maabarium_no_such_module", "maabarium")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    with pytest.raises(PluginError, match=r"the plug-in lost cannot be loaded: .*maabarium_no_such_module"):
        build_plugins()


def test_a_notified_plugin_that_fails_is_warned_about_and_the_others_are_told() -> None:
    told: list[Any] = []

    class Fails:
        @hookimpl(tryfirst=True)
        def maabarium_run_finish(self, request: Any) -> None:
            raise RuntimeError("no network")

    class Listens:
        @hookimpl
        def maabarium_run_finish(self, request: Any) -> None:
            told.append(request)

    class AsksNothing:
        @hookimpl
        def maabarium_run_finish(self) -> None:
            told.append(None)

    manager = build_plugins(Fails(), Listens(), Fails(), AsksNothing(), entry_points=False)
    with pytest.warns(PluginWarning, match="failed in maabarium_run_finish: no network") as warned:
        notify(manager, "run_finish", FINISH)
    assert len(warned) == 2
    assert sorted(told, key=str) == [None, FINISH]
