"""The size of a target's wheel as a metric: `source = "wheel-size:wheel_kb"`."""

import sys

from maabarium import Evaluation, Gate, Measurement, hookimpl

BUILD = (sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir")


class WheelSize:
    sources = frozenset({"wheel_kb"})

    def evaluate(self, request):
        folder = request.workspace.scratch / "wheel"
        built = request.workspace.run([*BUILD, str(folder)])  # sandboxed
        wheel = next(folder.glob("*.whl"), None)
        if wheel is None:  # the candidate's fault: a failed gate, not an exception
            return Evaluation(gates=[Gate(name="wheel", passed=False, detail=built.output[-2000:])])
        size = wheel.stat().st_size / 1024
        return Evaluation(measurements=[Measurement(source="wheel_kb", value=size, unit="KiB")])


@hookimpl
def maabarium_evaluators():
    return {"wheel-size": lambda options: WheelSize()}
