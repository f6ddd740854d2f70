"""A blueprint's folder with the fake agent in it, and real sandboxes, for the tests of the `command` proposer."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from proposal_requests import BLUEPRINT, Files, make_context, make_request

from maabarium.blueprint.globs import Globs
from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import ProposalError
from maabarium.plugins.processes import Sandbox
from maabarium.plugins.protocols import ProposalRequest
from maabarium.proposers.command import CommandProposer
from maabarium.records import FileEdit, Proposal
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.selection import select
from maabarium.workspace.paths import check_edits, protected_globs, targets_of

FILES = {
    "app/words.py": b"WORDS = 1\n",
    "app/run.sh": b"#!/bin/sh\n",
    "tests/test_words.py": b"def test_words():\n    pass\n",
    "README.md": b"words\n",
    ".gitignore": b"build/\n*.log\n",
}


class ModedFiles(Files):
    """Files whose modes are known, as a tree of git's."""

    def __init__(self, files: Mapping[str, bytes], modes: Mapping[str, int] | None = None) -> None:
        super().__init__(files)
        self._modes = dict(modes or {})

    def modes(self) -> dict[str, int]:
        return {path: self._modes.get(path, 0o100644) for path in self.files}


def open_sandbox(options: SandboxOptions, cancel: threading.Event | None = None) -> Sandbox:
    return select(options, SANDBOXES, cancel or threading.Event())


def room(folder: Path, *actions: str, cancel: threading.Event | None = None, **options: Any) -> CommandProposer:
    """A proposer that runs the fake agent with these actions; `trusted` unless the test says otherwise."""
    shutil.copy(Path(__file__).with_name("fake_agent.py"), folder / "fake_agent.py")
    command = [sys.executable, "{folder}/fake_agent.py", "{prompt_file}", *actions]
    options = {"command": command, "level": "trusted", "timeout_seconds": 30, **options}
    context = make_context(folder, **options)
    return CommandProposer(replace(context, sandbox=lambda wanted: open_sandbox(wanted, cancel)))


def asked(
    files: Mapping[str, bytes] = FILES, *, modes: Mapping[str, int] | None = None, **fields: Any
) -> ProposalRequest:
    """A request whose `is_new` keeps the engine's path rules."""
    view = ModedFiles(files, modes)
    globs, protected = Globs(BLUEPRINT.domain.target_files), protected_globs()
    seen: set[str] = {view.tree}

    def is_new(edits: Sequence[FileEdit]) -> bool:
        try:
            check_edits(edits, globs, protected, view)
        except ProposalError:
            return False
        return view.after(edits).tree not in seen

    request = make_request(files, **fields)
    return replace(request, files=view, targets=targets_of(view, globs, protected), is_new=is_new)


def said(proposal: Proposal | ProposalError | Any) -> str:
    """All that was written on the way."""
    return "\n".join(draft.content for draft in proposal.drafts)
