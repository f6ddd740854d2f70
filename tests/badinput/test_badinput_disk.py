"""Disks that are full or may not be written, in mount namespaces of their own."""

from __future__ import annotations

import shutil
import subprocess
from random import Random

import pytest
from badinput_place import FASTER, Place, concurrent, patch

PROBE = ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"]
pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(PROBE, capture_output=True).returncode != 0,
    reason="mount namespaces are denied here",
)


def small(place: Place, size: str) -> tuple[str, str]:
    """A folder, and the line of shell that puts a small file system there."""
    folder = place.folder / "small"
    folder.mkdir()
    return str(folder), f"mount -t tmpfs -o size={size} none {folder}"


@concurrent
def test_a_database_on_a_read_only_mount(place: Place) -> None:
    folder, mount = small(place, "1m")
    done = place.run("--maabarium-db", f"{folder}/runs.db", inside=f"{mount}\nmount -o remount,ro {folder}")
    assert done.status == 4, done.text
    assert f"{folder}/runs.db cannot be opened" in done.text and "name another database" in done.text
    assert not place.branch()


@concurrent
def test_an_old_database_on_a_read_only_mount(place: Place) -> None:
    assert place.run().status == 0
    folder = place.root / "data"
    done = place.run(inside=f"mount --bind {folder} {folder}\nmount -o remount,bind,ro {folder}")
    assert done.status == 4, done.text
    assert "name another database" in done.text


@concurrent
def test_a_checkout_on_a_read_only_mount(place: Place) -> None:
    done = place.run(inside=f"mount --bind {place.root} {place.root}\nmount -o remount,bind,ro {place.root}")
    assert done.status == 4, done.text
    assert "name another database" in done.text


@concurrent
def test_a_full_disk_for_the_database_at_the_start(place: Place) -> None:
    folder, mount = small(place, "100k")
    done = place.run("--maabarium-db", f"{folder}/runs.db", inside=mount)
    assert done.status == 4, done.text
    assert f"there is no room left for {folder}/runs.db; free some space" in done.text


@concurrent
def test_a_full_disk_for_the_database_on_the_way(place: Place) -> None:
    folder, mount = small(place, "2m")
    many = [patch(f"step {n}", f"SPEED = {n}\n# {Random(n).randbytes(1_000_000).hex()}\n") for n in range(2, 6)]
    place.blueprint(*many)
    done = place.run("--maabarium-db", f"{folder}/runs.db", inside=mount)
    assert done.status == 1, done.text
    assert f"there is no room left for {folder}/runs.db; free some space, then resume" in done.text


@concurrent
def test_a_full_disk_for_the_cache(place: Place) -> None:
    folder, mount = small(place, "600k")
    place.write("app/table.bin", bytes(range(256)) * 4000)
    place.commit()
    done = place.run(inside=mount, XDG_CACHE_HOME=folder)
    assert done.status in (1, 4), done.text
    assert "the disk is full" in done.text or "No space left" in done.text
    assert not place.branch()


@concurrent
def test_a_candidate_too_large_for_the_cache(place: Place) -> None:
    folder, mount = small(place, "1200k")
    big = patch("big", "".join(f"x{n} = {n * 7919}\n" for n in range(54_000)), "app/table.py", "create")
    place.blueprint(big, FASTER, targets=("app/**",))
    done = place.run("-v", inside=mount, XDG_CACHE_HOME=folder)
    assert done.status == 1, done.text
    assert "full" in done.text or "No space left" in done.text
