"""What a candidate may see: lists of paths, made of links, hidden places and grants."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command
from maabarium.sandbox import file_access
from maabarium.sandbox.caps import UsageGuard, bytes_below
from maabarium.sandbox.file_access import access_of, traced, without
from maabarium.sandbox.interpreter import folders_of_program
from maabarium.sandbox.launch_plans import handled_rights, hosts_file, path_rules

ENV = {"PATH": "/usr/bin:/bin"}


def test_links_on_the_way_are_found(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "two").symlink_to(tmp_path / "one" / "deep")
    links, real = traced(str(tmp_path / "two" / ".." / "deep"))
    assert real == str(tmp_path / "real" / "deep")
    assert links == {str(tmp_path / "two"): str(tmp_path / "one" / "deep"), str(tmp_path / "one"): "real"}


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"l{number}").symlink_to(f"l{(number + 1) % 60}")
    with pytest.raises(OSError, match="symbolic links"):
        traced(str(tmp_path / "l0"))


def test_what_is_hidden_is_left_out(tmp_path: Path) -> None:
    for path in ("a/x", "a/app/.env", "b/c/d", "b/c/secret/key"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    hidden = [str(tmp_path / "a" / "app"), str(tmp_path / "b" / "c" / "secret")]
    assert without(str(tmp_path), hidden) == [str(tmp_path / "a" / "x"), str(tmp_path / "b" / "c" / "d")]
    assert without(str(tmp_path / "a" / "app" / "deeper"), hidden) == [str(tmp_path / "a" / "app" / "deeper")]
    assert without(str(tmp_path / "a"), []) == [str(tmp_path / "a")]


def test_settings_of_every_interpreter_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("python3", "python3.9", "python3.14", "shadow"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(file_access, "ETC", tmp_path)
    found = access_of(Command(["sh"], tmp_path / "python3"), SandboxOptions(), ENV).readable
    assert {str(tmp_path / name) for name in ("python3", "python3.9", "python3.14")} <= {*found}
    assert str(tmp_path / "shadow") not in found


def test_nothing_of_the_user_is_in_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, tree = tmp_path / "home", tmp_path / "tree"
    for place in (home / ".ssh", tree):
        place.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    view = access_of(Command(["sh"], tree, writable=(tree,)), SandboxOptions(), ENV)
    assert view.writable == (str(tree),)
    assert not [path for path in view.readable if path.startswith((str(tmp_path), "/root", "/home", "/var", "/tmp"))]
    assert not {"/", "/usr", "/etc", "/opt", "/usr/src", "/etc/shadow", "/etc/hostname", "/etc/hosts"} & {
        *view.readable
    }
    granted = access_of(Command(["sh"], tree, writable=(tree,)), SandboxOptions(readable=("~/.ssh",)), ENV)
    assert {*granted.readable} - {*view.readable} == {str(home / ".ssh")}
    networked = access_of(Command(["sh"], tree), SandboxOptions(network=True), ENV)
    assert str(Path("/etc/resolv.conf").resolve()) in networked.readable or not Path("/etc/resolv.conf").exists()
    assert hosts_file(network=False) == b"127.0.0.1 localhost sandbox\n::1 localhost sandbox\n"
    host = Path("/etc/hosts").read_bytes() if Path("/etc/hosts").exists() else b""
    assert hosts_file(network=True) == hosts_file(network=False) + host


def test_what_is_writable_is_not_listed_twice(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    view = access_of(Command(["sh"], tmp_path / "sub", writable=(tmp_path, tmp_path / "sub")), SandboxOptions(), ENV)
    assert view.writable == (str(tmp_path),) and str(tmp_path / "sub") not in view.readable


def test_our_interpreter_and_a_script_of_it(tmp_path: Path) -> None:
    folders = folders_of_program(sys.executable, "/usr/bin", tmp_path)
    assert {sys.prefix, sys.base_prefix} <= {*folders}
    (tmp_path / "tool").write_text(f"#!{sys.executable}\n")
    assert {sys.prefix, str(tmp_path / "tool")} <= {*folders_of_program("./tool", "", tmp_path)} | {
        str(tmp_path / "tool")
    }
    assert folders_of_program("no-such-program", "/usr/bin", tmp_path) == ()
    assert folders_of_program("sh", "/usr/bin:/bin", tmp_path)[0].endswith("/sh")


def test_an_interpreter_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\necho nonsense\n")
    (tmp_path / "python3").chmod(0o755)
    with pytest.raises(SandboxError, match="does not say where its packages are"):
        folders_of_program(str(tmp_path / "python3"), "", tmp_path)
    with pytest.raises(SandboxError, match="cannot be looked at"):
        folders_of_program(str(tmp_path / "python9"), "", tmp_path)


def test_landlock_rights_by_version(tmp_path: Path) -> None:
    assert [handled_rights(abi)[0].bit_count() for abi in (1, 2, 3, 4, 5, 6)] == [13, 14, 15, 15, 16, 16]
    assert [handled_rights(abi)[1] for abi in (5, 6, 7)] == [0, 3, 3]
    (tmp_path / "file").write_text("")
    rules = dict(path_rules(7, [str(tmp_path)], [str(tmp_path / "file")]))
    assert rules == {str(tmp_path): 0b1101, str(tmp_path / "file"): 1 << 15 | 1 << 14 | 0b111}


def test_a_guard_counts_what_is_really_there(tmp_path: Path) -> None:
    guard = UsageGuard(lambda: [], [str(tmp_path), str(tmp_path / "sub")], memory=None, written=3_000_000)
    assert guard() == ""
    guard._free = [free + 10_000_000_000 for free in guard._free]  # others filled the disk
    assert guard() == ""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(b"x" * 4_000_000)
    guard._next_walk = 0
    assert "written_mb" in guard()
    assert 4_000_000 <= bytes_below(str(tmp_path)) < 4_100_000
    assert bytes_below(str(tmp_path / "gone")) == 0
