"""The evaluator `wasm`: WASI modules and components, for real, in a process of their own in the sandbox."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from evaluator_desk import Asking, blueprint_of
from pydantic import ValidationError

from maabarium.errors import EvaluationError
from maabarium.evaluators.wasm import WasmEvaluator, wasm_problems
from maabarium.plugins.hook_requests import BlueprintCheck
from maabarium.records import Evaluation
from maabarium.sandbox import SANDBOXES

EXAMPLES = Path(__file__).parents[2] / "examples" / "evaluators"
TODOS = EXAMPLES / "todos" / "todos.wasm"
METRIC = {"name": "todos", "source": "wasm:todos", "direction": "minimize"}
WASI = "wasi_snapshot_preview1"


def write(place: Path, text: str) -> Path:
    place.write_bytes(wasmtime.wat2wasm(text))
    return place


def octets(text: str) -> str:
    """Text as it stands in a WAT string."""
    return "".join(f"\\{byte:02x}" for byte in text.encode())


def module(body: str, data: str = "") -> str:
    """A module with a few host calls, text at 64, and a body for `_start`."""
    return f"""(module
      (import "{WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "{WASI}" "proc_exit" (func $exit (param i32)))
      (import "{WASI}" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "{WASI}" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
      (import "{WASI}" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 64) "{octets(data)}")
      (func $answer
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const {len(data.encode())}))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))))
      (func (export "_start") {body}))"""


def answering(text: str) -> str:
    """A module that writes an answer and ends."""
    return module("(call $answer)", text)


def opening(path: str, *, create: bool = False) -> str:
    """A module that ends with the error number of opening a path of its folder; 0 is success."""
    flags, rights = (1, 64) if create else (0, 2)
    return module(
        f"""(call $exit (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const {len(path.encode())})
          (i32.const {flags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 32)))""",
        path,
    )


GOOD = '{"protocolVersion":2,"scores":[{"name":"todos","value":4}]}'


def ask(request: Any, path: Path, **options: Any) -> Evaluation:
    return WasmEvaluator({"path": str(path), **options}).evaluate(request)


@pytest.fixture
def blueprint() -> Any:
    return blueprint_of([METRIC], {"kind": "wasm"})


def test_the_built_example_is_that_of_its_source() -> None:
    assert TODOS.read_bytes() == wasmtime.wat2wasm(TODOS.with_suffix(".wat").read_text())


def test_the_example_counts_in_the_tree(blueprint: Any, asking: Asking) -> None:
    request = asking(blueprint)
    (request.workspace.path / "app.py").write_text("# TODO\n" + "x" * 65_526 + "TO" + "DO TODOTODO todo T ODO\n")
    assert ask(request, TODOS).values() == {"todos": 4}
    (request.workspace.path / "app.py").unlink()
    gate = ask(request, TODOS).failed_gate
    assert gate is not None
    assert (gate.reason_code, gate.detail) == ("crashed", "todos.wasm ended with status 1")


def test_two_questions_get_two_answers_from_one_evaluator(blueprint: Any, asking: Asking) -> None:
    evaluator, request = WasmEvaluator({"path": str(TODOS)}), asking(blueprint)
    for count in (1, 12):
        (request.workspace.path / "app.py").write_text("TODO " * count)
        assert evaluator.evaluate(request).values() == {"todos": count}


@pytest.mark.parametrize(
    ("path", "create"),
    [
        ("../outside.txt", False),
        ("/etc/passwd", False),
        ("link", False),
        ("folder/../../outside.txt", False),
        ("new.txt", True),
        ("app.py", True),
    ],
)
def test_nothing_but_the_tree_is_reached_and_that_only_to_read(
    blueprint: Any, asking: Asking, tmp_path: Path, path: str, create: bool
) -> None:
    request = asking(blueprint)
    tree = request.workspace.path
    (tree / "app.py").write_text("x")
    (tree / "folder").mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (tree / "link").symlink_to(tmp_path / "outside.txt")
    gate = ask(request, write(tmp_path / "m.wasm", opening(path, create=create))).failed_gate
    assert gate is not None, f"{path} could be opened"
    assert "ended with status" in gate.detail
    assert sorted(entry.name for entry in tree.iterdir()) == ["app.py", "folder", "link"]
    with pytest.raises(EvaluationError, match="its answer is empty"):  # the same module can open what is there to read
        ask(request, write(tmp_path / "m.wasm", opening("app.py")))


def test_the_environment_is_empty(
    blueprint: Any, asking: Asking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    body = "(drop (call $environ (i32.const 40) (i32.const 44))) (call $answer) (call $exit (i32.load (i32.const 40)))"
    path = write(tmp_path / "m.wasm", module(body, GOOD))
    assert ask(asking(blueprint), path).values() == {"todos": 4}  # its status is the number of variables


WAITING = """(i32.store8 (i32.const 520) (i32.const 0)) (i32.store (i32.const 528) (i32.const 1))
  (i64.store (i32.const 536) (i64.const 3600000000000))
  (drop (call $poll (i32.const 512) (i32.const 1024) (i32.const 1) (i32.const 32)))"""


@pytest.mark.parametrize(
    ("body", "options", "code", "sentence"),
    [
        ("(loop (br 0))", {"fuel": 1_000_000}, "timeout", "used up its fuel of 1,000,000 instructions"),
        ("(loop (br 0))", {"timeout_seconds": 0.2}, "timeout", "did not end within 0.2 s"),
        (WAITING, {"timeout_seconds": 0.2}, "timeout", "did not end within 0.2 s"),
        ("unreachable", {}, "crashed", "unreachable"),
        ("(call $exit (i32.const 9))", {}, "crashed", "ended with status 9"),
        (
            "(if (i32.lt_s (memory.grow (i32.const 1000)) (i32.const 0)) (then unreachable)) (call $answer)",
            {"memory_mb": 32},
            "crashed",
            "unreachable",
        ),
    ],
)
def test_a_module_that_does_not_come_to_its_end_is_a_failed_gate(
    blueprint: Any, asking: Asking, tmp_path: Path, body: str, options: Any, code: str, sentence: str
) -> None:
    began = time.monotonic()
    gate = ask(asking(blueprint), write(tmp_path / "m.wasm", module(body, GOOD)), **options).failed_gate
    assert gate is not None
    assert gate.reason_code == code
    assert sentence in gate.detail
    assert time.monotonic() - began < 30


def test_memory_below_the_cap_is_given(blueprint: Any, asking: Asking, tmp_path: Path) -> None:
    body = "(if (i32.lt_s (memory.grow (i32.const 1000)) (i32.const 0)) (then unreachable)) (call $answer)"
    evaluation = ask(asking(blueprint), write(tmp_path / "m.wasm", module(body, GOOD)), memory_mb=128)
    assert evaluation.values() == {"todos": 4}


def test_an_endless_answer_is_cut_and_refused(blueprint: Any, asking: Asking, tmp_path: Path) -> None:
    path = write(tmp_path / "m.wasm", module("(loop (call $answer) (br 0))", "x" * 60_000))
    request = asking(blueprint)
    gate = ask(request, path, timeout_seconds=1.0).failed_gate
    assert gate is not None
    assert gate.reason_code == "timeout"
    sizes = [file.stat().st_size for file in request.workspace.scratch.rglob("answer.json")]
    assert sizes
    assert max(sizes) <= 1024 * 1024


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "its answer is empty"),
        ("[]", "its answer must be one JSON object"),
        ('{"scores":[{"name":"todo","value":1}]}', "its answer scores .*no metric of this evaluator"),
    ],
)
def test_an_answer_that_is_none_is_an_error(
    blueprint: Any, asking: Asking, tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(EvaluationError, match=f"the evaluator wasm:m.wasm: {sentence}"):
        ask(asking(blueprint), write(tmp_path / "m.wasm", answering(text)))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "is not there"),
        (b"", "neither a WebAssembly module nor a component"),
        (b"(module)", "neither a WebAssembly module nor a component"),
        (b"\0asm\x01\0\0\0\xff", "not a valid WebAssembly module"),
        (b"\0asm\x0d\0\x01\0\xff", "not a valid WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "must export evaluate: func"),
        ("(module)", "must export the function _start"),
        ('(module (func (export "_start") (param i32)))', "must export the function _start"),
        ('(module (import "env" "f" (func)) (func (export "_start")))', "imports env.f; only"),
        ('(component (import "mine:own/door" (func)))', "imports mine:own/door; only wasi"),
        (
            '(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))'
            '(func (export "evaluate") (canon lift (core func $i "f"))))',
            "must export evaluate: func",
        ),
    ],
)
def test_a_module_that_cannot_be_an_evaluator_is_a_problem_and_an_error(
    asking: Asking, tmp_path: Path, data: bytes | str | None, sentence: str
) -> None:
    path = tmp_path / "m.wasm"
    if isinstance(data, str):
        write(path, data)
    elif data is not None:
        path.write_bytes(data)
    blueprint = blueprint_of([METRIC], {"kind": "wasm", "options": {"wasm": {"path": "m.wasm"}}})
    (problem,) = wasm_problems(BlueprintCheck(blueprint, tmp_path / "b.toml", {}))
    assert problem.where == "evaluator.options.wasm.path"
    assert sentence in problem.message
    with pytest.raises(EvaluationError, match=r"the evaluator wasm:m\.wasm: "):
        ask(asking(blueprint), path)


def test_a_blueprint_that_names_no_module_has_a_problem(blueprint: Any, tmp_path: Path) -> None:
    (problem,) = wasm_problems(BlueprintCheck(blueprint, tmp_path / "b.toml", {}))
    assert "needs the path of its module" in problem.message


def test_the_grader_is_another_one_when_the_module_changes(blueprint: Any, asking: Asking, tmp_path: Path) -> None:
    request, path = asking(blueprint), tmp_path / "m.wasm"
    first = ask(request, write(path, answering(GOOD))).grader
    again = ask(request, write(path, answering(GOOD))).grader
    other = ask(request, write(path, answering(GOOD + " "))).grader
    assert first == again
    assert len({first, other, ""}) == 3


def test_it_runs_under_a_limit_of_address_space(asking: Asking, tmp_path: Path) -> None:
    blueprint = blueprint_of([METRIC], {"kind": "wasm"}, sandbox={"memory_mb": 1024})
    assert ask(asking(blueprint), write(tmp_path / "m.wasm", answering(GOOD)), memory_mb=64).values() == {"todos": 4}


def test_the_deadline_of_the_job_holds(blueprint: Any, asking: Asking, tmp_path: Path) -> None:
    began = time.monotonic()
    gate = ask(asking(blueprint, seconds=3.3), write(tmp_path / "m.wasm", module("(loop (br 0))"))).failed_gate
    assert gate is not None
    assert gate.reason_code == "timeout"
    assert time.monotonic() - began < 20


def test_options_are_checked() -> None:
    for bad in ({"fule": 1}, {"fuel": 0}, {"memory_mb": 100_000}, {"timeout_seconds": 0}):
        with pytest.raises(ValidationError):
            WasmEvaluator(bad)


@pytest.mark.parametrize("backend", sorted(SANDBOXES))
def test_it_runs_in_whatever_confines(blueprint: Any, backend: str, asking: Asking) -> None:
    request = asking(blueprint)
    request.workspace.confine(backend)  # type: ignore[attr-defined]
    (request.workspace.path / "app.py").write_text("TODO")
    assert ask(request, TODOS).values() == {"todos": 1}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("componentize-py") is None, reason="needs componentize-py on PATH")
def test_python_source_as_a_component(asking: Asking, tmp_path: Path) -> None:
    build = EXAMPLES / "python-component" / "build.py"
    subprocess.run([sys.executable, str(build), str(tmp_path)], check=True, timeout=120)
    blueprint = blueprint_of([{"name": "nesting", "source": "wasm:nesting"}], {"kind": "wasm"})
    request = asking(blueprint, seconds=60)
    (request.workspace.path / "a.py").write_text("def f(x):\n    if x:\n        for y in x:\n            pass\n")
    evaluation = ask(request, tmp_path / "evaluator.wasm")
    assert [(m.source, m.value, m.unit) for m in evaluation.measurements] == [("nesting", 2, "blocks")]
    (request.workspace.path / "a.py").write_text("def f(:\n")
    gate = ask(request, tmp_path / "evaluator.wasm").failed_gate
    assert gate is not None
    assert gate.name == "parses"
