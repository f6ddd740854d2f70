"""Build WebAssembly modules from their text: `python build.py FILE.wat ...` writes FILE.wasm beside each.

Needs nothing but the wasmtime package, which Maabarium brings along.
"""

import pathlib
import sys

import wasmtime


def build(source: pathlib.Path) -> pathlib.Path:
    """Translate one file; wasmtime.WasmtimeError points at what is wrong with it."""
    built = source.with_suffix(".wasm")
    built.write_bytes(wasmtime.wat2wasm(source.read_text(encoding="utf-8")))
    return built


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(build(pathlib.Path(name)))
