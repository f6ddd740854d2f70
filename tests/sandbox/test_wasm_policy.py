"""Policies: the two interfaces, the built-in one and the example, and everything that goes wrong inside a module."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import Problem, SandboxError
from maabarium.plugins.hook_requests import BlueprintCheck, ProposalCheck
from maabarium.records import Experiment, FileEdit, Proposal
from maabarium.sandbox.policy import (
    BUILT_IN,
    MAX_BYTES,
    MAX_FILES,
    WasmPolicy,
    anchored,
    policy_objections,
    policy_problems,
    question,
)  # fmt: skip
from maabarium.sandbox.wasm import CORE, WasmLimits

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "policies" / "no-deletions.wasm"
SHORT = WasmLimits(fuel=50_000_000, memory=4 * 1024 * 1024, seconds=5)


def blueprint_with(*paths: Path | str) -> Blueprint:
    return Blueprint.model_validate(
        {
            "blueprint": {"name": "p", "version": "1", "description": ""},
            "domain": {"repo_path": ".", "target_files": ["src/**"], "language": "python", "protected": ["/ci"]},
            "constraints": {
                "max_iterations": 1, "timeout_seconds": 5, "require_tests_pass": True, "min_improvement": 0,
            },
            "metrics": {"metrics": [{"name": "a", "weight": 1, "direction": "maximize"}]},
            "policy": [{"path": str(path)} for path in paths],
        }
    )  # fmt: skip


def edit(path: str = "src/a.py", content: bytes | None = b"x", operation: Any = "modify") -> FileEdit:
    return FileEdit(path=path, operation=operation, content=content)


def check(*edits: FileEdit, paths: tuple[Path | str, ...] = ()) -> list[str]:
    experiment = Experiment(number=4, parent=0, parent_commit="", parent_tree="")
    request = ProposalCheck(blueprint_with(*paths), Proposal(summary="s", edits=edits), experiment)
    return [str(problem) for problem in policy_objections(request)]


def policy(wat: str, limits: WasmLimits = SHORT) -> WasmPolicy:
    return WasmPolicy.of("p.wasm", bytes(wasmtime.wat2wasm(wat)), limits)


def ask(found: WasmPolicy, *edits: FileEdit) -> list[Problem]:
    return found.objections(blueprint_with(), Proposal(summary="s", edits=edits or (edit(),)), 1)


def answering(answer: bytes) -> str:
    """A policy that always gives the same answer."""
    data = "".join(f"\\{byte:02x}" for byte in answer)
    pages = (len(answer) + 1024) // 65536 + 2
    return f"""(module (memory (export "memory") {pages})
      (data (i32.const 65536) "{data}")
      (func (export "alloc") (param i32) (result i32) (i32.const 0))
      (func (export "objections") (param i32 i32) (result i64)
        (i64.or (i64.shl (i64.const 65536) (i64.const 32)) (i64.const {len(answer)}))))"""


def failing(body: str) -> str:
    """A policy of the first interface with this body."""
    return f"""(module (memory (export "memory") 1)
      (func $validate (export "validate") (param i32 i64 i32 i64) (result i32) {body}))"""


# --- the built-in policy, the original's limits ---


def test_the_built_modules_are_those_of_their_sources() -> None:
    for built in (BUILT_IN, EXAMPLE):
        assert built.read_bytes() == wasmtime.wat2wasm(built.with_suffix(".wat").read_text())


def test_the_limits_are_256_files_and_one_mebibyte() -> None:
    assert check(*[edit(f"src/{n}.py") for n in range(MAX_FILES)]) == []
    (said,) = check(*[edit(f"src/{n}.py") for n in range(MAX_FILES + 1)])
    assert "257 files with 257 bytes: not allowed (limits: 256 files, 1,048,576 bytes)" in said
    assert check(edit(content=b"x" * (MAX_BYTES - 1)), edit("src/b.py")) == []
    (said,) = check(edit(content=b"x" * MAX_BYTES), edit("src/b.py"))
    assert "2 files with 1,048,577 bytes" in said


@given(*[st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1)] * 2)
def test_the_module_compares_as_it_says(files: int, size: int, most_files: int, most_bytes: int) -> None:
    with WasmPolicy.load(BUILT_IN).module.instance() as instance:
        allowed = instance.call("validate", files, size, most_files, most_bytes)
    assert allowed == int(files <= most_files and size <= most_bytes)


def test_it_compares_unsigned() -> None:
    with WasmPolicy.load(BUILT_IN).module.instance() as instance:
        assert instance.call("validate", -1, 0, 256, 10) == 0
        assert instance.call("validate", 1, -1, 256, 10) == 0


# --- the second interface ---


def test_the_example_objects_to_deletions() -> None:
    assert check(edit(), paths=(EXAMPLE,)) == []
    assert check(edit("src/old.py", None, "delete"), paths=(EXAMPLE,)) == [
        "policy no-deletions.wasm  deletes a file; leave it, and say why it is not used"
    ]
    assert check(edit(content=b'"operation":"delete"'), paths=(EXAMPLE,)) == []
    assert check(edit('"operation":"delete"'), paths=(EXAMPLE,)) == []
    assert check(*[edit(f"src/{n}.py", b"y" * 400_000) for n in range(2)], paths=(EXAMPLE,)) == []


def test_what_a_policy_is_asked() -> None:
    edits = (
        edit(content="é".encode()), edit("src/b", b"\xff\0", "create"), edit("src/c", None, "delete"),
    )  # fmt: skip
    asked = question(blueprint_with(), Proposal(summary="why", edits=edits, author="me"), 9)
    assert asked.isascii()
    assert b'"operation":"delete"' in asked
    assert json.loads(asked) == {
        "protocolVersion": 1, "blueprint": "p", "number": 9, "summary": "why", "author": "me", "targets": ["src/**"],
        "protected": ["/ci"],
        "files": [
            {"path": "src/a.py", "operation": "modify", "executable": False, "encoding": "utf-8", "content": "é"},
            {
                "path": "src/b", "operation": "create", "executable": False, "encoding": "base64",
                "content": base64.b64encode(b"\xff\0").decode(),
            },
            {"path": "src/c", "operation": "delete", "executable": False},
        ],
    }  # fmt: skip


def test_objections_are_shown_as_data() -> None:
    answer = json.dumps(["no \x1b[2Jway", {"path": "src/a.py", "message": "too\nlong " + "x" * 999}]).encode()
    first, second = ask(policy(answering(answer)))
    assert first == Problem("policy p.wasm", "no way")
    assert second.where == "policy p.wasm, src/a.py"
    assert second.message.startswith("too long xxx")
    assert len(second.message) == 200


def test_many_objections_are_counted() -> None:
    found = ask(policy(answering(json.dumps(["no"] * 50).encode())))
    assert len(found) == 21
    assert found[-1].message == "and 30 more objections"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[NaN]", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"{}", "must answer with a JSON array"),
        (b"null", "must answer with a JSON array"),
        (b"[1]", "must give each objection as a text"),
        (b'["  "]', "must give each objection as a text"),
        (b'[{"path": 1, "message": "x"}]', "must give each objection as a text"),
        (b'[{"message": null}]', "must give each objection as a text"),
        (b" " * 300_000, "answered with 300,000 bytes"),
    ],
)
def test_an_answer_that_is_none_is_an_objection(answer: bytes, sentence: str) -> None:
    (problem,) = ask(policy(answering(answer)))
    assert sentence in problem.message
    assert problem.message.endswith("; a policy that fails objects")


# --- fail closed ---


@pytest.mark.parametrize(
    ("wat", "sentence"),
    [
        (failing("unreachable"), "gave up"),
        (failing("(loop (br 0)) (i32.const 1)"), "used up its fuel of 50,000,000 instructions"),
        (failing("(drop (i32.load (i32.const -1))) (i32.const 1)"), "reached beyond its memory"),
        (failing("(i32.div_u (i32.const 1) (i32.const 0))"), "divided by zero"),
        (
            failing("(call $validate (local.get 0) (local.get 1) (local.get 2) (local.get 3))"),
            "overflowed its stack",
        ),
        (
            failing("(if (i32.lt_s (memory.grow (i32.const 900)) (i32.const 0)) (then unreachable)) (i32.const 1)"),
            "gave up",
        ),
        (
            """(module (memory (export "memory") 1) (func $f (loop (br 0))) (start $f)
            (func (export "validate") (param i32 i64 i32 i64) (result i32) (i32.const 1)))""",
            "used up its fuel",
        ),
        (
            """(module (memory (export "memory") 5000)
            (func (export "validate") (param i32 i64 i32 i64) (result i32) (i32.const 1)))""",
            "memory limits",
        ),
        (
            """(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) (i32.const -8))
            (func (export "objections") (param i32 i32) (result i64) (i64.const 0)))""",
            "outside its memory",
        ),
        (
            """(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) (i32.const 0))
            (func (export "objections") (param i32 i32) (result i64) (i64.const -1)))""",
            "answered with 4,294,967,295 bytes",
        ),
        (
            """(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) (i32.const 0))
            (func (export "objections") (param i32 i32) (result i64) (i64.const 0xffffffff00000005)))""",
            "outside its memory",
        ),
    ],
)
def test_a_policy_that_fails_objects(wat: str, sentence: str) -> None:
    (problem,) = ask(policy(wat))
    assert sentence in problem.message
    assert problem.message.endswith("; a policy that fails objects")


def test_a_policy_with_fuel_to_burn_meets_its_deadline() -> None:
    began = time.monotonic()
    (problem,) = ask(policy(failing("(loop (br 0)) (i32.const 1)"), WasmLimits(fuel=10**15, seconds=0.2)))
    assert "did not end within 0.2 s" in problem.message
    assert time.monotonic() - began < 20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread's CPU time cannot be read by another")
def test_a_busy_machine_takes_no_time_away_from_a_policy() -> None:
    cores = os.sched_getaffinity(0)
    burn = [sys.executable, "-c", "while True: pass"]
    burners: list[subprocess.Popen[bytes]] = []
    try:
        os.sched_setaffinity(0, {min(cores)})  # this thread, and what it starts
        burners = [subprocess.Popen(burn) for _ in range(8)]
        began, used = time.monotonic(), time.thread_time()
        (problem,) = ask(policy(failing("(loop (br 0)) (i32.const 1)"), WasmLimits(fuel=200_000_000, seconds=1.0)))
        wall, cpu = time.monotonic() - began, time.thread_time() - used
    finally:
        os.sched_setaffinity(0, cores)
        for burner in burners:
            burner.kill()
            burner.wait()
    assert wall > 1.0 > cpu, "the machine was not busy enough to tell"
    assert "used up its fuel of 200,000,000 instructions" in problem.message


def test_the_cap_is_on_memory_and_not_on_what_fits() -> None:
    body = "(if (i32.lt_s (memory.grow (i32.const 60)) (i32.const 0)) (then unreachable)) (i32.const 1)"
    assert ask(policy(failing(body))) == []


def test_nothing_is_kept_from_one_proposal_to_the_next() -> None:
    counting = policy("""(module (memory (export "memory") 1)
      (func (export "validate") (param i32 i64 i32 i64) (result i32)
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (i32.eq (i32.load (i32.const 0)) (i32.const 1))))""")
    assert [ask(counting) for _ in range(3)] == [[], [], []]


def test_a_policy_that_vanished_objects(tmp_path: Path) -> None:
    (said,) = check(edit(), paths=(tmp_path / "gone.wasm",))
    assert said == "policy gone.wasm  is not there; a policy that fails objects"


# --- binding ---


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "is not there"),
        (b"", "not a WebAssembly core module"),
        (b"(module)", "not a WebAssembly core module"),
        (CORE, "it exports neither"),
        (CORE + b"\xff\xff", "not a valid WebAssembly module"),
        (b"\0asm\x0d\0\x01\0", "not a WebAssembly core module"),
        ('(module (import "wasi_snapshot_preview1" "fd_write" (func)))', "imports wasi_snapshot_preview1.fd_write"),
        ('(module (func (export "validate") (param i32) (result i32) (i32.const 1)))', "it has (i32) -> i32"),
        ('(module (func (export "objections")))', "must export alloc(i32) -> i32; it has no such function"),
        (
            '(module (func (export "alloc") (param i32) (result i32) (i32.const 0))'
            '(func (export "objections") (param i32 i32) (result i64) (i64.const 0)))',
            'must export its memory as "memory"',
        ),
        ('(module (func (export "objections")) (func (export "validate")))', "it exports both of them"),
        ('(module (memory (export "memory") 1 1 shared))', "not a valid WebAssembly module"),
        ('(module (memory (export "memory") i64 1))', "not a valid WebAssembly module"),
    ],
)
def test_a_module_that_is_no_policy_is_a_problem(tmp_path: Path, data: bytes | str | None, sentence: str) -> None:
    if data is not None:
        (tmp_path / "p.wasm").write_bytes(wasmtime.wat2wasm(data) if isinstance(data, str) else data)
    (problem,) = policy_problems(BlueprintCheck(blueprint_with(EXAMPLE, "p.wasm"), tmp_path / "b.toml"))
    assert problem.where == "policy[1].path"
    assert problem.message.startswith("p.wasm ")
    assert sentence in problem.message


def test_paths_are_relative_to_the_blueprint(tmp_path: Path) -> None:
    assert anchored(blueprint_with("a.wasm"), tmp_path).policy[0].path == str(tmp_path / "a.wasm")
    assert anchored(blueprint_with(EXAMPLE), tmp_path).policy[0].path == str(EXAMPLE)
    assert policy_problems(BlueprintCheck(blueprint_with(EXAMPLE.name), EXAMPLE.parent / "b.toml")) == []


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_no_module(data: bytes, headed: bool) -> None:
    with pytest.raises(SandboxError):
        WasmPolicy.of("p", CORE + data if headed else data)


@given(st.data())
def test_a_damaged_policy_never_breaks_us(data: st.DataObject) -> None:
    whole = bytearray(EXAMPLE.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        loaded = WasmPolicy.of("p", bytes(whole), SHORT)
    except SandboxError:
        return
    assert all(isinstance(problem, Problem) for problem in ask(loaded))
