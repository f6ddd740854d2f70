"""Iterations of OpenEvolve on the same program and test, as its users run it: `openevolve-run` in its own process.

A server on the loopback answers every request at once with the whole program and another constant. The evaluator is
what its documentation shows: a Python file with `evaluate(program_path)`; here it puts the program into the checkout
and runs the suite by `python -m pytest`. One iteration at a time; the rest is OpenEvolve's own settings.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise
from pathlib import Path

from overhead_target import environment, limited

__all__ = ["iterations", "version"]

EVALUATOR = """
import pathlib, subprocess, sys
TARGET = pathlib.Path({target!r})

def evaluate(program_path):
    (TARGET / "paging.py").write_bytes(pathlib.Path(program_path).read_bytes())
    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=TARGET, capture_output=True, text=True)
    return {{"combined_score": float(done.returncode == 0)}}
"""
CONFIGURATION = """
max_iterations: {iterations}
diff_based_evolution: false
llm:
  primary_model: instant
  api_base: {address}
  api_key: none
evaluator:
  parallel_evaluations: 1
  cascade_evaluation: false
"""
DONE = re.compile(r"^(\S+ \S+) - INFO - Iteration \d+: Program .* completed in", re.MULTILINE)


def version() -> str | None:
    """The installed release; None: it is not installed."""
    try:
        return importlib.metadata.version("openevolve")
    except importlib.metadata.PackageNotFoundError:
        return None


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    numbers = count(101)

    def do_POST(self) -> None:
        """Any request is answered with the whole program."""
        self.rfile.read(int(self.headers["Content-Length"]))
        text = f"Another limit.\n```python\n{limited(next(self.numbers))}```\n"
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        head = {"id": "1", "object": "chat.completion", "created": 1, "model": "instant"}
        body = json.dumps(head | {"choices": [message], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def iterations(folder: Path, target: Path, wanted: int) -> list[float]:
    """Seconds between the ends of iterations that follow each other, by OpenEvolve's log. Makes `folder`."""
    folder.mkdir()
    (folder / "evaluator.py").write_text(EVALUATOR.format(target=str(target)), encoding="utf-8")
    (folder / "initial.py").write_text(limited(100), encoding="utf-8")
    with _server() as address:
        text = CONFIGURATION.format(iterations=wanted, address=address)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "openevolve.cli", str(folder / "initial.py"), str(folder / "evaluator.py")),
                *("--config", str(folder / "config.yaml"), "--output", str(folder / "output")),
            ],
            cwd=folder,
            env=environment(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    ended = [datetime.strptime(found, "%Y-%m-%d %H:%M:%S,%f") for found in DONE.findall(done.stdout)]
    if done.returncode != 0 or len(ended) < wanted:
        raise SystemExit(f"OpenEvolve ended {len(ended)} of {wanted} iterations:\n{done.stdout[-3000:]}")
    return [(after - before).total_seconds() for before, after in pairwise(ended)]
