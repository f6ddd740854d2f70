"""Removing and writing where foreign programs worked: permissions, depth, links, what the system keeps."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maabarium.folders import discard, remove, replace_file, stamp, write_file


def test_nothing_a_file_a_link_and_a_folder_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    place = tmp_path / "place"
    remove(place)
    place.write_text("x")
    remove(place)
    place.symlink_to(outside)
    remove(place)
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "link").symlink_to(outside)
    (place / "a" / "b" / "file").write_text("x")
    os.mkfifo(place / "a" / "pipe")
    remove(place)
    assert not os.path.lexists(place) and (outside / "kept").read_text() == "x"


def test_no_depth_is_too_deep(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    here = os.open(place, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove(place)
    assert not place.exists()


@pytest.mark.usefixtures("obeys_permissions")
def test_permissions_that_were_taken_away_are_taken_back(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "closed" / "inner").mkdir(parents=True)
    (place / "closed" / "inner" / "file").write_text("x")
    (place / "read-only").mkdir()
    (place / "read-only" / "file").write_text("x")
    (place / "closed" / "inner").chmod(0o000)
    (place / "closed").chmod(0o100)
    (place / "read-only").chmod(0o500)
    place.chmod(0o000)
    remove(place)
    assert not os.path.lexists(place)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder from which nothing can be removed")
def test_what_the_system_keeps_is_said_or_left_in_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = tmp_path / "place"
    for name in ("first", "kept", "last"):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text("x")
    real = os.unlink

    def refusing(name: str, *, dir_fd: int | None = None) -> None:
        if Path(f"/proc/self/fd/{dir_fd}").readlink().name == "kept":
            raise OSError(1, "Operation not permitted", name)
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr("maabarium.folders.os.unlink", refusing)
    with pytest.raises(OSError, match="not permitted"):
        remove(place)
    assert [path.name for path in place.iterdir()] == ["kept"], "all else is gone"
    discard(place)
    assert (place / "kept" / "file").exists()


def test_a_written_file_is_new_and_as_asked_for(tmp_path: Path) -> None:
    past = (time.time_ns() - 3600 * 10**9,) * 2
    plain = write_file(tmp_path / "plain", b"x", executable=False)
    program = write_file(tmp_path / "program", tmp_path / "plain", executable=True, times=past)
    assert (plain.st_mode & 0o777, program.st_mode & 0o777) == (0o644, 0o755)
    assert (tmp_path / "program").read_bytes() == b"x" and program.st_mtime_ns == past[0]
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for taken in ("plain", "link"):
        with pytest.raises(FileExistsError):
            write_file(tmp_path / taken, b"y", executable=False)
    assert not (tmp_path / "elsewhere").exists()


def test_a_change_shows_in_the_stamp_though_the_times_are_set_back(tmp_path: Path) -> None:
    place = tmp_path / "file"
    info = write_file(place, b"one", executable=False)
    assert stamp(info) == stamp(place.lstat())
    time.sleep(0.02)
    place.write_bytes(b"two")
    os.utime(place, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert stamp(info) != stamp(place.lstat())


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "file"
    replace_file(place, b"one", mode=0o444)
    replace_file(place, b"two", mode=0o755, durable=True)
    assert (place.read_bytes(), place.stat().st_mode & 0o777) == (b"two", 0o755)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "folder", b"three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_several_may_remove_the_same_folder_at_once(tmp_path: Path) -> None:
    for round_ in range(20):
        top = tmp_path / f"top{round_}"
        for number in range(40):
            (top / f"a{number}" / "b" / "c").mkdir(parents=True)
            (top / f"a{number}" / "b" / "file").write_text("x")
        with ThreadPoolExecutor(4) as threads:
            ended = [threads.submit(remove, top) for _ in range(4)]
        assert [future.exception() for future in ended] == [None] * 4
        assert not top.exists()
