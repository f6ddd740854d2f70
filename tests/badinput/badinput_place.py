"""A target with everything about it that a run must not harm, and real runs in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from target_texts import LEAN

LIMIT = 120
"""Seconds that any one run may take on a loaded machine."""

BLUEPRINT = """
[blueprint]
name = "speed"
version = "1"
description = "a number grows"
[domain]
repo_path = "."
target_files = {targets}
language = "python"
{domain}
[constraints]
max_iterations = {iterations}
timeout_seconds = {timeout}
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{{ name = "speed", weight = 1.0, direction = "maximize", {metric} }}]
[evaluator]
kind = "pytest"
rules = ["scoring/test_speed.py"]
{evaluator}
[proposer]
kind = "{proposer}"
{options}
{more}
"""
FILES = {
    "app/__init__.py": "SPEED = 1\n",
    "tests/test_app.py": "import app\n\n\ndef test_app():\n    assert app.SPEED >= 1\n",
    "scoring/test_speed.py": "import app\n\n\ndef test_speed(score):\n    score.measure('speed', app.SPEED)\n",
    "pyproject.toml": f'[tool.pytest.ini_options]\ntestpaths = ["tests"]\naddopts = "{LEAN}"\n',
    ".gitignore": "__pycache__/\n",
}


def patch(summary: str, content: str, path: str = "app/__init__.py", operation: str = "modify") -> str:
    """One line for the scripted proposer."""
    patches = [{"path": path, "operation": operation, "content": content}]
    return json.dumps({"summary": summary, "file_patches": patches})


FASTER = patch("faster", "SPEED = 2\n")


@dataclass
class Ended:
    """What is left of a run: its exit status and what it said, as bytes and as text."""

    status: int
    out: bytes
    errors: bytes

    @property
    def text(self) -> str:
        return (self.out + self.errors).decode("utf-8", "replace")


class Place:
    """A folder with a target, a cache, and nothing else: what is left elsewhere in it was leaked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.cache = folder, folder / "target", folder / "cache"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith(("PYTEST_", "COV_", "COVERAGE", "GIT_"))
        } | {"XDG_CACHE_HOME": str(self.cache), "COLUMNS": "200", "GIT_CONFIG_GLOBAL": os.devnull}

    # --- making ---

    def write(self, name: str, text: str | bytes) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, check=True, capture_output=True, text=True, input=stdin
        ).stdout

    def commit(self) -> None:
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "state")

    def blueprint(
        self,
        *proposals: str,
        targets: tuple[str, ...] = ("app/**/*.py",),
        iterations: int | None = None,
        timeout: int = 60,
        metric: str = 'source = "score:speed"',
        proposer: str = "scripted",
        domain: str = "",
        evaluator: str = "",
        more: str = "",
    ) -> None:
        """Write bp.toml and the proposals beside it."""
        text = BLUEPRINT.format(
            targets=json.dumps(list(targets)),
            iterations=iterations or max(1, len(proposals)),
            timeout=timeout,
            metric=metric,
            proposer=proposer,
            domain=domain,
            evaluator=evaluator,
            options='path = "proposals.jsonl"' if proposer == "scripted" else "",
            more=more,
        )
        self.write("bp.toml", text)
        self.write("proposals.jsonl", "".join(line + "\n" for line in proposals or (FASTER,)))

    # --- running ---

    @staticmethod
    def argv(*arguments: str) -> list[str]:
        # pytest-benchmark asks git to describe the folder at every start of pytest, which rewrites a racy index
        return [sys.executable, "-m", "pytest", "-p", "no:benchmark", "--maabarium", "bp.toml", *arguments]

    def start(self, *arguments: str, inside: str = "", **environment: str) -> subprocess.Popen[bytes]:
        """Start a run; `inside` is a line of shell before it, in namespaces of its own."""
        command = self.argv(*arguments)
        if inside:
            command = ["unshare", "-Urm", "sh", "-ec", f'{inside}\nexec "$@"', "sh", *command]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def finish(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for a run and check what holds for each: no traceback, no escape sequence, nothing left behind."""
        try:
            out, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
            raise AssertionError(f"the run did not end:\n{out.decode()}{errors.decode()}") from None
        done = Ended(process.returncode, out, errors)
        assert "Traceback" not in done.text and "INTERNALERROR" not in done.text, done.text
        assert b"\x1b" not in out + errors, done.text
        assert not list(self.cache.glob("maabarium/*/runs/*")), done.text
        assert not self.processes(), done.text
        return done

    def run(self, *arguments: str, inside: str = "", **environment: str) -> Ended:
        """A run from start to end that must not harm anything of the user's."""
        before = self.state()
        done = self.finish(self.start(*arguments, inside=inside, **environment))
        after = self.state()
        changed = sorted(name for name in before | after if before.get(name) != after.get(name))
        assert not changed, f"{changed} changed:\n{done.text}"
        return done

    # --- looking ---

    def state(self) -> dict[str, str]:
        """What is the user's: each file's bytes (the index and HEAD among them), and all refs that are not ours."""
        found = {}
        git = self.root / ".git"
        for path in sorted(self.root.rglob("*")):
            name = os.fsencode(path.relative_to(self.root)).decode("utf-8", "backslashreplace")
            if path.is_dir() or name.startswith("data/"):
                continue
            if name.startswith(".git/") and name not in (".git/index", ".git/HEAD", ".git/config"):
                continue
            found[name] = str(path.readlink()) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        if (git / "HEAD").exists() and os.access(git, os.R_OK):
            refs = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
            found["refs"] = "\n".join(ref for ref in refs if "/maabarium/" not in ref)
            found["worktrees"] = self.git("worktree", "list", "--porcelain")
        return found

    def branch(self) -> str:
        """The commit of the run's branch; empty when there is none."""
        return self.git("for-each-ref", "--format=%(objectname)", "refs/heads/maabarium/speed").strip()

    def processes(self) -> list[str]:
        """Processes that work in this place. Those that are just ending get a moment."""
        deadline = time.monotonic() + 10
        while (found := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def _processes(self) -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                folder = str((entry / "cwd").readlink())
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if folder.startswith(f"{self.folder}/") or os.fsencode(self.folder) in words:
                found.append(words.replace(b"\0", b" ").decode("utf-8", "replace"))
        return found

    def events(self) -> list[dict[str, object]]:
        """What the journal holds so far."""
        database = self.root / "data" / "maabarium.db"
        if not database.exists():
            return []
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
        try:
            rows = connection.execute("SELECT payload FROM events ORDER BY sequence").fetchall()
        except sqlite3.OperationalError:  # not set up yet
            return []
        finally:
            connection.close()
        return [json.loads(row[0]) for row in rows]

    def outcomes(self) -> list[tuple[str, str]]:
        """Verdict and reason code of each decided experiment."""
        decided = [event["outcome"] for event in self.events() if event["type"] == "decided"]
        return [(one["verdict"], one["reason_code"]) for one in decided if isinstance(one, dict)]

    def until(self, process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
        """Wait until something holds while the run is under way."""
        deadline = time.monotonic() + LIMIT
        while not reached():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "it never came so far"
            time.sleep(0.01)


def concurrent(check: Callable[[Place], None]) -> Callable[..., None]:
    """A test that runs beside others of its kind, on a place of its own: most of its time is waiting."""

    def test(running: dict[object, Future[None]]) -> None:
        running[check].result()

    test.__name__, test.__doc__ = check.__name__, check.__doc__
    test.check = check  # type: ignore[attr-defined]
    return test


def make_template(folder: Path) -> Path:
    """A committed target, to be copied by each case."""
    place = Place(folder)
    for name, text in FILES.items():
        place.write(name, text)
    place.blueprint()
    place.commit()
    return folder


def copy_of(template: Path, folder: Path) -> Place:
    """A copy of a template. It has an index of its own, as new as its files."""
    shutil.copytree(template, folder, dirs_exist_ok=True, symlinks=True)
    place = Place(folder)
    place.git("status", "--porcelain")
    return place
