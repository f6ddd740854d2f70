"""The keys of `[proposer]` for a coding agent, the agents known by name, and where the program of one is.

The templates follow the agents' public documentation of 2026, and none was tried: they are examples. Flags change; with
`command` a blueprint says it in its own words. What a template never grants: network and keys.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from maabarium.blueprint.schema import SandboxOptions
from maabarium.blueprint.sentences import quote
from maabarium.errors import BlueprintError, Problem
from maabarium.proposers.options import OwnOptions
from maabarium.suggestions import suggestion

__all__ = ["TEMPLATES", "AgentProgram", "CommandOptions", "Template", "agent_of", "find_program", "installation"]

INTERPRETERS = re.compile(r"(python[0-9.]*|pypy[0-9.]*|sh|bash|dash|zsh|node|ruby|perl|env)$")
PYTHON = re.compile(r"(python|pypy)[0-9.]*(t|d)?$")
BROAD = frozenset(map(Path, ("/", "/usr", "/usr/local", "/opt", "/home", "/root", "/var", "/tmp", "/etc", "/srv")))
"""Never shown whole, whatever calls one of them its prefix."""


@dataclass(frozen=True)
class Template:
    """Words of a command with placeholders, see `docs/agents.md`."""

    command: tuple[str, ...]
    model: tuple[str, ...] = ()
    """Words that stand for `{model_words}` when a model is named."""
    caged: tuple[str, ...] = ()
    """Words that stand for `{permissions}` where our sandbox confines: the agent need not ask for anything."""
    free: tuple[str, ...] = ()
    """The same at the level `trusted`: the agent's own restraint is all there is."""
    stdin: bool = False
    """Whether it reads its task from standard input."""
    env: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    """Environment variables of which it needs one; for a sentence only, they are passed when the blueprint says so."""


TEMPLATES: dict[str, Template] = {
    # docs.claude.com, "Headless mode" and "CLI reference". As root it refuses to skip permissions outside a sandbox.
    "claude": Template(
        ("claude", "-p", "--output-format", "json", "{model_words}", "{permissions}"),
        model=("--model", "{model}"),
        caged=("--dangerously-skip-permissions",),
        free=("--permission-mode", "acceptEdits"),
        stdin=True,
        env={"IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        keys=("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    ),
    # developers.openai.com/codex, "Non-interactive mode". `--full-auto` is deprecated there.
    "codex": Template(
        ("codex", "exec", "--json", "--skip-git-repo-check", "{model_words}", "{permissions}", "-"),
        model=("--model", "{model}"),
        caged=("--dangerously-bypass-approvals-and-sandbox",),
        free=("--sandbox", "workspace-write"),
        stdin=True,
        keys=("CODEX_API_KEY",),
    ),
    # opencode.ai/docs, "CLI" and "Permissions".
    "opencode": Template(
        ("opencode", "run", "--format", "json", "{model_words}", "{prompt}"),
        model=("--model", "{model}"),
        env={
            "OPENCODE_PERMISSION": '{"edit": "allow", "bash": "allow", "webfetch": "deny"}',
            "OPENCODE_DISABLE_AUTOUPDATE": "true",
        },
        keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    ),
    # aider.chat/docs, "Scripting" and "Options". Without a git repository it edits the files that it is given.
    "aider": Template(
        ("aider", "--yes-always", "--no-git", "--no-check-update", "--no-show-release-notes", "--analytics-disable",
         "--no-pretty", "--no-stream", "{model_words}", "--message-file", "{prompt_file}", "{targets}"),
        model=("--model", "{model}"),
        keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    ),
    # mini-swe-agent.com, "mini".
    "mini-swe-agent": Template(
        ("mini", "--yolo", "--exit-immediately", "{model_words}", "-t", "{prompt}"),
        model=("-m", "{model}"),
        env={"MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "true"},
        keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    ),
}  # fmt: skip


class CommandOptions(OwnOptions):
    """`[proposer]` of a coding agent."""

    whose: ClassVar[str] = "a command"
    wanted: ClassVar[Mapping[str, str]] = {"tuple_type": 'must be a list of words, such as ["claude", "-p"]'}

    command: tuple[str, ...] = ()
    """The program and its arguments, one word each; see `docs/agents.md` for the placeholders."""
    template: str | None = None
    """A well-known agent instead of `command`."""
    model: str = ""
    """The model that the agent is told to use: `{model}`."""
    stdin: bool = False
    """Give the task on standard input as well (templates know by themselves)."""
    timeout_seconds: float = Field(default=900, gt=0)
    """Wall time after which the agent and all that it started is ended."""
    level: Literal["auto", "trusted", "standard", "strict"] = "standard"
    """The agent's own sandbox, apart from `[sandbox]`. `trusted` confines nothing."""
    network: bool = False
    """Whether the agent may use the network. Most agents ask a hosted model and need it."""
    pass_env: tuple[str, ...] = ()
    """Environment variables that the agent gets, such as the one with its key. Nothing else of ours reaches it."""
    env: dict[str, str] = Field(default_factory=dict)
    """Further variables with their values; no place for keys."""
    readable: tuple[str, ...] = ()
    """Files and folders that it may read beside copy and installation; relative ones are the blueprint's."""
    output_mb: float = Field(default=8, gt=0)
    """More output than this ends the agent."""
    memory_mb: int | None = Field(default=None, ge=16)
    """Memory of the agent and all that it starts."""
    processes: int | None = Field(default=None, ge=1)
    """Processes at a time."""
    max_changed_bytes: int = Field(default=1024 * 1024, ge=1)
    """Most bytes of all changed files together."""
    outside: Literal["drop", "refuse"] = "drop"
    """Changes of files that may not change: leave them out and say so, or refuse the whole proposal."""
    context_tokens: int = Field(default=8000, ge=500)
    """About how long the task may be: goal, failing tests, history."""

    def sandbox(self, folder: Path) -> SandboxOptions:
        """The sandbox that the agent is to run in; `folder` is the blueprint's."""
        readable = tuple(str(folder / Path(entry).expanduser()) for entry in self.readable)
        shared = {"level", "network", "pass_env", "output_mb", "memory_mb", "processes"}
        return SandboxOptions(**self.model_dump(include=shared), readable=readable)


@dataclass(frozen=True)
class AgentProgram:
    """The agent that is meant: its name, how it is started, and where its program was found."""

    name: str
    template: Template
    program: Path


def agent_of(options: CommandOptions, folder: Path, source: str) -> AgentProgram:
    """Find the agent. Raises BlueprintError with every problem."""
    problems = _problems(options)
    if problems:
        raise BlueprintError(source, problems)
    template = TEMPLATES[options.template] if options.template else Template(options.command, stdin=options.stdin)
    where = "proposer.template" if options.template else "proposer.command"
    word = template.command[0].replace("{folder}", str(folder))
    program = find_program(word, folder, os.environ.get("PATH", os.defpath))
    if program is None:
        place = f"there is no such file in {folder}" if "/" in word else "there is none of that name in PATH"
        raise BlueprintError(source, [Problem(where, f"the program {quote(word)} cannot be started: {place}")])
    name = program.name
    if INTERPRETERS.match(name):  # the script that it is given says more
        script = next((word for word in template.command[1:] if not word.startswith("-")), "")
        name = Path(script).name or name
    return AgentProgram(options.template or name, template, program)


def _problems(options: CommandOptions) -> list[Problem]:
    if options.template is None and not options.command:
        said = f"is missing: the words of a command, or template = one of {', '.join(TEMPLATES)}"
        return [Problem("proposer.command", said)]
    problems = []
    if options.template is not None and options.command:
        problems.append(Problem("proposer.template", "goes without command: give one of them"))
    if options.template is not None and options.template not in TEMPLATES:
        said = f"no agent named {quote(options.template)} is known{suggestion(options.template, tuple(TEMPLATES))}"
        problems.append(Problem("proposer.template", said))
    if any("\0" in word for word in options.command) or (options.command and not options.command[0].strip()):
        problems.append(Problem("proposer.command", "must begin with a program, and no word may hold a NUL"))
    if not options.model and any("{model}" in word for word in options.command):
        problems.append(Problem("proposer.model", "is missing: the command has {model}"))
    for name, value in options.env.items():
        if not name or "=" in name or "\0" in name + value:
            problems.append(Problem("proposer.env", f"{quote(name)} cannot be an environment variable"))
    return problems


def find_program(word: str, folder: Path, path: str) -> Path | None:
    """The absolute path of a program: searched in `path`, or with a slash in it relative to the blueprint's folder."""
    if "/" not in word:
        safe = os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith("/"))
        found = shutil.which(word, path=safe or os.defpath)
        return Path(found) if found else None
    place = folder / Path(word).expanduser()
    usable = place.is_file() and os.access(place, os.X_OK)
    return Path(os.path.abspath(place)) if usable else None  # noqa: PTH100 - links must stay: they tell environments


def installation(program: Path) -> tuple[Path, ...]:
    """Files and folders that a program needs to be read beside the system's own."""
    found: list[Path] = []
    for place in filter(None, (program, _interpreter(program))):
        found += [place, place.resolve(), *_around(place)]
    home = Path.home()
    broad = {*BROAD, home, home.resolve(), *home.resolve().parents}
    return tuple(dict.fromkeys(place for place in found if place.exists() and place not in broad))


def _around(program: Path) -> Iterator[Path]:
    """The folders that belong to a program."""
    real = program.resolve()
    if "node_modules" in real.parts:
        yield Path(*real.parts[: real.parts.index("node_modules") + 1])
    if PYTHON.match(program.name):
        prefix = program.parent.parent
        with suppress(OSError):  # an environment names the folder of the interpreter that it was made with
            text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
            if home := re.search(r"^\s*home\s*=\s*(\S.*?)\s*$", text, re.MULTILINE):
                yield prefix
                yield Path(home[1]).resolve().parent
        yield real.parent.parent
    elif program.name in ("node", "deno", "bun", "ruby"):
        yield real.parent.parent


def _interpreter(program: Path) -> Path | None:
    """What a script names in its first line; `env` is looked through."""
    try:
        with program.open("rb") as file:
            line = file.readline(512)
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words = [os.fsdecode(word) for word in line[2:].split()]
    if words and Path(words[0]).name == "env":
        named = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)
        found = shutil.which(named) if named else None
        return Path(found) if found else None
    return Path(words[0]) if words and words[0].startswith("/") else None
