"""Random WebAssembly: noise, damaged modules, and valid ones with random bodies."""

from __future__ import annotations

import random
from collections.abc import Sequence

import wasmtime

POLICY = """(module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) (table 8 funcref)
  (func (export "alloc") (param $a i32) (result i32) (local $n i32) {alloc})
  (func (export "objections") (param $a i32) (param $b i32) (result i64) (local $n i32) {body} {last}))"""
VALIDATE = """(module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) (table 8 funcref)
  (func (export "validate") (param $a i32) (param i64) (param $b i32) (param i64) (result i32)
    (local $n i32) {body} {value}))"""
PROGRAM = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $r (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $c (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $d (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $o (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $u (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $x (param i32)))
  (memory (export "memory") 1) (global $g (mut i32) (i32.const 0)) (table 8 funcref)
  (data (i32.const 64) "app.py../x")
  (func (export "_start") (local $a i32) (local $b i32) (local $n i32) {body}))"""


def number(rng: random.Random) -> str:
    known = (0, 1, 2, 3, 8, 64, 255, 4096, 65535, 65536, 2**31 - 1, -1, -(2**31))
    return f"(i32.const {rng.choice(known) if rng.random() < 0.7 else rng.randrange(-(2**31), 2**31)})"


def value(rng: random.Random, depth: int, calls: bool) -> str:
    """An expression of type i32."""
    if depth <= 0 or rng.random() < 0.25:
        return rng.choice([number(rng), "(local.get $a)", "(local.get $b)" if calls else "(global.get $g)"])
    a, b = value(rng, depth - 1, calls), value(rng, depth - 1, calls)
    forms = [
        f"(i32.{rng.choice(['add', 'sub', 'mul', 'div_s', 'rem_u', 'and', 'or', 'shl', 'lt_u', 'eq'])} {a} {b})",
        f"(i32.{rng.choice(['load', 'load8_u', 'load16_s'])} {a})",
        f"(memory.grow {a})",
        "(memory.size)",
        f"(table.grow (ref.null func) {a})",
        f"(i32.trunc_f64_s (f64.div (f64.convert_i32_s {a}) (f64.convert_i32_s {b})))",
    ]
    if calls:
        c = number(rng)
        forms += [
            f"(call $w {rng.choice([a, '(i32.const 1)'])} {b} (i32.const 1) {c})",
            f"(call $r {rng.choice([a, '(i32.const 0)', '(i32.const 3)'])} {b} {c} (i32.const 16))",
            f"(call $c {a})",
            f"(call $d (i32.const 3) {a} {b} (i64.const 0) {c})",
            f"(call $o (i32.const 3) {a} (i32.const 64) (i32.const 6) {b}"
            f" (i64.const 66) (i64.const 0) {c} (i32.const 8))",
            f"(call $u (i32.const 3) (i32.const 64) {a})",
        ]
    return rng.choice(forms)


def statement(rng: random.Random, depth: int, calls: bool) -> str:
    v, w = value(rng, depth, calls), value(rng, depth, calls)
    inner = statement(rng, depth - 1, calls) if depth > 0 else "(nop)"
    forms = [
        f"(local.set $n {v})",
        f"(global.set $g {v})",
        f"(i32.store {v} {w})",
        f"(memory.fill {v} {w} {number(rng)})",
        f"(memory.copy {v} {w} {number(rng)})",
        f"(if {v} (then {inner}))",
        f"(loop {inner} (br_if 0 {v}))",
        f"(drop {v})",
        f"(call_indirect {v})",
    ]
    if rng.random() < 0.03:
        forms += ["unreachable", "(loop (br 0))", *(["(call $x (i32.const 5))"] if calls else [])]
    return rng.choice(forms)


def body(rng: random.Random, calls: bool = False) -> str:
    return " ".join(statement(rng, 3, calls) for _ in range(rng.randrange(1, 6)))


def policy_text(rng: random.Random) -> str:
    """A valid policy of either interface with a random body."""
    if rng.random() < 0.4:
        return VALIDATE.format(body=body(rng), value=value(rng, 2, False).replace("$b", "$a"))
    last = (
        f"(i64.or (i64.shl (i64.extend_i32_u {value(rng, 1, False)}) (i64.const 32)) (i64.const {rng.randrange(400)}))"
    )
    alloc = value(rng, 1, False) if rng.random() < 0.5 else "(i32.const 1024)"
    return POLICY.format(alloc=alloc, body=body(rng), last=last)


def program_text(rng: random.Random) -> str:
    """A valid WASI program with a random body."""
    return PROGRAM.format(body=body(rng, calls=True))


def sample(rng: random.Random, seeds: Sequence[bytes], text: str) -> tuple[str, bytes]:
    """A kind and the bytes: noise behind a header, a damaged module, or a valid one from `text`."""
    kind = rng.choices(("noise", "damaged", "valid"), (1, 4, 5))[0]
    if kind == "noise":
        return kind, rng.choice([b"", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"]) + rng.randbytes(rng.randrange(400))
    if kind == "valid":
        return kind, bytes(wasmtime.wat2wasm(text))
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(4, len(data))
        change = rng.randrange(3)
        if change == 0:
            data[at] = rng.randrange(256)
        elif change == 1:
            del data[at : at + rng.randrange(1, 8)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 8))
        data = data if len(data) > 8 else bytearray(rng.choice(seeds))
    return kind, bytes(data)
