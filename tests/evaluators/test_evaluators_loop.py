"""Whole runs that are graded from outside, and held back by policies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from maabarium.errors import BlueprintError
from maabarium.plugins.manager import build_plugins, contributions
from maabarium.run.prepared import prepare_run
from maabarium.run.record import RunOptions
from maabarium.run.run import open_run

EXAMPLES = Path(__file__).parents[2] / "examples"

BLUEPRINT = """
[blueprint]
name = "outside"
version = "1"
description = "graded from outside"
[domain]
repo_path = "target"
target_files = ["*.py"]
language = "python"
isolation = "snapshot"
[constraints]
max_iterations = 9
timeout_seconds = 60
require_tests_pass = true
min_improvement = 0.0
[proposer]
kind = "scripted"
path = "proposals.jsonl"
"""
PROGRAM = """
import json, pathlib, sys
asked = json.load(sys.stdin)
text = (pathlib.Path(asked["workspacePath"]) / "app.py").read_text()
if "BROKEN" in text:
    print("no answer")
elif "CRASH" in text:
    sys.exit("crashed on purpose")
else:
    print(json.dumps({"scores": [{"name": s, "value": text.count("good") / 10} for s in asked["sources"]]}))
"""


def metric(name: str, weight: float = 1.0, **more: Any) -> str:
    rows = {"name": name, "weight": weight, "direction": "maximize", **more}
    return "[[metrics.metrics]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in rows.items())


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a blueprint on proposals that each write app.py anew; gives the outcomes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = tmp_path / "work"
    (work / "target").mkdir(parents=True)
    (work / "target" / "app.py").write_text("good = 1\n")
    (work / "target" / "old.py").write_text("good = 1\n")
    (work / "target" / "test_app.py").write_text("import app\n\n\ndef test_app():\n    assert app.good == 1\n")
    (work / "program.py").write_text(PROGRAM)
    (work / "plugin.toml").write_text(
        f'[plugin]\nid = "goods"\n[process]\ncommand = {json.dumps(sys.executable)}\nargs = ["-I", "program.py"]\n'
    )

    def run(text: str, *proposals: list[dict[str, Any]] | str) -> list[Any]:
        patches = [
            [{"path": "app.py", "operation": "modify", "content": one}] if isinstance(one, str) else one
            for one in proposals
        ]
        lines = [json.dumps({"summary": f"number {n}", "file_patches": one}) + "\n" for n, one in enumerate(patches)]
        (work / "proposals.jsonl").write_text("".join(lines))
        (work / "outside.toml").write_text(BLUEPRINT + text)
        with open_run(prepare_run(work / "outside.toml", RunOptions(), build_plugins())) as prepared:
            return list(prepared.outcomes())

    return run


def test_the_core_contributes_them() -> None:
    assert {"process", "wasm"} <= contributions(build_plugins(), "evaluators").keys()


def test_a_program_grades_a_whole_run(loop: Any) -> None:
    outcomes = loop(
        metric("goodness") + '[evaluator]\nkind = "process"\nmanifest_path = "plugin.toml"\nplugin_id = "goods"\n',
        "good = good = 1\n", "CRASH", "BROKEN", "", "good = good = good = 1\n",
    )  # fmt: skip
    assert [(o.verdict, o.reason_code) for o in outcomes] == [
        ("baseline", "baseline"), ("promoted", "kept"), ("rejected", "crashed"), ("error", "internal"),
        ("rejected", "worse"), ("promoted", "kept"),
    ]  # fmt: skip
    assert "crashed on purpose" in outcomes[2].reason
    assert "the evaluator process:goods: its answer is not one JSON object" in outcomes[3].reason
    (measured,) = outcomes[5].metrics
    assert (measured.source, measured.raw, measured.champion) == ("process:goodness", 0.3, 0.2)


@pytest.mark.slow
def test_a_program_beside_the_suite_and_the_suite_beside_a_program(loop: Any) -> None:
    both = metric("goodness", 0.5, source="process:goodness") + metric("ok", 0.5, source="tests.passed")
    options = '[evaluator.options.process]\nmanifest_path = "plugin.toml"\n'
    for kind in ("pytest", "process"):
        outcomes = loop(both + f'[evaluator]\nkind = "{kind}"\n' + manifest(kind) + options, "good = 2  # good good\n")
        assert [o.verdict for o in outcomes] == ["baseline", "rejected"], outcomes[0].reason
        assert outcomes[1].failing == ("test_app.py::test_app",)
        assert {m.source for m in outcomes[0].metrics} == {"process:goodness", "tests.passed"}


def manifest(kind: str) -> str:
    return 'manifest_path = "plugin.toml"\n' if kind == "process" else ""


def test_a_module_grades_a_whole_run(loop: Any, tmp_path: Path) -> None:
    (tmp_path / "work" / "todos.wasm").write_bytes((EXAMPLES / "evaluators" / "todos" / "todos.wasm").read_bytes())
    text = metric("todos").replace("maximize", "minimize") + '[evaluator]\nkind = "wasm"\n'
    outcomes = loop(
        text + '[evaluator.options.wasm]\npath = "todos.wasm"\n',
        "# TODO TODO\n",
        [{"path": "app.py", "operation": "delete"}],
    )
    assert [(o.verdict, o.reason_code) for o in outcomes[1:]] == [("rejected", "worse"), ("rejected", "crashed")]
    assert [m.raw for m in outcomes[1].metrics] == [2]


def test_policies_object_before_anything_is_measured(loop: Any, tmp_path: Path) -> None:
    (tmp_path / "work" / "spin.wasm").write_bytes(
        wasmtime.wat2wasm(
            '(module (func (export "validate") (param i32 i64 i32 i64) (result i32)'
            "(if (i64.gt_u (local.get 1) (i64.const 20)) (then (loop (br 0)))) (i32.const 1)))"
        )
    )
    policies = f"[[policy]]\npath = {json.dumps(str(EXAMPLES / 'policies' / 'no-deletions.wasm'))}\n"
    outcomes = loop(
        metric("ok", source="tests.passed") + policies + '[[policy]]\npath = "spin.wasm"\n',
        [{"path": "old.py", "operation": "delete"}],
        "good = 1  # " + "x" * 40,
        "good = 1 # x\n",
        "good = 1\n" + "#" * 2**20,
    )
    assert [(o.verdict, o.reason_code) for o in outcomes[1:]] == [
        ("invalid", "policy_objection"), ("invalid", "policy_objection"), ("rejected", "no_gain"),
        ("invalid", "policy_objection"),
    ]  # fmt: skip
    assert "policy no-deletions.wasm  deletes a file" in outcomes[1].reason
    assert "policy spin.wasm  used up its fuel" in outcomes[2].reason
    assert "policy size (built in)  1 file with 1,048,585 bytes: not allowed" in outcomes[4].reason


@pytest.mark.parametrize(
    ("text", "where", "sentence"),
    [
        ('[[policy]]\npath = "gone.wasm"\n', "policy[0].path", "gone.wasm is not there"),
        ('[[policy]]\npath = "plugin.toml"\n', "policy[0].path", "is not a WebAssembly core module"),
        (
            '[evaluator]\nkind = "process"\nmanifest_path = "gone.toml"\n',
            "evaluator.manifest_path",
            "there is no manifest gone.toml",
        ),
        ('[evaluator]\nkind = "wasm"\n', "evaluator.options.wasm.path", "needs the path of its module"),
        ("[evaluator.options.wasm]\nfule = 3\n", "evaluator.options.wasm.fule", "not"),
    ],
)
def test_what_cannot_run_is_a_problem_before_the_run(loop: Any, text: str, where: str, sentence: str) -> None:
    with pytest.raises(BlueprintError) as caught:
        loop(metric("goodness" if "kind" in text else "correctness") + text)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert sentence in problem.message


def test_what_grades_may_not_be_changed(loop: Any, tmp_path: Path) -> None:
    work = tmp_path / "work"
    for name in ("program.py", "plugin.toml"):
        (work / name).rename(work / "target" / name)
    outcomes = loop(
        metric("goodness") + '[evaluator]\nkind = "process"\nmanifest_path = "plugin.toml"\n',
        [{"path": "program.py", "operation": "modify", "content": "print('{}')"}],
    )
    assert (outcomes[1].verdict, outcomes[1].reason_code) == ("invalid", "out_of_bounds")
