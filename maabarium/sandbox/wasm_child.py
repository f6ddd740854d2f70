"""Runs one WASI module and says how it ended. This file is a program: it runs in a process of its own, in the sandbox.

A module that has host calls can wait in one for ever (a clock, a named pipe), and no fuel or epoch ends that; killing
the process does. Started by its path: it imports the standard library and wasmtime only. Job and ending are JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

GUEST = "/workspace"
"""Where the evaluated tree is for the module."""


def configuration(memory: int) -> Any:
    """The engine's settings; code is compiled in another process, so both must make the same. `memory`: bytes."""
    import wasmtime

    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.wasm_threads = False
    config.shared_memory = False
    config.memory_reservation = memory
    config.memory_guard_size = 65536
    config.memory_reservation_for_growth = 0
    return config


def main() -> None:
    """Do the job of the command line."""
    job = json.loads(sys.argv[1])
    sys.path.insert(0, job["packages"])
    try:
        ending = run(job)
    except Exception as error:  # noqa: BLE001 - the parent must always get an answer
        ending = {"kind": "broken", "detail": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(ending) + "\n")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Load what the parent compiled, run it under its limits, and describe the end."""
    import resource

    import wasmtime

    most = int(job["answer_bytes"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    engine = wasmtime.Engine(configuration(int(job["memory"])))
    store = wasmtime.Store(engine)
    store.set_fuel(int(job["fuel"]))
    store.set_limits(memory_size=int(job["memory"]), table_elements=1_000_000)
    store.set_epoch_deadline(1)
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        engine.increment_epoch()

    alarm = threading.Timer(float(job["seconds"]), ring)
    alarm.daemon = True
    alarm.start()
    ending = (component if job["component"] else command)(job, engine, store)
    alarm.cancel()
    if ending["kind"] == "trap" and rung.is_set():
        return {"kind": "deadline", "detail": ""}
    if ending["kind"] == "trap" and store.get_fuel() == 0:
        return {"kind": "fuel", "detail": ""}
    return ending


def command(job: dict[str, Any], engine: Any, store: Any) -> dict[str, Any]:
    """A core module of preview 1: `_start`, question on stdin, answer on stdout."""
    import wasmtime

    wasi = wasmtime.WasiConfig()
    wasi.argv = ["evaluator"]
    wasi.stdin_file = job["question"]
    wasi.stdout_file = job["answer"]
    wasi.stderr_file = job["log"]
    wasi.preopen_dir(job["tree"], GUEST, False)
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    try:
        instance = linker.instantiate(store, wasmtime.Module.deserialize_file(engine, job["code"]))
        start: Any = instance.exports(store)["_start"]
        start(store)
    except wasmtime.ExitTrap as end:
        return {"kind": "returned" if end.code == 0 else "exit", "detail": str(end.code)}
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        return {"kind": "trap", "detail": said(error)}
    return {"kind": "returned", "detail": ""}


def component(job: dict[str, Any], engine: Any, store: Any) -> dict[str, Any]:
    """A component of preview 2: `evaluate: func(request: string) -> result<string, string>`."""
    import wasmtime
    import wasmtime.component

    wasi = wasmtime.WasiConfig()
    wasi.stdout_file = job["log"]
    wasi.stderr_file = job["log"] + "2"
    wasi.preopen_dir(job["tree"], GUEST, False)
    store.set_wasi(wasi)
    linker = wasmtime.component.Linker(engine)
    linker.add_wasip2()
    try:
        instance = linker.instantiate(store, wasmtime.component.Component.deserialize_file(engine, job["code"]))
        function: Any = instance.get_func(store, "evaluate")
        answer = function(store, Path(job["question"]).read_text(encoding="utf-8"))
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        return {"kind": "trap", "detail": said(error)}
    tag, text = getattr(answer, "tag", "ok"), getattr(answer, "payload", answer)
    if tag != "ok":
        return {"kind": "refused", "detail": str(text)[:2000]}
    data = str(text).encode("utf-8", "replace")
    if len(data) > int(job["answer_bytes"]):
        return {"kind": "large", "detail": str(len(data))}
    Path(job["answer"]).write_bytes(data)
    return {"kind": "returned", "detail": ""}


def said(error: Exception) -> str:
    """The cause that wasmtime names, without its list of positions in the module."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:500] if lines else type(error).__name__


if __name__ == "__main__":
    main()
