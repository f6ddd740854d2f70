"""Whether a blueprint's target can be graded: found, clean, collects, green, not flaky, covers what may change.

Measures the baseline once, as a run would, but with a private repository in a temporary folder: nothing stays.
"""

from __future__ import annotations

import ast
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from maabarium.acceptance.stable_tests import without_stable_tests
from maabarium.causes import cause_in, error_line
from maabarium.code.python_file import parse
from maabarium.doctor.findings import Finding, failed, passed, warned
from maabarium.doctor.plain_pytest import compare
from maabarium.errors import BlueprintError, MaabariumError
from maabarium.plugins.manager import PluginManager, contributions
from maabarium.plugins.processes import Sandbox
from maabarium.records import Evaluation, Gate, Measured
from maabarium.run.binding import Binding, bind_blueprint, worker_setup
from maabarium.run.record import branch_of
from maabarium.run.run import rough_time
from maabarium.safe_text import listed, one_line
from maabarium.sandbox.selection import describe, select
from maabarium.worker.job import MeasureJob
from maabarium.worker.measurement import run_measurement
from maabarium.worker.worker import Worker
from maabarium.workspace.branch import Branches
from maabarium.workspace.repository import Repository

__all__ = ["bind_target", "check_target"]

RUN_ID = "doctor"
BASELINE_SESSIONS = 3
"""How often a baseline may run the suite; its timeout is that many times the blueprint's."""


def bind_target(path: Path, plugins: PluginManager) -> tuple[Binding | None, list[Finding]]:
    """The blueprint with its surroundings, and what is wrong with them. Keys are looked at elsewhere."""
    try:
        binding = bind_blueprint(path, plugins, keys=False)
    except BlueprintError as error:
        advice = f"correct {path.name}: maabarium validate --bind {path}"
        problems = [failed("target", "blueprint", one_line(str(problem), 400), advice) for problem in error.problems]
        return None, problems
    except MaabariumError as error:
        return None, [failed("target", "blueprint", one_line(str(error), 400), "do what it says, then try again")]
    return binding, list(_surroundings(binding))


def _surroundings(binding: Binding) -> Iterator[Finding]:
    target = binding.target
    place = f"at {target.top}"
    if target.kind == "git":
        where = target.branch or "a detached HEAD"
        place = f"git repository {place}, {where} {(target.head or '')[:10]}{', shallow' if target.shallow else ''}"
    else:
        place = f"plain folder {place}, measured as it is"
    count = f"{len(target.files)} files, of which {len(binding.targets)} may change"
    yield passed("target", "repository", f"{place}: {count}")
    if target.kind == "folder":
        yield passed("target", "clean", "a plain folder is measured as it is now")
    elif target.dirty:
        said = f"{len(target.dirty)} modified tracked file(s) are not measured, HEAD is: {listed(target.dirty)}"
        yield warned("target", "clean", said, "commit or stash them")
    else:
        yield passed("target", "clean", "no tracked file is modified")
    yield from _branch(binding)
    for warning in binding.warnings:
        if "modified tracked file" not in warning.message:
            advice = f"change it in the blueprint if it is not meant ({warning.where or 'see docs/blueprint.md'})"
            yield warned("target", "warning", one_line(str(warning), 400), advice)


def _branch(binding: Binding) -> Iterator[Finding]:
    """Whether the branch on which winners are kept can be moved."""
    target, branch = binding.target, branch_of(binding.bound.blueprint.name)
    if target.git_dir is None:
        return
    holder = Branches(target.git_dir, target.git_dir).checked_out_at(branch)
    if holder is None:
        yield passed("target", "branch", f"{branch}, where winners are kept, is checked out nowhere")
        return
    said = f"{branch}, where winners are kept, is checked out in {one_line(holder, 300)}: no run can move it"
    yield warned("target", "branch", said, "check out another branch there, or remove that worktree")


def check_target(binding: Binding, path: Path, plugins: PluginManager) -> Iterator[Finding]:
    """Measure the baseline, and say what it shows. Takes as long as three sessions of the suite."""
    cancel = threading.Event()
    blueprint = binding.bound.blueprint
    try:
        sandbox = select(blueprint.sandbox, contributions(plugins, "sandboxes"), cancel)
    except MaabariumError as error:
        yield failed("target", "sandbox", one_line(str(error), 600), "see the findings about the sandbox")
        return
    yield passed("target", "sandbox", f"measured in {describe(sandbox)}")
    try:
        measured, runnable = _measure(binding, path, plugins, sandbox, cancel)
    except MaabariumError as error:
        yield failed("target", "worktree", one_line(str(error), 400), "do what it says, then try again")
        return
    if measured.candidate is None:
        advice = "make the target's own command work first: python -m pytest in its folder"
        yield failed("target", "starts", one_line(measured.problem, 600), advice)
        return
    yield from _verdicts(binding, measured.candidate, runnable)
    yield from compare(binding, path, measured.candidate)


def _measure(
    binding: Binding, path: Path, plugins: PluginManager, sandbox: Sandbox, cancel: threading.Event
) -> tuple[Measured, list[str]]:
    """The baseline, and which of the files that may change have functions. Raises WorkspaceError."""
    blueprint = binding.bound.blueprint
    with tempfile.TemporaryDirectory(prefix="maabarium-doctor-", ignore_cleanup_errors=True) as folder:
        cache = Path(folder).resolve() / "cache"
        repository = Repository.create(binding.target, RUN_ID, cache, blueprint.domain.copy_files)
        worker = Worker(worker_setup(binding, path, repository.handle, sandbox), cancel, plugins)
        job = MeasureJob(
            number=0,
            stage="baseline",
            tree=repository.base_tree,
            seed=0,
            timeout=float(blueprint.constraints.timeout_seconds) * BASELINE_SESSIONS,
            sources=frozenset(str(metric.source) for metric in blueprint.metrics.metrics),
            exclusive=True,
        )
        try:
            view = repository.view(repository.base_tree)
            files = sorted(set(binding.targets) & set(view.paths()))
            runnable = [name for name in files if name.endswith(".py") and has_functions(view.read(name))]
            return run_measurement(worker, job), runnable
        except KeyboardInterrupt:
            cancel.set()
            raise
        finally:
            worker.close()
            repository.close()


def has_functions(source: bytes) -> bool:
    """Whether a test could run something of a file, beside importing it."""
    tree = parse(source)
    return tree is None or any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) for node in ast.walk(tree)
    )


def _verdicts(binding: Binding, evaluation: Evaluation, runnable: list[str]) -> Iterator[Finding]:
    """What a baseline evaluation says, gate by gate; after a gate that failed nothing more was measured."""
    gates = {gate.name: gate for gate in evaluation.gates}
    session = gates.get("session")
    if session is not None and not session.passed:
        yield _broken(session, evaluation)
        return
    rules = sum(test.role != "suite" for test in evaluation.tests)
    yield passed("target", "collects", f"tests: {len(evaluation.tests) - rules}, rules: {rules}")
    yield from _colour(evaluation)
    for gate in evaluation.gates:
        if not gate.passed and gate.name != "tests":
            advice = "correct it before a run: nothing can be promoted over such a baseline"
            yield failed("target", gate.name, one_line(gate.detail or "it failed", 400), advice)
    if evaluation.flaky:
        said = f"{len(evaluation.flaky)} test(s) ended differently in two runs of the same tree: "
        advice = "make them repeatable; until then they gate nothing"
        yield warned("target", "flaky", said + listed(evaluation.flaky), advice)
    else:
        yield passed("target", "flaky", "two runs of the same tree agree on every test")
    if unproven := without_stable_tests(binding.bound.blueprint, evaluation):
        yield warned("target", "stable", unproven, "make them repeatable before a run: until then it keeps nothing")
    if evaluation.failed_gate is None:
        yield from _covers(evaluation, runnable)
        yield _duration(binding, evaluation)


def _broken(gate: Gate, evaluation: Evaluation) -> Finding:
    """A session that did not go through."""
    collects = gate.reason_code in ("import_failed", "gate_failed", "tests_lost")
    advice = "run python -m pytest in the target's folder, and make it go through"
    cause = cause_in(gate.reason_code, _details(evaluation), [gate.detail, evaluation.log])
    return failed(
        "target", "collects" if collects else "runs", one_line(gate.detail, 400), cause.remedy if cause else advice
    )


def _details(evaluation: Evaluation) -> list[str]:
    """What pytest said of each failing test of the suite."""
    return [test.detail for test in evaluation.tests if test.failed and test.role == "suite" and test.detail]


def _colour(evaluation: Evaluation) -> Iterator[Finding]:
    gate = next((gate for gate in evaluation.gates if gate.name == "tests"), None)
    red = [test.id for test in evaluation.tests if test.failed and test.role == "suite"]
    if gate is not None and not gate.passed:
        details = _details(evaluation)
        cause = cause_in("gate_failed", details, [])
        said = f"{len(red)} test(s) fail before anything is changed: {listed(red)}"
        said += f" ({error_line(details[0])})" if details else ""
        advice = f"{cause.kind}: {cause.remedy}" if cause else "make them green"
        yield failed("target", "green", said, advice)
    elif red:
        said = f"{len(red)} test(s) fail before anything is changed, and gate nothing: {listed(red)}"
        yield warned("target", "green", said, "make them green, so that they protect what they test")
    else:
        yield passed("target", "green", "no test fails before anything is changed")


def _covers(evaluation: Evaluation, files: list[str]) -> Iterator[Finding]:
    """Which of the files that may change, and have functions, are run by some test, by the baseline's map of lines."""
    if not files:
        return
    if evaluation.lines is None:
        said = "no line of the files that may change was seen to run in a test"
        yield warned("target", "covers", said, "write tests that run them: only tests keep a change from breaking them")
        return
    touched = {path for lines in evaluation.lines.by_test.values() for path in lines}
    bare = [path for path in files if path not in touched]
    if bare:
        said = f"{len(bare)} of {len(files)} files with functions that may change are run by no test: {listed(bare)}"
        advice = "write tests for them, or take them out of domain.target_files"
        yield warned("target", "covers", said, advice)
        return
    said = f"every file with functions that may change is run by some test ({len(files)} of {len(files)})"
    yield passed("target", "covers", said)


def _duration(binding: Binding, evaluation: Evaluation) -> Finding:
    blueprint = binding.bound.blueprint
    workers = 1 if blueprint.execution.executor == "serial" else max(1, blueprint.execution.workers)
    count = blueprint.constraints.max_iterations
    each = evaluation.session_seconds or evaluation.duration
    about = rough_time(each * count / workers)
    least = "at least" if evaluation.session_seconds and len(binding.bound.evaluators) > 1 else "about"
    said = f"measuring one experiment takes {least} {each:.2f} s, so {count} take {least} {about} before confirmations"
    return passed("target", "duration", said)
