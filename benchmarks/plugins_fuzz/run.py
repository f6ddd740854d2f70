"""Malformed answers and random modules: `python benchmarks/plugins_fuzz/run.py [--answers N] ...`.

Answers come from a real process in the sandbox, policies run as they do in a run, programs are WASI evaluators with
random host calls. Prints what came of each kind; exit status 1 for a crash (anything but a value, a failed gate or a
named error), a case that took over ten seconds, or a tree that was changed.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from wasm_samples import policy_text, program_text, sample

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "evaluators"))

from evaluator_desk import Desk, blueprint_of  # noqa: E402

from maabarium.errors import MaabariumError, Problem  # noqa: E402
from maabarium.evaluators import ProcessEvaluator, WasmEvaluator  # noqa: E402
from maabarium.plugins.protocols import EvaluationRequest  # noqa: E402
from maabarium.records import Evaluation, FileEdit, Proposal  # noqa: E402
from maabarium.sandbox.policy import WasmPolicy  # noqa: E402
from maabarium.sandbox.wasm import WasmLimits  # noqa: E402

METRIC = {"name": "kb", "direction": "minimize", "range": [0, 100]}
GOOD = {
    "protocolVersion": 2,
    "scores": [{"name": "kb", "value": 12.5, "unit": "KiB"}],
    "gates": [{"name": "a", "passed": True, "detail": "fine"}],
}
SHORT = WasmLimits(fuel=2_000_000, memory=4 * 1024 * 1024, seconds=1.0)
SLOW = 10.0
"""Seconds after which one case counts as a hang; deadlines are one second, and the grace of a process three."""


class Tally:
    """What came of the cases. Anything but a value, a failed gate or a named error is a breach."""

    def __init__(self, title: str) -> None:
        self.title, self.counts, self.breaches = title, collections.Counter[str](), list[str]()
        self.slowest, self.began = 0.0, time.monotonic()

    def case(self, kind: str, work: Any) -> None:
        began = time.monotonic()
        try:
            ended = work()
        except MaabariumError as error:
            ended = f"named error ({type(error).__name__})"
            if not str(error).isprintable() or len(str(error)) > 1500:
                self.breaches.append(f"{kind}: unprintable sentence {str(error)[:100]!r}")
        except Exception as error:  # noqa: BLE001 - exactly what must not happen
            ended = "CRASH"
            self.breaches.append(f"{kind}: {type(error).__name__}: {error}")
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        if took > SLOW:
            self.breaches.append(f"{kind}: took {took:.1f} s")
        self.counts[f"{kind}: {ended}"] += 1

    def print(self) -> bool:
        seconds = time.monotonic() - self.began
        print(f"{self.title}: {sum(self.counts.values())} cases, {seconds:.0f} s, slowest {self.slowest * 1000:.0f} ms")
        for ended, count in sorted(self.counts.items()):
            print(f"  {count:6}  {ended}")
        for breach in self.breaches[:20]:
            print(f"  BREACH  {breach}")
        return not self.breaches


def request_for(folder: Path, kind: str, evaluator: dict[str, Any]) -> EvaluationRequest:
    blueprint = blueprint_of([METRIC | {"source": f"{kind}:kb"}], {"kind": kind, **evaluator})
    desk = Desk(folder, blueprint)
    (desk.path / "app.py").write_text("# TODO\n")
    return EvaluationRequest(
        workspace=desk, blueprint=blueprint, folder=folder, stage="screen", seed=1,
        deadline=time.monotonic() + 86_400, number=1, sources=frozenset({"kb"}),
    )  # fmt: skip


def ending(evaluation: Evaluation) -> str:
    gate = evaluation.failed_gate
    if gate is not None:
        return f"failed gate ({gate.reason_code})"
    (measurement,) = evaluation.measurements
    assert 0 <= measurement.value <= 100
    return "a value"


def clear(desk: Desk) -> None:
    """What a worker does between evaluations."""
    for folder in desk.scratch.glob("evaluator-*"):
        shutil.rmtree(folder, ignore_errors=True)


def malformed(rng: random.Random) -> tuple[str, bytes]:
    """An answer that is damaged as bytes, as JSON, or in its values."""
    kind = rng.choice(("bytes", "text", "values", "values"))
    if kind == "bytes":
        return kind, rng.randbytes(rng.choice([0, 1, 30, 3000, 1_100_000]))
    text = json.dumps(GOOD)
    if kind == "text":
        at = rng.randrange(len(text))
        pieces = [
            "",
            "}",
            "[" * rng.choice([1, 2000]),
            "\0",
            '"',
            "NaN",
            "1e999",
            "9" * rng.choice([5, 6000]),
            "\ud800",
        ]
        cut = text[:at] + rng.choice(pieces) + text[at + rng.randrange(4) :]
        return kind, cut.encode("utf-8", "surrogatepass")
    odd = [None, True, -1, 0.5, 1e308, -0.0, 10**400, "12", "\x1b[2J", [], {}, [[]], {"name": "kb"}, "kb" * 5000]
    document = json.loads(text)
    for _ in range(rng.randrange(1, 4)):
        place = rng.choice([document, document["scores"][0], document["gates"][0]])
        key = rng.choice([*place, "extra", "weight", "weightedTotal", "research"])
        if rng.random() < 0.3:
            place.pop(key, None)
        else:
            place[key] = rng.choice(odd)
        if not isinstance(document.get("scores"), list) or not document["scores"]:
            break
        if not isinstance(document.get("gates"), list) or not document["gates"]:
            break
        if not isinstance(document["scores"][0], dict) or not isinstance(document["gates"][0], dict):
            break
    return kind, json.dumps(document).encode()


def answers(count: int, rng: random.Random, folder: Path) -> bool:
    plug = folder / "plug-in"
    plug.mkdir(parents=True)
    given = folder / "answer"
    (plug / "plugin.toml").write_text(
        f'[plugin]\nid = "fuzz"\n[process]\ncommand = "cat"\nargs = [{json.dumps(str(given))}]\n'
    )
    request = request_for(folder, "process", {"manifest_path": "plug-in/plugin.toml"})
    evaluator, tally = ProcessEvaluator(), Tally("process plug-in answers")
    for _ in range(count):
        kind, data = malformed(rng)
        given.write_bytes(data)
        tally.case(kind, lambda: ending(evaluator.evaluate(request)))
        clear(request.workspace)
    return tally.print()


def policies(count: int, rng: random.Random, folder: Path) -> bool:
    seeds = [ROOT / "maabarium/sandbox/policies/size.wasm", ROOT / "examples/policies/no-deletions.wasm"]
    known = [seed.read_bytes() for seed in seeds]
    request = request_for(folder, "wasm", {})
    edits = (FileEdit(path="app.py", operation="modify", content=b"x" * 200),)
    proposal, tally = Proposal(summary="s", edits=edits), Tally("random modules as policies")

    def asked(data: bytes) -> str:
        found = WasmPolicy.of("fuzz.wasm", data, SHORT).objections(request.blueprint, proposal, 1)
        assert all(isinstance(problem, Problem) and str(problem).isprintable() for problem in found)
        return "objected" if found else "allowed"

    for _ in range(count):
        kind, data = sample(rng, known, policy_text(rng))
        tally.case(kind, lambda data=data: asked(data))
    return tally.print()


def programs(count: int, rng: random.Random, folder: Path) -> bool:
    request = request_for(folder, "wasm", {})
    seeds, tally = [(ROOT / "examples/evaluators/todos/todos.wasm").read_bytes()], Tally("random modules as evaluators")
    module = folder / "fuzz.wasm"
    options = {"path": str(module), "fuel": 20_000_000, "memory_mb": 8, "timeout_seconds": 1.0}
    evaluator = WasmEvaluator(options)
    before = {p: p.read_bytes() for p in request.workspace.path.iterdir()}
    for _ in range(count):
        kind, data = sample(rng, seeds, program_text(rng))
        module.write_bytes(data)
        tally.case(kind, lambda: ending(evaluator.evaluate(request)))
        clear(request.workspace)
    if {p: p.read_bytes() for p in request.workspace.path.iterdir()} != before:
        tally.breaches.append("the tree was changed")
    return tally.print()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--policies", type=int, default=10_000)
    parser.add_argument("--programs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("answers", given.answers), ("policies", given.policies), ("programs", given.programs)):
            place = Path(folder) / name
            place.mkdir()
            good &= globals()[name](count, random.Random(f"{given.seed}:{name}"), place)
    print("no crash, no hang, always a named end" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
