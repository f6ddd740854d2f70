"""Build evaluator.wasm (18 MB, a few seconds): needs `pip install componentize-py`, and `python build.py [FOLDER]`."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def build(folder):
    """Write evaluator.wasm into a folder; componentize-py says what it does not like."""
    built = pathlib.Path(folder) / "evaluator.wasm"
    words = ["componentize-py", "-q", "-d", str(HERE / "wit"), "-w", "evaluator", "componentize", "evaluator"]
    subprocess.run([*words, "-p", str(HERE), "-o", str(built)], check=True)
    return built


if __name__ == "__main__":
    print(build(sys.argv[1] if len(sys.argv) > 1 else "."))
