"""The fake agent in a real sandbox at `standard`: what the blueprint does not grant is not to be had."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_room import asked, open_sandbox, room, said

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import ProposalError, SandboxError
from maabarium.records import Proposal

WRITE = r"write=app/words.py=WORDS = 2\n"


def why_not() -> str:
    try:
        open_sandbox(SandboxOptions(level="standard"))
    except SandboxError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(sys.platform != "linux" or bool(why_not()), reason="no sandbox here confines")


@pytest.fixture
def port() -> Iterator[int]:
    """Somebody who listens on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def proposed(folder: Path, *actions: str, **options: object) -> Proposal:
    return room(folder, *actions, level="standard", **options).propose(asked())


def test_it_reaches_its_copy_and_nothing_else(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789")
    secret = tmp_path / "secret.txt"
    secret.write_text("planted in a file")
    proposal = proposed(
        tmp_path, WRITE, "prompt", f"read={secret}", f"read=/proc/{os.getpid()}/environ", "read=/etc/shadow",
        f"connect={port}", "environment",
    )  # fmt: skip
    text = said(proposal)
    assert [edit.path for edit in proposal.edits] == ["app/words.py"]
    assert "# Task" in text and "NO NETWORK" in text and text.count("DENIED") == 3, text
    assert "planted" not in text and "PLANTED" not in text


def test_it_writes_nowhere_else(tmp_path: Path) -> None:
    planted = tmp_path / "outside.txt"
    text = said(proposed(tmp_path, WRITE, f"attempt={planted}=x", "attempt=../task/prompt.md=x", "attempt=/etc/x=x"))
    assert not planted.exists() and not Path("/etc/x").exists()
    assert "DENIED ../task/prompt.md" in text and "DENIED /etc/x" in text


def test_the_network_and_files_can_be_granted(tmp_path: Path, port: int) -> None:
    (tmp_path / "notes.txt").write_text("for the agent")
    actions = (WRITE, f"connect={port}", f"read={tmp_path / 'notes.txt'}")
    text = said(proposed(tmp_path, *actions, network=True, readable=["notes.txt"]))
    assert "READ" in text and "for the agent" in text
    if open_sandbox(SandboxOptions(level="standard")).name != "landlock":
        assert "CONNECTED" in text


def test_nothing_of_it_lives_on(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ProposalError, match="did not finish"):
        proposed(tmp_path, "daemon=heart", "hang", timeout_seconds=1)
    assert time.monotonic() - began < 15
    marks = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"fake_agent.py" in read(path)]
    assert [mark for mark in marks if str(tmp_path).encode() in read(mark)] == []


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_script_of_npms_starts_with_its_modules(tmp_path: Path) -> None:
    node = "/usr/bin/node"
    if not Path(node).exists():
        pytest.skip("no node here")
    package = tmp_path / "hidden" / "node_modules" / "agent"
    package.mkdir(parents=True)
    (package / "part.js").write_text("module.exports = 'WORDS = 3\\n'\n")
    code = "require('fs').writeFileSync('app/words.py', require('./part.js'))\nconsole.log('Summary: by node')\n"
    (package / "cli.js").write_text(f"#!/usr/bin/env node\n{code}")
    (package / "cli.js").chmod(0o755)
    (tmp_path / "agent").symlink_to(package / "cli.js")
    proposal = proposed(tmp_path, command=["./agent"])
    assert proposal.summary == "by node" and proposal.edits[0].content == b"WORDS = 3\n"


def test_sessions_may_run_side_by_side(tmp_path: Path) -> None:
    found: list[Proposal] = []
    proposer = room(tmp_path, WRITE, level="standard")
    threads = [threading.Thread(target=lambda: found.append(proposer.propose(asked()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
