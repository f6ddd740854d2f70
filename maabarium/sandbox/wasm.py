"""WebAssembly modules of other people, run in this process without anything to reach: no imports, so no host calls.

What is left to them is arithmetic on their own memory, and that is bounded three times: by fuel (instructions), by CPU
time (what one instruction may cost has no bound), and by memory. Modules that need files go through `wasm_child`.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wasmtime

from maabarium.errors import SandboxError
from maabarium.safe_text import one_line
from maabarium.sandbox.wasm_child import configuration

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
    "INTERRUPT": "did not end within {seconds:g} s of CPU time",
    "STACK_OVERFLOW": "overflowed its stack",
    "UNREACHABLE": "gave up (the instruction `unreachable`)",
    "MEMORY_OUT_OF_BOUNDS": "reached beyond its memory",
    "INTEGER_DIVISION_BY_ZERO": "divided by zero",
}


@dataclass(frozen=True)
class WasmLimits:
    """What one call may use: instructions (about), bytes of memory, seconds of CPU time."""

    fuel: int = 500_000_000
    memory: int = 64 * 1024 * 1024
    seconds: float = 2.0


class WasmModule:
    """A compiled core module; each use of it gets fresh memory. Threads take turns. Raises SandboxError, with a
    sentence, for what is no module, imports something, or is too large."""

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
            self._alarm = Alarm(self._engine, self.limits.seconds)
        except wasmtime.WasmtimeError as error:
            raise SandboxError(f"is not a valid WebAssembly module: {_first_line(error)}") from error
        wanted = [f"{entry.module}.{entry.name}" for entry in self._module.imports]
        if wanted:
            raise SandboxError(
                f"imports {one_line(', '.join(wanted[:5]))}, and nothing is given to it; build it without WASI"
            )
        self.functions: Mapping[str, Signature] = {
            entry.name: (tuple(map(str, entry.type.params)), tuple(map(str, entry.type.results)))
            for entry in self._module.exports
            if isinstance(entry.type, wasmtime.FuncType)
        }
        self.memories = frozenset(
            entry.name for entry in self._module.exports if isinstance(entry.type, wasmtime.MemoryType)
        )

    @contextlib.contextmanager
    def instance(self) -> Iterator[WasmInstance]:
        """A fresh instance for this thread; fuel, memory and CPU time hold for all that is done with it. Raises
        SandboxError as soon as it traps, or uses up what it has."""
        with self._lock, contextlib.closing(wasmtime.Store(self._engine)) as store:
            store.set_fuel(self.limits.fuel)
            store.set_limits(memory_size=self.limits.memory, table_elements=100_000, instances=1, tables=8, memories=4)
            store.set_epoch_deadline(1)
            with self._alarm.armed():
                with told(self.limits):
                    made = wasmtime.Instance(store, self._module, [])
                yield WasmInstance(store, made.exports(store), self.limits)


class Alarm:
    """Interrupts what a thread runs in the engine when it has used so many seconds of CPU time: on a busy machine a
    module is not cut short. Where one thread cannot read the clock of another (macOS) it is wall time.

    Its own thread looks again when the time could be over, and ends when nothing is running then: to start and to join
    one for every call took ten times as long as the call.
    """

    def __init__(self, engine: wasmtime.Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._changed = threading.Condition()
        self._armed: tuple[int, float] | None = None
        """Which clock is read, and what it may show."""
        self._watcher = 0
        """The process whose thread is looking, 0: none is."""

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """Hold for what this thread does meanwhile; one thread at a time."""
        clock = time.CLOCK_MONOTONIC
        if sys.platform == "linux":
            clock = time.pthread_getcpuclockid(threading.get_ident())
        with self._changed:
            self._armed = clock, time.clock_gettime(clock) + self._seconds
            if self._watcher != os.getpid():
                self._watcher = os.getpid()
                _thread.start_new_thread(self._watch, ())  # without waiting until it runs, as Thread.start does
        try:
            yield
        finally:
            with self._changed:  # while it is held nothing is interrupted: a late alarm would cut the next one short
                self._armed = None

    def _watch(self) -> None:
        with self._changed:
            while self._armed is not None:
                clock, end = self._armed
                left = end - time.clock_gettime(clock)
                if left <= 0:
                    self._engine.increment_epoch()
                    self._armed = None
                else:
                    self._changed.wait(max(left, 0.001))
            self._watcher = 0


@dataclass
class WasmInstance:
    """An instance that runs: call its functions, read and write its memory. All failures are SandboxError."""

    store: Any
    exports: Any
    limits: WasmLimits

    def call(self, name: str, *arguments: int) -> int:
        """Call an exported function of integers with one integer result; it comes back as a Python int, signed."""
        with told(self.limits):
            return int(self.exports[name](self.store, *arguments))

    def write(self, address: int, data: bytes) -> None:
        """Copy `data` into the exported memory."""
        memory = self.exports["memory"]
        if address < 0 or address + len(data) > memory.data_len(self.store):
            raise SandboxError(f"asked for {len(data):,} bytes to be put at {address:,}, outside its memory")
        with told(self.limits):
            memory.write(self.store, data, address)

    def read(self, address: int, length: int) -> bytes:
        """Copy from the exported memory."""
        memory = self.exports["memory"]
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
        known = TRAPS.get(trap.trap_code.name) if trap.trap_code is not None else None
        last = one_line((str(trap).strip().splitlines() or ["no reason given"])[-1])
        said = known.format(fuel=limits.fuel, seconds=limits.seconds) if known else f"trapped: {last}"
        raise SandboxError(said) from trap
    except wasmtime.WasmtimeError as error:
        raise SandboxError(f"failed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    """What wasmtime says, on one line; the rest of its text are positions in the module."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no reason given"]
    return one_line(lines[-1 if "Caused by" in str(error) else 0])


def _config() -> wasmtime.Config:
    """Everything that could wait, share or grow outside our bounds is off: threads, shared memory, garbage collection;
    signal handlers too: this process belongs to somebody's pytest, which has its own."""
    config: wasmtime.Config = configuration(memory=0)
    config.wasm_memory64 = False
    config.gc_support = False
    config.max_wasm_stack = STACK
    config.signals_based_traps = False
    config.memory_guard_size = 0
    config.parallel_compilation = False
    config.cranelift_nan_canonicalization = True
    return config
