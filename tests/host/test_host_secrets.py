"""No secret in the child: keys in the environment, in a keyring and in `.env` files, looked for from inside a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from host_target import Target, make_target
from test_host_models import council, leaky  # noqa: F401 - a fixture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="confinement needs Linux")

PLACES = ("environ", "keyring", "dotenv", "home")
KEYS = {place: f"sk-planted-{place}-{number:016x}" for number, place in enumerate(PLACES)}
SEARCH = """
import os, re, sys

NEEDLE = re.compile(rb"sk-planted-[a-z]+-[0-9a-f]{16}")
SKIPPED = ("/proc", "/sys", "/dev", "/usr", "/lib", sys.prefix, sys.base_prefix)


def found_in_files():
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if not os.path.join(folder, name).startswith(SKIPPED)]
        for name in names:
            path = os.path.join(folder, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) < 4_000_000:
                    with open(path, "rb") as file:
                        if NEEDLE.search(file.read()):
                            yield path
            except OSError:
                pass


def found_in_memory():
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.read().splitlines():
            span, rights, *rest = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if rights.startswith("r") and rest[-1] not in ("[vvar]", "[vsyscall]") and end - start < 200_000_000:
                try:
                    memory.seek(start)
                    if NEEDLE.search(memory.read(end - start)):
                        yield line
                except (OSError, ValueError, OverflowError):
                    pass


def found_in_environments():
    for entry in os.listdir("/proc"):
        for name in ("environ", "cmdline") if entry.isdigit() else ():
            try:
                with open(f"/proc/{entry}/{name}", "rb") as file:
                    if NEEDLE.search(file.read()):
                        yield f"{entry}/{name}"
            except OSError:
                pass


def test_nothing_is_found():
    import app
    assert app.SPEED >= 1
    assert [*found_in_files(), *found_in_memory(), *found_in_environments()] == []
"""
KEYRING = """
from keyring.backend import KeyringBackend

class Planted(KeyringBackend):
    priority = 5
    def get_password(self, service, account):
        import pathlib
        return pathlib.Path({path!r}).read_text()
    def set_password(self, service, account, password): pass
    def delete_password(self, service, account): pass
"""


def test_the_search_itself_finds_what_is_there(tmp_path: Path) -> None:
    """Run by hand and unconfined it must fail, or its success inside would mean nothing."""
    (tmp_path / "app.py").write_text("SPEED = 1\n")
    (tmp_path / "test_search.py").write_text(SEARCH.replace('os.walk("/")', "os.walk(os.getcwd())"))
    (tmp_path / ".env").write_text(f"TOKEN={KEYS['dotenv']}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_search.py"],
        cwd=tmp_path, env={**os.environ, "OPENAI_API_KEY": KEYS["environ"], "PYTHONPATH": "."},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert ".env" in done.stdout and "/environ" in done.stdout


def test_no_secret_reaches_the_child_or_an_artefact(tmp_path: Path, leaky: str) -> None:  # noqa: F811
    target: Target = make_target(tmp_path)
    council(target, "openai", leaky, 'api_key_env = "OPENAI_API_KEY"')
    target.write("tests/test_app.py", SEARCH)
    target.write(".gitignore", "__pycache__/\n.env\n")
    target.commit()
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "keyring.txt").write_text(KEYS["keyring"])
    (secrets / "planted_keyring.py").write_text(KEYRING.format(path=str(secrets / "keyring.txt")))
    (secrets / ".env").write_text(f"TOKEN={KEYS['home']}\n")
    target.write(".env", f"TOKEN={KEYS['dotenv']}\n")
    done = target.pytest(
        "--maabarium", "bp.toml", "--maabarium-report", "out.html", "--maabarium-iterations", "2",
        OPENAI_API_KEY=KEYS["environ"], HOME=str(secrets), PYTHONPATH=str(secrets),
        PYTHON_KEYRING_BACKEND="planted_keyring.Planted",
    )  # fmt: skip
    assert "standard" in done.stdout and "1 promoted" in done.stdout, done.stdout + done.stderr
    planted = {secrets / "keyring.txt", secrets / ".env", target.root / ".env"}
    holders = {
        file
        for folder, _, names in os.walk(tmp_path)
        for file in (Path(folder, name) for name in names)
        if any(key.encode() in file.read_bytes() for key in KEYS.values())
    }
    assert holders == planted, "a secret is where it was planted, and nowhere else"
    assert not any(key in done.stdout + done.stderr for key in KEYS.values())
