"""The layers of docs/architecture.md, held by a walk over every import of both packages."""

from __future__ import annotations

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest
from house import Import, doubled_classes, find_modules, imports_of, length_of, lonely_modules

ROOT = Path(__file__).parents[1]
OURS = ("maabarium", "maabarium_pytest")

LAYERS: dict[str, int] = {
    # 0 values and rules: pure
    "maabarium.code": 0,
    "maabarium.errors": 0,
    "maabarium.records": 0,
    "maabarium.events": 0,
    "maabarium.safe_text": 0,
    "maabarium.causes": 0,
    "maabarium.suggestions": 0,
    "maabarium.scanner": 0,
    "maabarium.secret": 0,
    "maabarium.blueprint": 0,
    "maabarium.scoring": 0,
    "maabarium.acceptance": 0,
    # 1 plug points, and files that foreign programs may touch
    "maabarium.folders": 1,
    "maabarium.plugins": 1,
    "maabarium": 1,
    # 2 adapters
    "maabarium.workspace": 2,
    "maabarium.store": 2,
    "maabarium.sandbox": 2,
    "maabarium.models": 2,
    "maabarium.proposers": 2,
    "maabarium.evaluators": 2,
    "maabarium.state_paths": 2,
    "maabarium.log": 2,
    # 3 a worker
    "maabarium.worker": 3,
    # 4 the engine's room, and where rooms are put together
    "maabarium.engine": 4,
    "maabarium.plugins.builtin": 4,
    "maabarium.doctor": 4,
    "maabarium.run": 4,
    # 5 front ends
    "maabarium.__main__": 5,
    "maabarium.cli": 5,
    "maabarium.report": 5,
    "maabarium.console": 5,
    "maabarium_pytest": 5,
}
"""Longest prefix wins. A module that is not listed fails the test: place it on purpose."""

ADAPTERS = tuple(room for room, layer in LAYERS.items() if layer == 2)

ALLOWED = {("maabarium.evaluators", "maabarium.sandbox")}
"""Adapters that may import another: an evaluator from outside runs in a cage of the sandbox's."""

HOMES: dict[str, tuple[str, ...]] = {
    "click": ("maabarium.cli",),
    "git": ("maabarium.workspace",),
    "httpx": ("maabarium.models", "maabarium_pytest.conformance"),
    "iniconfig": ("maabarium_pytest.grading",),  # comes with pytest
    "genai_prices": ("maabarium.models",),
    "jinja2": ("maabarium.report",),
    "keyring": ("maabarium.models.keys",),
    "libcst": ("maabarium.code", "maabarium.proposers.mutate"),
    "llm": ("maabarium.models",),
    "markupsafe": ("maabarium.report",),  # comes with jinja2
    "optuna": ("maabarium.proposers.mutate",),
    "pathspec": ("maabarium.blueprint",),
    "pluggy": ("maabarium.plugins.hookspecs", "maabarium.plugins.manager", "maabarium_pytest"),
    "pydantic": (
        "maabarium.run.binding",
        "maabarium.blueprint",
        "maabarium.evaluators",
        "maabarium.events",
        "maabarium.plugins.manager",
        "maabarium.proposers",
        "maabarium.records",
        "maabarium.store",
        "maabarium_pytest.grading",
    ),
    "pydantic_core": ("maabarium.store",),  # comes with pydantic
    "pyflakes": ("maabarium_pytest.grading",),
    "pytest": ("maabarium_pytest",),
    "_pytest": (),  # private: nobody
    "radon": ("maabarium_pytest.grading",),
    "sqlite_utils": ("maabarium.store",),
    "wasmtime": ("maabarium.sandbox",),
    "xllamacpp": ("maabarium.models",),
}
"""Third-party library -> the rooms that may import it."""

OF_THE_TARGET = {"coverage"}
"""What belongs to the target's environment; imported there only if it is installed."""

LONGEST = 300
"""Lines of a module."""
MOST_SMALL = 9
"""Modules under 80 lines with one importer beside them: most are a part of that importer."""
FORBIDDEN_NAMES = {"utils", "helpers", "common", "util", "misc"}


MODULES = find_modules(ROOT)


IMPORTS = [found for name, path in MODULES.items() for found in imports_of(name, path, MODULES)]


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def is_ours(name: str) -> bool:
    return name.split(".")[0] in OURS


def layer_of(name: str) -> int | None:
    if name == "maabarium":
        return LAYERS[name]
    rooms = [room for room in LAYERS if room != "maabarium" and within(name, room)]
    return LAYERS[max(rooms, key=len)] if rooms else None


def adapter_of(name: str) -> str | None:
    return next((room for room in ADAPTERS if within(name, room)), None)


def cycle_in(imports: list[Import]) -> list[str]:
    """The modules of one cycle, or nothing. A package's `__init__` does not count as imported by its modules."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if is_ours(found.name) and found.name != found.importer:
            graph.setdefault(found.importer, set()).add(found.name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def faults(imports: list[Import]) -> list[str]:
    """Every breach of the layers among these imports, as sentences."""
    said = []
    for found in imports:
        if found.hidden and is_ours(found.name):
            said.append(f"{found} inside a function")
        if not is_ours(found.name):
            continue
        above, below = layer_of(found.importer), layer_of(found.name)
        if above is None or below is None:
            said.append(f"{found}: one of them has no layer; add it to LAYERS")
        elif below > above:
            said.append(f"{found}: from layer {above} up to {below}")
        mine, other = adapter_of(found.importer), adapter_of(found.name)
        if mine and other and mine != other and (mine, other) not in ALLOWED:
            said.append(f"{found}: adapters do not import one another")
    return said


def test_every_module_has_a_layer() -> None:
    assert [name for name in MODULES if layer_of(name) is None] == []


def test_imports_point_down() -> None:
    assert faults(IMPORTS) == []


def test_no_cycle() -> None:
    assert cycle_in(IMPORTS) == []


def test_third_party_libraries_live_in_their_rooms() -> None:
    strays = []
    for found in IMPORTS:
        top = found.name.split(".")[0]
        if top in sys.stdlib_module_names or top in OURS or within(found.importer, "maabarium_pytest.target"):
            continue
        if not any(within(found.importer, room) for room in HOMES.get(top, ())):
            strays.append(str(found))
    assert strays == []


def test_the_core_never_imports_pytest() -> None:
    core = [found for found in IMPORTS if within(found.importer, "maabarium")]
    assert [str(found) for found in core if found.name.split(".")[0] in ("pytest", "_pytest", "maabarium_pytest")] == []


def test_the_target_side_needs_standard_library_and_pytest_only() -> None:
    foreign = []
    for found in IMPORTS:
        if not within(found.importer, "maabarium_pytest.target") or within(found.name, "maabarium_pytest.target"):
            continue
        top = found.name.split(".")[0]
        if not (top in sys.stdlib_module_names or top == "pytest" or (top in OF_THE_TARGET and found.hidden)):
            foreign.append(str(found))
    assert foreign == []


def test_the_target_side_is_written_for_its_oldest_interpreter() -> None:
    for name, path in MODULES.items():
        if within(name, "maabarium_pytest.target"):
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1:\n        pass\n", feature_version=(3, 9))


def test_the_pytest_evaluator_is_an_outsider() -> None:
    """What grades a target may use of the core what any plug-in may: values and plug points."""
    grading = [found for found in IMPORTS if within(found.importer, "maabarium_pytest.grading")]
    assert [str(f) for f in grading if within(f.name, "maabarium") and (layer_of(f.name) or 0) > 1] == []
    assert any(within(f.name, "maabarium") for f in grading)


def test_the_plug_in_that_every_session_imports_is_small() -> None:
    """`maabarium_pytest.plugin` may reach, directly or not, neither the core nor a heavy library."""
    reached, waiting = set[str](), ["maabarium_pytest.plugin"]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting.extend(f.name for f in IMPORTS if f.importer == name and not f.hidden)
    outside = {name.split(".")[0] for name in reached} - set(sys.stdlib_module_names)
    assert outside == {"maabarium_pytest", "pytest"}


def test_python_files_are_read_in_one_room() -> None:
    """A single expression, such as a marker's rule, is no file; the target's side may import nothing of ours."""
    outside = [n for n in MODULES if not within(n, "maabarium.code") and not within(n, "maabarium_pytest.target")]
    calls = (
        (name, node)
        for name in outside
        for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("ast.parse", "compile", "cst.parse_module")
    )
    readers = [f"{name}:{node.lineno}" for name, node in calls if "mode='eval'" not in ast.unparse(node)]
    assert readers == []


def test_modules_are_short() -> None:
    lengths = {name: length_of(path) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_class_name_is_defined_twice() -> None:
    assert doubled_classes(MODULES) == {}


def test_few_modules_are_small_and_serve_one_neighbour() -> None:
    small = lonely_modules(MODULES)
    assert len(small) <= MOST_SMALL, small


def test_modules_are_named_by_a_noun() -> None:
    assert [name for name in MODULES if FORBIDDEN_NAMES & set(name.split("."))] == []


def test_the_architecture_page_has_the_same_layers() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", page, flags=re.MULTILINE)
    shown = {room: int(layer) for layer, rooms in rows for room in re.findall(r"`([\w.]+)`", rooms)}
    unlisted = ("maabarium", "maabarium.__main__", "maabarium.console")
    assert shown == {room.removeprefix("maabarium."): n for room, n in LAYERS.items() if room not in unlisted}


# --- the walk itself sees what it is there for ---


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    for folder in ("maabarium/engine", "maabarium/store", "maabarium/workspace", "maabarium_pytest"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text("")
    return tmp_path


def seen_in(root: Path) -> list[Import]:
    modules = find_modules(root)
    return [found for name, path in modules.items() for found in imports_of(name, path, modules)]


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("maabarium/records.py", "from maabarium import engine\n", "from layer 0 up to 4"),
        ("maabarium/scoring.py", "import maabarium.store\n", "from layer 0 up to 2"),
        ("maabarium/store/rows.py", "from maabarium.workspace import git\n", "adapters do not import one another"),
        ("maabarium/engine/engine.py", "def f():\n    from maabarium.records import Outcome\n", "inside a function"),
        ("maabarium/store/rows.py", "from ..workspace import git\n", "adapters do not import one another"),
        ("maabarium/novelty.py", "import maabarium.records\n", "has no layer"),
    ],
)
def test_a_breach_is_seen(planted: Path, file: str, text: str, complaint: str) -> None:
    for known in ("engine/engine", "engine/__init__", "records"):
        (planted / "maabarium" / f"{known}.py").write_text("")
    (planted / file).write_text(text)
    (said,) = faults(seen_in(planted))
    assert complaint in said


def test_a_cycle_is_seen(planted: Path) -> None:
    (planted / "maabarium/engine/running_experiment.py").write_text("from maabarium.engine.engine import Engine\n")
    (planted / "maabarium/engine/engine.py").write_text(
        "from maabarium.engine.running_experiment import RunningExperiment\n"
    )
    cycle = cycle_in(seen_in(planted))
    assert set(cycle) == {"maabarium.engine.engine", "maabarium.engine.running_experiment"}
    assert all(a != b for a, b in pairwise(cycle))


def test_a_class_that_is_defined_twice_is_seen(planted: Path) -> None:
    """Whichever package it is in, and also inside another class or a function."""
    (planted / "maabarium/records.py").write_text("class Thing:\n    class Inner: ...\n")
    (planted / "maabarium_pytest/target").mkdir()
    (planted / "maabarium_pytest/target/things.py").write_text("def f():\n    class Thing: ...\n    class Inner: ...\n")
    modules = find_modules(planted)
    both = ["maabarium.records", "maabarium_pytest.target.things"]
    assert doubled_classes(modules) == {"Inner": both, "Thing": both}


def test_a_small_module_with_one_neighbour_is_seen(planted: Path) -> None:
    """Not one that is long, has two importers, or serves another folder."""
    store = planted / "maabarium/store"
    (store / "part.py").write_text("PART = 1\n")
    (store / "shared.py").write_text("PART = 1\n")
    (store / "long.py").write_text("PART = 1\n" * 80)
    (store / "far.py").write_text("PART = 1\n")
    (store / "whole.py").write_text("from maabarium.store import part, long, shared\n")
    (store / "other.py").write_text("from maabarium.store.shared import PART\n")
    (planted / "maabarium/workspace/user.py").write_text("import maabarium.store.far\n")
    found = lonely_modules(find_modules(planted))
    assert found == {"maabarium.store.part": "maabarium.store.whole"}
