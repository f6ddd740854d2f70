"""What a blueprint may say of an agent, what is wrong with it, and the words that come of it."""

from __future__ import annotations

import stat
import sys
import venv
from dataclasses import replace
from pathlib import Path

import pytest
from agent_room import open_sandbox
from proposal_requests import BLUEPRINT, make_context

from maabarium.blueprint.schema import ProposerOptions
from maabarium.errors import BlueprintError
from maabarium.proposers.command import CommandProposer
from maabarium.proposers.command.options import (
    TEMPLATES,
    AgentProgram,
    CommandOptions,
    agent_of,
    find_program,
    installation,
)
from maabarium.proposers.command.task import LONGEST_WORD, words_of


def problems(folder: Path, **options: object) -> str:
    with pytest.raises(BlueprintError) as caught:
        agent_of(CommandOptions.of(options, "bp"), folder, "bp")
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "proposer.command  is missing"),
        ({"command": ["sh"], "template": "claude"}, "give one of them"),
        ({"template": "cloude"}, 'did you mean "claude"'),
        ({"command": "claude -p"}, "must be a list of words"),
        ({"command": ["no-such-agent"]}, 'the program "no-such-agent" cannot be started: there is none of that name'),
        ({"command": ["./no-such-agent"]}, "there is no such file"),
        ({"command": ["{folder}/no-such-agent"]}, "there is no such file"),
        ({"command": [" "]}, "must begin with a program"),
        ({"command": ["sh", "{model}"]}, "proposer.model  is missing"),
        ({"command": ["sh"], "comand": ["sh"]}, "is not an option of a command"),
        ({"command": ["sh"], "timeout_seconds": 0}, "proposer.timeout_seconds"),
        ({"command": ["sh"], "level": "loose"}, "proposer.level"),
        ({"command": ["sh"], "env": {"A=B": "1"}}, "cannot be an environment variable"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, options: dict[str, object], sentence: str) -> None:
    assert sentence in problems(tmp_path, **options)


def test_a_missing_program_is_a_problem_of_the_blueprint(tmp_path: Path) -> None:
    for command, expected in (["nope"], 1), (["sh"], 0):
        options = ProposerOptions.model_validate({"kind": "another-name", "command": command})
        found = CommandProposer.blueprint_problems(BLUEPRINT.model_copy(update={"proposer": options}), tmp_path)
        assert len(found) == expected
        assert all(each.where == "proposer.command" and "nope" in each.message for each in found)


def test_nothing_runs_without_a_sandbox(tmp_path: Path) -> None:
    with pytest.raises(BlueprintError, match="needs a sandbox"):
        CommandProposer(make_context(tmp_path, command=["sh"]))


def test_the_sandbox_is_the_agents_own(tmp_path: Path) -> None:
    wanted = CommandOptions.of({"command": ["sh"], "readable": ["docs", "/opt/x"], "pass_env": ["K"]}, "").sandbox(
        tmp_path
    )
    assert (wanted.level, wanted.network, wanted.pass_env) == ("standard", False, ("K",))
    assert wanted.readable == (str(tmp_path / "docs"), "/opt/x")


def test_what_weakens_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABSENT_KEY", raising=False)
    context = make_context(tmp_path, command=["sh"], level="trusted", pass_env=["ABSENT_KEY"])
    notes = CommandProposer(replace(context, sandbox=open_sandbox)).notes(None, ())  # type: ignore[arg-type]
    assert "level trusted" in notes[0] and "ABSENT_KEY" in notes[1]


# --- words ---


def words(*command: str, model: str = "", stdin: bool = False, text: str = "task", confined: bool = True) -> list[str]:
    options = CommandOptions(command=command, model=model, stdin=stdin)
    agent = agent_of(options, Path("/nowhere"), "")
    work, file, targets = Path("/w"), Path("/t/prompt.md"), ("a.py", "-b.py")
    found, _ = words_of(
        agent, options, Path("/nowhere"), work=work, file=file, text=text, targets=targets, confined=confined
    )
    return found[1:]


def test_placeholders_are_filled_once_and_never_split() -> None:
    given = ("sh", "--in={prompt_file}", "{workspace}", "{model}", "{prompt}", "{targets}", "{other}")
    found = words(*given, model="{workspace} x", text="it's {model}; rm")
    assert found == ["--in=/t/prompt.md", "/w", "{workspace} x", "it's {model}; rm", "./a.py", "./-b.py", "{other}"]


def test_standard_input_is_the_task() -> None:
    found = words("cat", stdin=True)
    assert found[0] == "-c" and found[2] == "/t/prompt.md"


def test_a_task_too_long_for_an_argument_is_pointed_to() -> None:
    (word,) = words("echo", "{prompt}", text="é" * LONGEST_WORD)
    assert word == "Your task is in the file /t/prompt.md. Read it and do what it says."


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_become_words(name: str) -> None:
    """Their flags cannot be tried here; that nothing of a placeholder is left in them can."""
    agent = AgentProgram(name, TEMPLATES[name], Path("/bin/agent"))
    for model, confined in (("", True), ("m-1", False)):
        options = CommandOptions(template=name, model=model)
        work, file, targets = Path("/w"), Path("/t/p"), ("a.py",)
        found, _ = words_of(
            agent, options, Path("/f"), work=work, file=file, text="the task", targets=targets, confined=confined
        )
        assert "{" not in "".join(found) and "/bin/agent" in found
        assert ("m-1" in found) == bool(model)
        assert any("/t/p" in word or word == "the task" for word in found)
    caged, free = TEMPLATES[name].caged, TEMPLATES[name].free
    assert not set(caged) & set(free)


# --- programs ---


def test_programs_are_found_in_path_or_beside_the_blueprint(tmp_path: Path) -> None:
    script = tmp_path / "agent.sh"
    script.write_text("#!/bin/sh\n")
    assert find_program("./agent.sh", tmp_path, "") is None, "it is not executable"
    script.chmod(0o755)
    assert find_program("./agent.sh", tmp_path, "") == script
    assert find_program("agent.sh", tmp_path, f".:{tmp_path}") == script
    assert find_program("agent.sh", tmp_path, ".") is None


def test_an_agent_in_an_environment_is_shown_with_it(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    script = tmp_path / "env" / "bin" / "aider"
    script.write_text(f"#!{tmp_path}/env/bin/python\n")
    shown = installation(script)
    assert tmp_path / "env" in shown and Path(sys.executable).resolve() in shown
    assert Path.home() not in shown and Path("/usr") not in shown


def test_an_agent_of_npm_is_shown_with_its_modules(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "node_modules" / "@x" / "agent"
    package.mkdir(parents=True)
    (package / "cli.js").write_text("#!/usr/bin/env node\n")
    (tmp_path / "agent").symlink_to(package / "cli.js")
    assert tmp_path / "lib" / "node_modules" in installation(tmp_path / "agent")


def test_a_prefix_that_is_the_home_folder_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").write_bytes(b"\x7fELF")
    assert home in installation(home / "bin" / "python")
    monkeypatch.setattr(Path, "home", lambda: home)
    assert installation(home / "bin" / "python") == (home / "bin" / "python",)
    assert stat.S_ISREG((home / "bin" / "python").stat().st_mode)
