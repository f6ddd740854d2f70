"""WASI modules in a process of their own: confined twice, by wasmtime and by the sandbox.

Compiled once here, run by `wasm_child`. The module sees one folder, read-only, and nothing else: no network, no
environment, no arguments. Fuel, memory and a deadline hold inside; what waits in a host call is killed from outside.
"""

from __future__ import annotations

import json
import sys
import tempfile
import weakref
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import wasmtime
import wasmtime.component

from maabarium.errors import SandboxError
from maabarium.folders import discard
from maabarium.plugins.processes import Completed
from maabarium.safe_text import one_line
from maabarium.sandbox import wasm_child
from maabarium.sandbox.wasm import CORE, MAGIC, WasmLimits

__all__ = ["LARGEST_PROGRAM", "WasiEnding", "WasiProgram"]

COMPONENT = MAGIC + b"\x0d\0\x01\0"
LARGEST_PROGRAM = 96 * 1024 * 1024
CACHED = 1024 * 1024
"""Bytes from which on compiled code is kept in wasmtime's own cache: it takes seconds then."""
PREVIEW_1 = "wasi_snapshot_preview1"


EndKind = Literal["returned", "exit", "trap", "fuel", "deadline", "refused", "large", "broken"]


@dataclass(frozen=True)
class WasiEnding:
    """How a module ended. `detail` is untrusted."""

    kind: EndKind
    detail: str = ""


class WasiProgram:
    """A compiled module. Raises SandboxError with a sentence when it is none, or cannot be an evaluator."""

    def __init__(self, data: bytes, limits: WasmLimits, answer_bytes: int) -> None:
        self.limits = limits
        self.answer_bytes = answer_bytes
        self.component = data.startswith(COMPONENT)
        if not self.component and not data.startswith(CORE):
            raise SandboxError(f"is neither a WebAssembly module nor a component (it begins with {data[:8]!r})")
        if len(data) > LARGEST_PROGRAM:
            raise SandboxError(f"has {len(data):,} bytes; at most {LARGEST_PROGRAM:,} are compiled")
        self._machine_code = _compiled(data, self.component, limits.memory)

    @cached_property
    def _code(self) -> Path:
        """The compiled module as a file of ours, which goes when this object goes."""
        folder = Path(tempfile.mkdtemp(prefix="maabarium-wasm-"))
        weakref.finalize(self, discard, folder)
        place = folder / "module.cwasm"
        place.write_bytes(self._machine_code)
        return place

    @property
    def readable(self) -> tuple[Path, ...]:
        """What the process must be able to read beside the tree and the interpreter."""
        return (self._code.parent, Path(wasm_child.__file__), Path(wasmtime.__file__).parent)

    def argv(self, tree: Path, seconds: float, **files: Path) -> list[str]:
        """The command that runs it on a tree, for at most `seconds` of its own. `files`: question, answer and log, in a
        folder that the sandbox lets it write."""
        places = {"tree": tree, "code": self._code, "packages": Path(wasmtime.__file__).parents[1], **files}
        job = {name: str(place) for name, place in places.items()} | asdict(self.limits)
        job |= {"component": self.component, "answer_bytes": self.answer_bytes, "seconds": seconds}
        return [sys.executable, "-I", "-S", str(Path(wasm_child.__file__)), json.dumps(job)]

    def ending(self, completed: Completed) -> WasiEnding:
        """What the process said at its end. Raises SandboxError when it said nothing that can be read."""
        lines = completed.output.strip().splitlines()
        try:
            said = json.loads(lines[-1])
            if said["kind"] not in get_args(EndKind):
                raise ValueError(said["kind"])
            return WasiEnding(said["kind"], str(said["detail"]))
        except (ValueError, TypeError, LookupError):
            last = one_line(lines[-1]) if lines else "no output"
            raise SandboxError(f"its process ended with status {completed.returncode}: {last}") from None


def _compiled(data: bytes, component: bool, memory: int) -> bytes:
    """Machine code for `wasm_child`. Raises SandboxError for what does not compile or does not fit."""
    config = wasm_child.configuration(memory)
    if len(data) >= CACHED:
        config.cache = True
    try:
        engine = wasmtime.Engine(config)
        if component:
            whole = wasmtime.component.Component(engine, data)
            _fits_component(whole, engine)
            return bytes(whole.serialize())
        module = wasmtime.Module(engine, data)
        _fits_command(module)
        return bytes(module.serialize())
    except wasmtime.WasmtimeError as error:
        raise SandboxError(f"is not a valid WebAssembly module: {one_line(str(error))}") from error


def _fits_command(module: wasmtime.Module) -> None:
    foreign = [f"{i.module}.{i.name}" for i in module.imports if i.module != PREVIEW_1]
    if foreign:
        raise SandboxError(f"imports {one_line(', '.join(foreign[:5]))}; only {PREVIEW_1} is given")
    start = next((e.type for e in module.exports if e.name == "_start"), None)
    if not isinstance(start, wasmtime.FuncType) or start.params or start.results:
        raise SandboxError("must export the function _start, without arguments and results")


def _fits_component(whole: wasmtime.component.Component, engine: wasmtime.Engine) -> None:
    foreign = [name for name in whole.type.imports(engine) if not name.startswith("wasi:")]
    if foreign:
        raise SandboxError(f"imports {one_line(', '.join(foreign[:5]))}; only wasi: interfaces are given")
    extern = whole.type.exports(engine).get("evaluate")
    function = extern.ty if extern is not None else None
    if not isinstance(function, wasmtime.component.FuncType) or not _asks_and_answers(function):
        raise SandboxError("must export evaluate: func(request: string) -> result<string, string>")


def _asks_and_answers(function: wasmtime.component.FuncType) -> bool:
    text, back = wasmtime.component.String, function.result
    if [type(kind) for _, kind in function.params] != [text] or not isinstance(back, wasmtime.component.ResultType):
        return False
    return isinstance(back.ok, text) and isinstance(back.err, text)
