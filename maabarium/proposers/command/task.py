"""What an agent is asked to do, and the words by which it is started.

The task names the files that matter and packs no code, because the agent reads them itself. Placeholders of a command
are filled in one word each; no shell reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.command.options import AgentProgram, CommandOptions
from maabarium.proposers.council.context import Packed, objective_lines
from maabarium.safe_text import one_line
from maabarium.scanner import DATA_RULE, fence

__all__ = ["task_text", "words_of"]

WORK = """\
You work alone, in a copy of a project without its history: {workspace}. Nobody answers questions. Make one narrow \
change by editing files there in place; commit nothing. Whatever you leave in these files is measured against the \
version you found, and kept only if it is better."""
ENDING = """\
When you are done, print one last line that begins with `Summary:` and says in one sentence what you changed and why \
it should help."""
REDIRECT = 'exec "$@" <"$0"'
"""The sandbox starts programs without standard input."""
LONGEST_WORD = 120_000
"""Bytes of one argument; the kernel takes 128 KiB (MAX_ARG_STRLEN)."""


def task_text(request: ProposalRequest, packed: Packed, workspace: Path, note: str) -> str:
    """The task in Markdown. `packed` is what fits; `note` is advice from how the last attempts ended."""
    blueprint, files = request.blueprint, frozenset(request.files.paths())
    shown = [part for part in packed.parts if part.source not in files]
    first = [part.source for part in packed.parts if part.source in files][:6]
    paragraphs = [
        "# Task",
        one_line(blueprint.blueprint.description, 2000),
        WORK.format(workspace=workspace),
        "Improve these measurements without breaking any test:\n" + _bullets(map(one_line, objective_lines(blueprint))),
        _bounds(request),
        *(part.text if part.kind == "rules" else f"{part.title}:\n{fence(part.text, part.source)}" for part in shown),
    ]
    if first:
        paragraphs.append("Files that probably matter most:\n" + fence(_bullets(first), "paths"))
    if packed.creatable:
        paragraphs.append("These files do not exist yet and may be created:\n" + _bullets(packed.creatable))
    paragraphs += [note] if note else []
    paragraphs += [DATA_RULE, ENDING]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _bounds(request: ProposalRequest) -> str:
    globs = ", ".join(one_line(glob, 200) for glob in request.blueprint.domain.target_files)
    said = f"Only files that match {globs} may change; tests, configuration and start-up files may not. "
    said += "Changes of other files are thrown away."
    if request.targets and len(request.targets) <= 60:
        said += " These exist:\n" + fence(_bullets(request.targets), "paths")
    return said


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {one_line(line, 300)}" for line in lines)


def words_of(
    agent: AgentProgram, options: CommandOptions, folder: Path,
    *, work: Path, file: Path, text: str, targets: Sequence[str], confined: bool,
) -> tuple[list[str], list[Path]]:  # fmt: skip
    """The command, and the files of the blueprint's folder that its words name: they must be readable.

    `work` is the folder to work in; `file` holds the task, whose text is `text`.
    """
    template = agent.template
    several = {  # placeholders that stand for several words, or for none
        "{model_words}": template.model if options.model else (),
        "{permissions}": template.caged if confined else template.free,
        "{targets}": tuple(f"./{path}" for path in targets[:100]),  # never taken for an option
    }
    prompt = text.replace("\0", "")
    if len(text.encode("utf-8", "backslashreplace")) > LONGEST_WORD:
        prompt = f"Your task is in the file {file}. Read it and do what it says."
    values = {
        "{prompt_file}": str(file),
        "{workspace}": str(work),
        "{model}": options.model,
        "{folder}": str(folder),
        "{prompt}": prompt,
    }
    placeholder = re.compile("|".join(map(re.escape, values)))
    words, named = [str(agent.program)], []
    for word in chain.from_iterable(several.get(each, (each,)) for each in template.command[1:]):
        words.append(placeholder.sub(lambda found: values[found[0]], word))  # what is filled in is not filled in again
        if word.startswith("{folder}/") and Path(words[-1]).exists():
            named.append(Path(words[-1]))
    if template.stdin or options.stdin:
        words = ["/bin/sh", "-c", REDIRECT, str(file), *words]
    return words, named
