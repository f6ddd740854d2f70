"""SIGTERM, SIGINT and SIGHUP in every phase: recorded, reported, nothing left, and the run can go on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from badinput_place import Ended, Place, concurrent, patch

SLOW_PROPOSER = """
import pathlib, time
from maabarium.plugins.manager import hookspecs

class Slow:
    def __init__(self, context):
        pass
    def propose(self, request):
        pathlib.Path({mark!r}).touch()
        time.sleep(600)

@hookspecs.hookimpl
def maabarium_proposers():
    return {{"slow": Slow}}
"""
SLEEPY = "import time\nimport app\n\n\ndef test_app():\n    time.sleep({when})\n    assert app.SPEED >= 1\n"


def interrupted(
    place: Place, reached: Callable[[], bool], number: signal.Signals = signal.SIGTERM, **environment: str
) -> Ended:
    """A run that gets a signal when it has come so far."""
    before = place.state()
    process = place.start("-v", **environment)
    place.until(process, reached)
    process.send_signal(number)
    done = place.finish(process)
    assert done.status == 2, done.text
    assert place.state() == before
    assert "--maabarium-resume=" in done.text and "maabarium summary" in done.text, done.text
    return done


def at_work(place: Place, verdicts: int, kind: str, count: int) -> Callable[[], bool]:
    """Reached when so much is decided, `count` events of a kind are there, and a suite is under way in the cache."""

    def reached() -> bool:
        events = [event["type"] for event in place.events()]
        if events.count("decided") != verdicts or events.count(kind) < count:
            return False
        return any(os.fsencode(place.cache) in folder for folder in folders_of_processes())

    return reached


def folders_of_processes() -> list[bytes]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found.append(os.fsencode((entry / "cwd").readlink()))
        except OSError:
            continue
    return found


@concurrent
def test_in_the_baseline(place: Place) -> None:
    place.write("tests/test_app.py", SLEEPY.format(when="600"))
    place.commit()
    interrupted(place, at_work(place, 0, "run_started", 1), signal.SIGINT)
    assert place.outcomes() == [("cancelled", "interrupted")] and not place.branch()


@concurrent
def test_while_planning(place: Place) -> None:
    mark = place.folder / "planning"
    place.blueprint(proposer="slow")
    place.write("conftest.py", SLOW_PROPOSER.format(mark=str(mark)))
    place.commit()
    interrupted(place, mark.exists)
    assert place.outcomes()[0] == ("baseline", "baseline") and not place.branch()


@concurrent
def test_while_screening(place: Place) -> None:
    place.write("tests/test_app.py", SLEEPY.format(when="600 if app.SPEED == 2 else 0"))
    place.commit()
    interrupted(place, at_work(place, 1, "proposed", 2), signal.SIGHUP)
    assert place.outcomes() == [("baseline", "baseline"), ("cancelled", "interrupted")] and not place.branch()


@concurrent
def test_while_confirming(place: Place) -> None:
    place.write("scoring/test_speed.py", "import app, random\n\n\ndef test_speed(score):\n"
                "    score.measure('speed', app.SPEED + random.random() / 99)\n")  # fmt: skip
    place.blueprint(patch("faster", "SPEED = 2\n"), metric='source = "score:speed", noisy = true')
    place.commit()

    def confirming() -> bool:
        found = [event["measured"]["stage"] for event in place.events() if event["type"] == "measured"]  # type: ignore[index]
        return "pair" in found

    interrupted(place, confirming)
    assert place.outcomes() == [("baseline", "baseline"), ("cancelled", "interrupted")] and not place.branch()


@concurrent
def test_while_promoting(place: Place) -> None:
    mark, real = place.folder / "promoting", shutil.which("git")
    wrapper = place.folder / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *update-ref*heads/maabarium/*) touch {mark}; sleep 1;; esac\nexec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
    place.blueprint(patch("faster", "SPEED = 2\n"), patch("faster still", "SPEED = 3\n"))
    interrupted(place, mark.exists, PATH=path)
    assert place.outcomes()[:2] == [("baseline", "baseline"), ("promoted", "kept")]
    tip = place.branch()
    assert place.git("show", f"{tip}:app/__init__.py") == "SPEED = 2\n"
    done = place.run("--maabarium-resume=last")
    assert done.status == 0, done.text
    assert place.git("show", f"{place.branch()}:app/__init__.py") == "SPEED = 3\n"
    assert place.git("rev-parse", f"{place.branch()}^").strip() == tip


@concurrent
def test_a_second_ctrl_c_leaves_at_once(place: Place) -> None:
    place.write("tests/test_app.py", SLEEPY.format(when="600"))
    place.commit()
    before = place.state()
    process = place.start()
    place.until(process, at_work(place, 0, "run_started", 1))
    process.send_signal(signal.SIGSTOP)  # so that both are pending when it goes on
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and b"Traceback" not in errors, errors
    assert not place.processes()
    assert place.state() == before
    place.write("tests/test_app.py", SLEEPY.format(when="0"))
    place.commit()
    assert place.run().status == 0  # the next run sweeps what the first left, and finds no lock


@concurrent
def test_before_the_run_began(place: Place) -> None:
    """Preparations, in which a conftest with hooks hangs: nothing is begun, so nothing is to be recorded."""
    mark = place.folder / "preparing"
    hang = f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(600)\n"
    place.write("conftest.py", f"{hang}\ndef maabarium_run_start(request):\n    pass\n")
    for number in (signal.SIGTERM, signal.SIGINT):
        before = place.state()
        mark.unlink(missing_ok=True)
        process = place.start()
        place.until(process, mark.exists)
        process.send_signal(number)
        done = place.finish(process)
        assert done.status == 2, done.text
        assert place.state() == before and not (place.root / "data").exists()
