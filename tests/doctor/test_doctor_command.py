"""The command on this machine, on one without git, and where the database's folder cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from doctor_calls import doctor, git, make_target

from maabarium.cli import main
from maabarium.doctor import FUNNELS
from maabarium.sandbox import SANDBOXES, canary
from maabarium.sandbox.selection import available
from maabarium.store import Store

NOBODY = 65534
MOUNTS = ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]
mounts = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(MOUNTS, capture_output=True).returncode != 0,
    reason="mount namespaces are denied here",
)


@pytest.mark.slow
def test_this_machine(tmp_path: Path) -> None:
    """With a target, which is examined and left alone."""
    top = tmp_path / "target"
    blueprint = make_target(top)
    before = (git(top, "for-each-ref"), sorted(path.name for path in (top / ".git").iterdir()))
    said = doctor(top, blueprint, "--json", environment={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert said.status == 0, said.bad()
    assert said.stderr == ""
    assert [each["funnel"] for each in said.listed] == sorted(
        (each["funnel"] for each in said.listed), key=list(FUNNELS).index
    )
    for each in said.listed:
        assert set(each) == {"funnel", "name", "status", "sentence", "fix", "observed"}
        assert (each["status"] == "pass") == (not each["fix"]) and each["sentence"]
    assert said.of("git")["sentence"].startswith("git version")
    trusted = said.of("trusted (subprocess)")
    assert trusted["status"] == "pass"
    assert {"read a secret file", "connect over TCP"} <= {o["attempt"] for o in trusted["observed"] if o["succeeded"]}
    assert said.of("repository")["sentence"].endswith("5 files, of which 1 may change")
    assert said.of("collects")["sentence"] == "tests: 1, rules: 0"
    assert {said.of(name)["status"] for name in ("clean", "green", "flaky", "covers", "duration")} == {"pass"}
    assert "so 4 take about" in said.of("duration")["sentence"]
    assert said.of("models")["sentence"] == 'the proposer "mutate" asks none'
    assert (git(top, "for-each-ref"), sorted(path.name for path in (top / ".git").iterdir())) == before
    assert git(top, "status", "--porcelain") == ""
    assert [path.name for path in tmp_path.iterdir()] == ["target"] and not (top / "data").exists()


def test_without_git(tmp_path: Path) -> None:
    """As a person sees it."""
    blueprint = make_target(tmp_path / "target")
    (tmp_path / "bin").mkdir()
    said = doctor(
        tmp_path, blueprint, "--level", "trusted",
        environment={"PATH": str(tmp_path / "bin"), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert said.status == 1
    assert "\x1b" not in said.stdout  # no terminal, no colours
    lines = said.stdout.splitlines()
    assert [line for line in lines if line in FUNNELS] == ["environment", "sandbox", "instrument", "target", "storage"]
    failures = [line.split()[1] for line in lines if line.startswith("  fail")]
    assert failures == ["git", "blueprint"]
    (git_line,) = [index for index, line in enumerate(lines) if line.startswith("  fail  git")]
    assert "git is not installed or not on the PATH" in lines[git_line]
    after = " ".join(line.strip() for line in lines[git_line + 1 : git_line + 4])
    assert "fix: install git 2.32 or newer" in after
    assert any(line.startswith("  warn  bytecode") for line in lines)
    assert any("fix: unset PYTHONDONTWRITEBYTECODE" in line for line in lines)
    (row,) = [line for line in lines if line.strip().startswith("read a secret file")]
    assert row.split()[-1] == "yes"
    assert any(line.startswith("  pass  database folder") for line in lines)  # the rest was looked at all the same
    assert lines[-1].endswith(", 2 fail")


def table(said: str) -> list[str]:
    """The lines about what a hostile program could do, the head first."""
    lines = said.splitlines()
    return lines[lines.index("what a hostile program could do") + 1 :]


def test_the_table_is_of_the_level_that_runs_take(tmp_path: Path) -> None:
    held = [str(reach) for reach in available(SANDBOXES) if reach.ok]
    if not any(name.startswith("standard") for name in held):
        pytest.skip("nothing confines here")
    said = doctor(tmp_path)
    head, *rows = table(said.stdout)
    assert head.strip() == next(name for name in held if name.startswith("standard"))
    assert {row.split()[-1] for row in rows[: len(canary.TRIES)]} == {"stopped"}
    assert "trusted would allow" in rows[len(canary.TRIES)] and "--all" in rows[len(canary.TRIES)]
    assert said.stderr.startswith("without a blueprint neither a target nor models are looked at")


@pytest.mark.slow
def test_the_table_of_every_level(tmp_path: Path) -> None:
    held = [str(reach) for reach in available(SANDBOXES) if reach.ok]
    head, *rows = table(doctor(tmp_path, "--all").stdout)
    assert all(name in head for name in ("trusted (subprocess)", *held))
    assert any(row.split()[-4:].count("yes") for row in rows) and not any("--all" in row for row in rows)


def test_the_usual_blueprint_of_this_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "maabarium.toml").write_text("[blueprint]\n")
    said = doctor(tmp_path, "--level", "trusted")
    assert said.stderr == "looking at maabarium.toml of this folder too\n"
    assert said.status == 1 and "maabarium validate --bind maabarium.toml" in said.stdout
    assert table(said.stdout)[0].strip() == "trusted (subprocess)"


@mounts
def test_the_databases_folder_on_a_read_only_mount(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Store.open(data / "maabarium.db"):
        pass
    script = f'mount --bind {data} {data}\nmount -o remount,bind,ro {data}\nexec "$@"'
    said = doctor(tmp_path, "--level", "trusted", "--json", before=["unshare", "-Urm", "sh", "-ec", script, "sh"])
    assert said.status == 1
    assert set(said.bad()) == {"database folder", "database file"}
    assert said.bad()["database folder"] == f"{data} cannot be written: read-only file system"
    assert f"make {data} writable" in said.of("database folder")["fix"]
    assert said.of("integrity")["status"] == "pass"  # it can still be read


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that an ordinary user may enter; pytest's own are private."""
    folder = Path("/var/tmp") / f"maabarium-doctor-{os.getpid()}-{time.monotonic_ns()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def interpreter_for(before: list[str]) -> tuple[str, dict[str, str]]:
    """A Python that an ordinary user may execute, and what it needs to find us; skips when there is none."""
    if shutil.which("setpriv") is None:
        pytest.skip("there is no setpriv here")
    path = os.pathsep.join([str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)])
    wanted = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    nested = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import maabarium.doctor'], check=True)"
    for python in (sys.executable, f"/usr/bin/{wanted}", f"/usr/local/bin/{wanted}"):
        more = {} if python == sys.executable else {"PYTHONPATH": path}
        probe = subprocess.run(
            [*before, python, "-c", nested], env=os.environ | more, capture_output=True, cwd="/", check=False
        )
        if probe.returncode == 0:
            return python, more
    pytest.skip("an ordinary user can execute no Python of this version here")


def test_the_databases_folder_without_permission(ground: Path) -> None:
    data = ground / "data"
    with Store.open(data / "maabarium.db"):
        pass
    before: list[str] = []
    python, environment = sys.executable, dict[str, str]()
    if os.getuid() == 0:
        before = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        for place in (ground, data, *data.iterdir()):
            os.chown(place, NOBODY, NOBODY)
        python, environment = interpreter_for(before)
    data.chmod(0o555)
    environment |= {"HOME": str(ground), "TMPDIR": "/var/tmp"}
    said = doctor(
        ground, "--level", "trusted", "--fix", "--json", before=before, environment=environment, python=python
    )
    data.chmod(0o755)
    assert said.status == 1
    assert said.bad() == {"database folder": f"{data} cannot be written: permission denied"}
    assert said.of("database file")["status"] == "pass"
    assert f"made the cache folder {ground / 'cache' / 'maabarium'}" in [each["sentence"] for each in said.listed]
    stopped = {o["attempt"] for o in said.of("trusted (subprocess)")["observed"] if not o["succeeded"]}
    assert "fork without end" in stopped  # the limit binds whoever is not root


def test_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["doctor", "absent.toml"])
    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == "error: absent.toml: there is no such file; `maabarium init` writes one\n"
    assert CliRunner().invoke(main, ["doctor", "--level", "perfect"]).exit_code == 4
