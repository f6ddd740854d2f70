"""`maabarium keys`: from a pipe, on a terminal without an echo, and where there is no keyring."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from click.testing import CliRunner, Result
from keyring.backend import KeyringBackend
from keyring.backends import fail

from maabarium.cli import main
from maabarium.models.keys import CHOICE
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import facts_of

KEY = "sk-very-secret-0123456789"


class Kept(KeyringBackend):
    """A keyring in memory."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.stored.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.stored[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.stored[service, username]


@pytest.fixture(autouse=True)
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    for name in [*filter(None, (facts_of(made).key_env for made in PROVIDERS.values())), CHOICE]:
        monkeypatch.delenv(name, raising=False)
    before, kept = keyring.get_keyring(), Kept()
    keyring.set_keyring(kept)
    yield kept
    keyring.set_keyring(before)


def call(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments], input=input)


def test_a_key_goes_in_and_comes_out(ring: Kept) -> None:
    stored = call("set", "OpenAI", input=KEY + "\n")
    assert (stored.exit_code, stored.stdout) == (0, "")
    assert "the key for openai is in the keyring (test_cli_keys)" in stored.stderr
    assert ring.stored == {("maabarium", "openai"): KEY}
    shown = call("get", "openai")
    assert (shown.exit_code, shown.stdout) == (0, "the key for openai comes from the keyring (test_cli_keys)\n")
    assert call("get", "openai", "--reveal").stdout == KEY + "\n"
    listed = call("list")
    assert KEY not in stored.output + shown.output + listed.output
    removed = call("delete", "openai")
    assert (removed.exit_code, removed.stdout) == (0, "")
    assert ring.stored == {}


def test_the_list_names_each_place(ring: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    call("set", "groq", input=KEY)
    listed = call("list")
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in listed.stdout.splitlines()}
    assert lines["anthropic"] == "ANTHROPIC_API_KEY the environment variable ANTHROPIC_API_KEY"
    assert lines["groq"] == "GROQ_API_KEY the keyring (test_cli_keys)"
    assert lines["custom"] == "api_key_env no key"
    assert lines["ollama"] == "needs none"
    found = {row["provider"]: row for row in json.loads(call("list", "--json").stdout)}
    assert found["groq"] == {
        "provider": "groq", "variable": "GROQ_API_KEY", "origin": "the keyring (test_cli_keys)", "takes_key": True,
    }  # fmt: skip
    assert set(found) >= set(PROVIDERS)


def test_what_is_absent_is_exit_code_1(ring: Kept) -> None:
    missing = call("get", "openai")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "there is no key for openai; store one with `maabarium keys set openai`" in missing.stderr
    nothing = call("delete", "openai")
    assert nothing.exit_code == 1
    assert "the keyring has no key for openai" in nothing.stderr


def test_a_key_in_the_environment_is_said_to_come_first(ring: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    stored = call("set", "openai", input=KEY)
    assert "the environment variable OPENAI_API_KEY is set, too, and comes first" in stored.stderr


def test_without_a_keyring_it_points_to_the_environment() -> None:
    keyring.set_keyring(fail.Keyring())
    for arguments in (("set", "openai"), ("get", "openai"), ("delete", "openai")):
        refused = call(*arguments, input=KEY)
        assert refused.exit_code == 4
        assert "no keyring that keeps secrets; set the environment variable OPENAI_API_KEY instead" in refused.stderr
        assert KEY not in refused.output
    listed = call("list")
    assert listed.exit_code == 0
    assert "set environment variables instead" in listed.stderr


def test_an_empty_key_is_refused(ring: Kept) -> None:
    assert call("set", "openai", input="\n").exit_code == 4
    assert ring.stored == {}


def test_help_and_mistakes() -> None:
    assert call().exit_code == 0
    assert "list" in call().stdout
    wrong = call("lst")
    assert wrong.exit_code == 4
    assert "lst" in wrong.stderr
    assert "Traceback" not in wrong.output


BACKEND = """
from pathlib import Path
from keyring.backend import KeyringBackend

class Filed(KeyringBackend):
    priority = 5
    def get_password(self, service, username):
        return Path("kept").read_text() if Path("kept").exists() else None
    def set_password(self, service, username, password):
        Path("kept").write_text(password)
"""


def test_on_a_terminal_the_key_is_asked_for_without_an_echo(tmp_path: Path) -> None:
    (tmp_path / "filed.py").write_text(BACKEND)
    environment = {**os.environ, CHOICE: "filed.Filed", "PYTHONPATH": str(tmp_path)}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "maabarium", "keys", "set", "openai"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        said = read_until(ours, lambda text: "key for openai" in text)
        time.sleep(0.2)  # the prompt is printed a moment before the echo is off
        os.write(ours, KEY.encode() + b"\n")
        said += read_until(ours, lambda text: "in the keyring" in text)
        assert process.wait(30) == 0
    os.close(ours)
    assert (tmp_path / "kept").read_text() == KEY
    assert KEY not in said


def read_until(terminal: int, found: Callable[[str], bool]) -> str:
    """What the terminal shows, up to the moment that is waited for."""
    shown, until = "", time.monotonic() + 30
    while not found(shown) and time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 4096).decode("utf-8", "replace")
            except OSError:  # the other end is closed
                break
    return shown
