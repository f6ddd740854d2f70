"""The evaluator `process`, with real programs in the real sandbox."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from evaluator_desk import Asking, blueprint_of
from pydantic import ValidationError

from maabarium.errors import EvaluationError
from maabarium.evaluators import outside_files
from maabarium.evaluators.process import ProcessEvaluator, process_files, process_problems, read_manifest
from maabarium.plugins.hook_requests import BlueprintCheck
from maabarium.records import Champion, Evaluation, FileEdit, Measurement, Proposal
from maabarium.sandbox import SANDBOXES

EXAMPLE = Path(__file__).parents[2] / "examples" / "evaluators" / "docstrings"
METRIC = {"name": "wheel", "source": "process:kb", "unit": "KiB", "range": (0, 100), "direction": "minimize"}
OK = 'print(json.dumps({"protocolVersion": 2, "scores": [{"name": "kb", "value": 12}]}))'


@pytest.fixture
def plug(tmp_path: Path) -> Any:
    """Write a plug-in whose program is Python source; gives the blueprint that asks it."""

    def write(source: str, manifest: str = "", **evaluator: Any) -> Any:
        folder = tmp_path / "plug-in"
        folder.mkdir(exist_ok=True)
        (folder / "program.py").write_text("import json, os, sys, time\n" + textwrap.dedent(source))
        program = json.dumps(sys.executable)
        (folder / "plugin.toml").write_text(
            manifest
            or '[plugin]\nid = "fixture"\nversion = "1"\ntimeout_seconds = 10\n[environment]\nFLAVOUR = "plain"\n'
            f'[process]\ncommand = {program}\nargs = ["-I", "-S", "program.py"]\n'
        )
        return blueprint_of([METRIC], {"kind": "process", "manifest_path": "plug-in/plugin.toml", **evaluator})

    return write


def ask(request: Any) -> Evaluation:
    return ProcessEvaluator().evaluate(request)


def test_the_question_has_all_that_the_original_lacked(plug: Any, asking: Asking) -> None:
    blueprint = plug(
        """
        asked = json.load(sys.stdin)
        sys.stderr.write(json.dumps({"asked": asked, "cwd": os.getcwd(), "flavour": os.environ["FLAVOUR"],
                                     "here": os.path.exists(asked["workspacePath"] + "/a.py")}))
        """
        + OK
    )
    edits = (
        FileEdit(path="a.py", operation="modify", content=b"x\n"),
        FileEdit(path="b", operation="create", content=b"\xff"),
    )
    known = Evaluation(measurements=(Measurement(source="process:kb", value=20), Measurement(source="size", value=3)))
    request = asking(
        blueprint,
        proposal=Proposal(summary="smaller", edits=edits),
        baseline=known,
        champion=Champion(number=0, commit="", tree="", evaluation=known, total=0.5),
    )
    (request.workspace.path / "a.py").write_text("x\n")
    evaluation = ask(request)
    said = json.loads(evaluation.log)
    asked = said["asked"]
    assert (said["flavour"], said["here"], Path(said["cwd"]).name) == ("plain", True, "plug-in")
    assert asked["protocolVersion"] == 2
    assert asked["iteration"] == 3
    assert asked["proposal"] == {
        "summary": "smaller",
        "file_patches": [
            {"path": "a.py", "operation": "modify", "content": "x\n"},
            {"path": "b", "operation": "create", "content": None, "content_base64": "/w=="},
        ],
    }
    (metric,) = asked["metrics"]
    assert (metric["name"], metric["source"], metric["unit"], metric["range"]) == ("wheel", "kb", "KiB", [0, 100])
    assert (asked["baseline"], asked["champion"], asked["sources"]) == ({"kb": 20}, {"kb": 20}, ["kb"])
    assert [(m.source, m.value, m.unit) for m in evaluation.measurements] == [("kb", 12, "KiB")]
    assert evaluation.failed_gate is None


def test_the_environment_holds_no_secret_of_ours(plug: Any, asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    log = ask(asking(plug("sys.stderr.write(repr(dict(os.environ)))\n" + OK))).log
    assert "FLAVOUR" in log
    assert "sk-planted" not in log


def test_much_output_before_reading_does_not_deadlock(plug: Any, asking: Asking) -> None:
    blueprint = plug('sys.stderr.write("x" * 3_000_000)\nprint(" " * 900_000)\nsys.stdin.read()\n' + OK)
    edit = FileEdit(path="a.py", operation="modify", content=b"y" * 2_000_000)
    evaluation = ask(asking(blueprint, proposal=Proposal(summary="", edits=(edit,))))
    assert evaluation.values() == {"kb": 12}


@pytest.mark.parametrize(
    ("source", "code", "sentence"),
    [
        ("sys.stderr.write('no disk'); sys.exit(3)", "crashed", "fixture ended with status 3: no disk"),
        ("os.kill(os.getpid(), 9)", "out_of_memory", "lack of memory"),
        ("time.sleep(60)", "timeout", "did not end within 0.4"),
        ("os.fork() or os.setsid(); time.sleep(60)", "timeout", "did not end"),
        ("print('x' * 2_000_000)", "output_flood", "more than 1,048,576 bytes"),
        ("sys.stderr.write('x' * 9_000_000)", "output_flood", "sandbox.output_mb"),
    ],
)
def test_a_program_that_dies_is_a_failed_gate(plug: Any, asking: Asking, source: str, code: str, sentence: str) -> None:
    seconds = 0.45 if code == "timeout" else 20
    began = time.monotonic()
    gate = ask(asking(plug(source), seconds=seconds)).failed_gate
    assert gate is not None
    assert (gate.name, gate.reason_code) == ("answer", code)
    assert sentence in gate.detail
    assert time.monotonic() - began < 10


def test_an_interrupted_program_is_a_failed_gate(plug: Any, asking: Asking) -> None:
    request = asking(plug(OK))
    request.workspace.cancel.set()  # type: ignore[attr-defined]
    gate = ask(request).failed_gate
    assert gate is not None
    assert gate.reason_code == "interrupted"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "its answer is empty"),
        ("print('done')", "its answer is not one JSON object"),
        ("print(json.dumps({'scores': []}))", "its answer has no score for kb"),
        ("os.unlink(os.readlink('/proc/self/fd/1'))", "its answer is empty"),
        (
            "p = os.readlink('/proc/self/fd/1'); os.unlink(p); os.symlink('/etc/passwd', p)",
            "its answer is empty",
        ),
        ("p = os.readlink('/proc/self/fd/1'); os.unlink(p); os.mkfifo(p)", "its answer is empty"),
        ("p = os.readlink('/proc/self/fd/1'); os.unlink(p); os.mkdir(p)", "its answer is empty"),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_ours(plug: Any, asking: Asking, source: str, sentence: str) -> None:
    with pytest.raises(EvaluationError, match=f"the evaluator process:fixture: {sentence}"):
        ask(asking(plug(source)))


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ("", "there is no manifest"),
        ("x", "cannot be read as TOML"),
        ("\0", "cannot be read as TOML"),
        ('[process]\ncommand = "sh"', "plugin: Field required"),
        ('[plugin]\nid = " "\n[process]\ncommand = "sh"', "plugin.id"),
        ('[plugin]\nid = "a"\n[process]\ncommand = ""', "process.command"),
        ('[plugin]\nid = "a"\n[process]\ncommand = "sh"\nshell = true', "process.shell"),
        ('[plugin]\nid = "a"\ntimeout_seconds = 0\n[process]\ncommand = "sh"', "timeout_seconds"),
        ('[plugin]\nid = "a"\n[process]\ncommand = "sh"\nworking_dir = "nowhere"', "is not a folder"),
        ('[plugin]\nid = "a"\n[process]\ncommand = "sh"\n[environment]\n"A=B" = "c"', "no process can be given"),
        ('[plugin]\nid = "a"\n[process]\ncommand = "surely-no-such-program"', "no program surely-no-such-program"),
        ('[plugin]\nid = "a"\n[process]\ncommand = "./plugin.toml"', "not an executable file"),
        (f'[plugin]\nid = "a"\n[process]\ncommand = "./{"x" * 5000}"', "not an executable file"),
    ],
)
def test_a_manifest_that_is_none_is_a_problem_and_an_error(
    plug: Any, asking: Asking, tmp_path: Path, manifest: str, sentence: str
) -> None:
    blueprint = plug(OK, manifest or "x")
    if not manifest:
        (tmp_path / "plug-in" / "plugin.toml").unlink()
    check = BlueprintCheck(blueprint, tmp_path / "b.toml", {"process": frozenset({"kb"})})
    (problem,) = process_problems(check)
    assert problem.where == "evaluator.manifest_path"
    assert sentence in problem.message
    with pytest.raises(EvaluationError, match=sentence):
        ask(asking(blueprint))


def test_the_plugin_id_must_be_the_manifest_s(plug: Any, tmp_path: Path) -> None:
    check = BlueprintCheck(plug(OK, plugin_id="other"), tmp_path / "b.toml", {"process": frozenset({"kb"})})
    assert "plug-in fixture, but plugin_id says other" in process_problems(check)[0].message
    assert process_problems(BlueprintCheck(plug(OK, plugin_id="fixture"), tmp_path / "b.toml", {})) == []


def test_a_manifest_is_found_beside_the_blueprint_or_as_the_original_did(plug: Any, tmp_path: Path) -> None:
    blueprint = plug(OK)
    moved = tmp_path / "below"
    moved.mkdir()
    blueprint = blueprint.model_copy(update={"domain": blueprint.domain.model_copy(update={"repo_path": ".."})})
    assert process_problems(BlueprintCheck(blueprint, moved / "b.toml", {})) == []


def test_the_grader_is_another_one_when_the_program_changes(plug: Any, asking: Asking) -> None:
    first, again = ask(asking(plug(OK))).grader, ask(asking(plug(OK))).grader
    changed = ask(asking(plug(OK + "\n# changed"))).grader
    assert first == again
    assert len({first, changed, ""}) == 3


def test_a_folder_that_is_too_large_to_read_makes_every_grader_unique(
    plug: Any, asking: Asking, tmp_path: Path
) -> None:
    blueprint = plug(OK)
    for index in range(2001):
        (tmp_path / "plug-in" / f"{index}.dat").touch()
    assert ask(asking(blueprint)).grader != ask(asking(blueprint)).grader


def test_what_a_proposal_may_not_change(plug: Any, tmp_path: Path) -> None:
    folder = tmp_path / "plug-in"
    assert process_files(plug(OK), tmp_path) == (folder / "plugin.toml", Path(sys.executable), folder / "program.py")
    script = f'[plugin]\nid = "a"\n[process]\ncommand = "sh"\nargs = ["-c", "{"true;" * 900}"]'
    assert process_files(plug(OK, script), tmp_path) == (folder / "plugin.toml",)
    assert process_files(plug(OK, "no manifest"), tmp_path) == ()
    assert outside_files(plug(OK, kind="pytest"), tmp_path) == ()


def test_options_are_checked() -> None:
    with pytest.raises(ValidationError):
        ProcessEvaluator({"manifest": "x"})


def test_the_example_measures_docstrings(asking: Asking, tmp_path: Path) -> None:
    metric = {"name": "documented", "source": "process:documented"}
    manifest = os.path.relpath(EXAMPLE / "plugin.toml", tmp_path)
    request = asking(blueprint_of([metric], {"kind": "process", "manifest_path": manifest}))
    assert read_manifest(EXAMPLE / "plugin.toml").plugin.id == "docstrings"
    (request.workspace.path / "a.py").write_text('def f():\n    """Yes."""\n\n\ndef g():\n    pass\n')
    assert ask(request).values() == {"documented": 0.5}
    (request.workspace.path / "a.py").write_text("def f(:\n")
    gate = ask(request).failed_gate
    assert gate is not None
    assert (gate.name, gate.detail[:5]) == ("parses", "a.py:")


def test_a_bare_python_is_our_own(asking: Asking) -> None:
    assert read_manifest(EXAMPLE / "plugin.toml").program() == sys.executable


@pytest.mark.parametrize("backend", sorted(SANDBOXES))
def test_it_runs_in_whatever_confines(backend: str, asking: Asking) -> None:
    metric = {"name": "documented", "source": "process:documented"}
    request = asking(blueprint_of([metric], {"kind": "process", "manifest_path": str(EXAMPLE / "plugin.toml")}))
    request.workspace.confine(backend)  # type: ignore[attr-defined]
    (request.workspace.path / "a.py").write_text("def f():\n    pass\n")
    assert ask(request).values() == {"documented": 0.0}
