"""WebAssembly modules of other people, run in this process without anything to reach: no imports, so no host calls.

What is left to them is arithmetic on their own memory, and that is bounded three times: by fuel (instructions), by a
deadline (what one instruction may cost has no bound), and by memory. Modules that need files go through `wasm_child`
instead, in a process of their own. Nothing here knows what a policy is.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wasmtime

from maabarium.errors import SandboxError
from maabarium.safe_text import one_line

__all__ = ["CORE", "MAGIC", "WasmInstance", "WasmLimits", "WasmModule", "read_module"]

MAGIC = b"\0asm"
CORE = MAGIC + b"\x01\0\0\0"
"""How every core module begins. wasmtime takes anything else for the text format, which nobody asked for."""

STACK = 256 * 1024
LARGEST = 4 * 1024 * 1024
"""Bytes of a module that is compiled here: compiling has no deadline, and a few megabytes take about a second."""

Signature = tuple[tuple[str, ...], tuple[str, ...]]

TRAPS = {
    "OUT_OF_FUEL": "used up its fuel of {fuel:,} instructions",
    "INTERRUPT": "did not end within {seconds:g} s",
    "STACK_OVERFLOW": "overflowed its stack",
    "UNREACHABLE": "gave up (the instruction `unreachable`)",
    "MEMORY_OUT_OF_BOUNDS": "reached beyond its memory",
    "INTEGER_DIVISION_BY_ZERO": "divided by zero",
}


@dataclass(frozen=True)
class WasmLimits:
    """What one call may use: instructions (about), bytes of memory, seconds."""

    fuel: int = 500_000_000
    memory: int = 64 * 1024 * 1024
    seconds: float = 2.0


class WasmModule:
    """A compiled core module; each use of it gets fresh memory. Threads take turns.

    Raises SandboxError, with a sentence, for what is no module, imports something, or is too large.
    """

    def __init__(self, data: bytes, limits: WasmLimits | None = None) -> None:
        if not data.startswith(CORE):
            raise SandboxError(f"is not a WebAssembly core module (it begins with {data[:8]!r})")
        if len(data) > LARGEST:
            raise SandboxError(f"has {len(data):,} bytes; at most {LARGEST:,} are compiled here")
        self.limits = limits or WasmLimits()
        self._lock = threading.Lock()
        try:
            self._engine = wasmtime.Engine(_config())
            self._module = wasmtime.Module(self._engine, data)
        except wasmtime.WasmtimeError as error:
            raise SandboxError(f"is not a valid WebAssembly module: {_first_line(error)}") from error
        wanted = [f"{entry.module}.{entry.name}" for entry in self._module.imports]
        if wanted:
            raise SandboxError(
                f"imports {one_line(', '.join(wanted[:5]))}, and nothing is given to it; build it without WASI"
            )
        self.functions: Mapping[str, Signature] = {
            entry.name: _signature(entry.type)
            for entry in self._module.exports
            if isinstance(entry.type, wasmtime.FuncType)
        }
        self.memories = frozenset(
            entry.name for entry in self._module.exports if isinstance(entry.type, wasmtime.MemoryType)
        )

    @contextlib.contextmanager
    def instance(self) -> Iterator[WasmInstance]:
        """A fresh instance; fuel, memory and deadline hold for all that is done with it.

        Raises SandboxError as soon as it traps, or uses up what it has.
        """
        with self._lock:
            store = wasmtime.Store(self._engine)
            store.set_fuel(self.limits.fuel)
            store.set_limits(memory_size=self.limits.memory, table_elements=100_000, instances=1, tables=8, memories=4)
            store.set_epoch_deadline(1)
            alarm = threading.Timer(self.limits.seconds, self._engine.increment_epoch)
            alarm.daemon = True
            alarm.start()
            try:
                with told(self.limits):
                    made = wasmtime.Instance(store, self._module, [])
                yield WasmInstance(store, made, self.limits)
            finally:
                alarm.cancel()
                alarm.join()  # a late alarm would cut the next instance short
                store.close()


@dataclass
class WasmInstance:
    """An instance that runs: call its functions, read and write its memory. All failures are SandboxError."""

    store: Any
    instance: Any
    limits: WasmLimits
    _exports: Any = field(init=False)

    def __post_init__(self) -> None:
        self._exports = self.instance.exports(self.store)

    def call(self, name: str, *arguments: int) -> int:
        """Call an exported function of integers with one integer result; it comes back as a Python int, signed."""
        with told(self.limits):
            return int(self._exports[name](self.store, *arguments))

    def write(self, address: int, data: bytes) -> None:
        """Copy `data` into the exported memory."""
        memory = self._exports["memory"]
        if address < 0 or address + len(data) > memory.data_len(self.store):
            raise SandboxError(f"asked for {len(data):,} bytes to be put at {address:,}, outside its memory")
        with told(self.limits):
            memory.write(self.store, data, address)

    def read(self, address: int, length: int) -> bytes:
        """Copy from the exported memory."""
        memory = self._exports["memory"]
        if address < 0 or address + length > memory.data_len(self.store):
            raise SandboxError(f"points at {length:,} bytes at {address:,}, outside its memory")
        with told(self.limits):
            return bytes(memory.read(self.store, address, address + length))


def read_module(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a module's file. Raises SandboxError with a sentence when it cannot be read or is too large."""
    try:
        if not path.is_file():
            raise SandboxError("is not there" if not path.exists() else "is not a file")
        if path.stat().st_size > largest:
            raise SandboxError(f"has {path.stat().st_size:,} bytes; at most {largest:,} are allowed")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise SandboxError(f"cannot be read: {error}") from error


@contextlib.contextmanager
def told(limits: WasmLimits) -> Iterator[None]:
    """Turn what wasmtime raises into sentences."""
    try:
        yield
    except wasmtime.Trap as trap:
        raise SandboxError(_sentence(trap, limits)) from trap
    except wasmtime.WasmtimeError as error:
        raise SandboxError(f"failed: {_first_line(error)}") from error


def _sentence(trap: wasmtime.Trap, limits: WasmLimits) -> str:
    code = trap.trap_code
    known = TRAPS.get(code.name) if code is not None else None
    if known is None:
        return f"trapped: {one_line(str(trap).strip().splitlines()[-1]) if str(trap).strip() else 'no reason given'}"
    return known.format(fuel=limits.fuel, seconds=limits.seconds)


def _first_line(error: Exception) -> str:
    """What wasmtime says, on one line; the rest of its text are positions in the module."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    told_last = lines[-1] if len(lines) > 1 and "Caused by" in str(error) else (lines or ["no reason given"])[0]
    return one_line(told_last)


def _signature(kind: wasmtime.FuncType) -> Signature:
    return tuple(str(one) for one in kind.params), tuple(str(one) for one in kind.results)


def _config() -> wasmtime.Config:
    """Everything that could wait, share or grow outside our bounds is off: threads, shared memory, garbage collection.

    No signal handlers either: this process belongs to somebody's pytest, which has its own.
    """
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.wasm_threads = False
    config.shared_memory = False
    config.wasm_memory64 = False
    config.gc_support = False
    config.max_wasm_stack = STACK
    config.signals_based_traps = False
    config.memory_reservation = 0
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    config.parallel_compilation = False
    config.cranelift_nan_canonicalization = True
    return config
