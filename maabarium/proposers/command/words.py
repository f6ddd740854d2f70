"""The words by which an agent is started: placeholders filled in, one word each, never through a shell's eyes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maabarium.proposers.command.options import AgentProgram, CommandOptions

__all__ = ["AgentTask", "words_of"]

REDIRECT = 'exec "$@" <"$0"'
"""The sandbox starts programs without standard input."""
LONGEST_WORD = 120_000
"""Bytes of one argument; the kernel takes 128 KiB (MAX_ARG_STRLEN)."""
MOST_TARGETS = 100


@dataclass(frozen=True)
class AgentTask:
    """What the placeholders stand for in one session."""

    work: Path
    task: Path
    text: str
    targets: Sequence[str]
    confined: bool


def words_of(
    agent: AgentProgram, options: CommandOptions, folder: Path, session: AgentTask
) -> tuple[list[str], list[Path]]:
    """The command, and the files of the blueprint's folder that its words name: they must be readable."""
    values = {
        "{prompt_file}": str(session.task),
        "{workspace}": str(session.work),
        "{model}": options.model,
        "{folder}": str(folder),
        "{prompt}": _prompt(session),
    }
    words, named = [str(agent.program)], []
    for word in _spread(agent, options, session):
        filled = _filled(word, values)
        words.append(filled)
        if word.startswith("{folder}/") and Path(filled).exists():
            named.append(Path(filled))
    if agent.template.stdin or options.stdin:
        words = ["/bin/sh", "-c", REDIRECT, str(session.task), *words]
    return words, named


def _spread(agent: AgentProgram, options: CommandOptions, session: AgentTask) -> Iterator[str]:
    """The words behind the program; placeholders that stand for several words, or for none, become those."""
    several = {
        "{model_words}": agent.template.model if options.model else (),
        "{permissions}": agent.template.caged if session.confined else agent.template.free,
        "{targets}": tuple(f"./{path}" for path in session.targets[:MOST_TARGETS]),  # never taken for an option
    }
    for word in agent.template.command[1:]:
        yield from several.get(word, (word,))


def _filled(word: str, values: dict[str, str]) -> str:
    """One pass, so that what is filled in is never filled in again."""
    found, rest = "", word
    while rest:
        at, name = min(((rest.find(name), name) for name in values if name in rest), default=(-1, ""))
        if at < 0:
            break
        found, rest = found + rest[:at] + values[name], rest[at + len(name) :]
    return found + rest


def _prompt(session: AgentTask) -> str:
    """The task as an argument; one that is too long for that is pointed to."""
    if len(session.text.encode("utf-8", "backslashreplace")) <= LONGEST_WORD:
        return session.text.replace("\0", "")
    return f"Your task is in the file {session.task}. Read it and do what it says."
