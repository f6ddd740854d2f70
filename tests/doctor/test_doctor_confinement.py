"""A level is judged by what gets through, not by what a backend says of itself."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from typing import Any

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.doctor import confinement
from maabarium.doctor.confinement import check_sandbox, taken
from maabarium.doctor.findings import Observation, failed, passed
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Completed, Sandbox
from maabarium.sandbox import SANDBOXES, canary, subprocess_sandbox
from maabarium.sandbox.probe import HOGS, VARIABLE, observe_all, planted
from maabarium.sandbox.selection import Reach, available


def liar(options: SandboxOptions, cancel: threading.Event) -> Sandbox:
    """Says that it confines."""
    plain = subprocess_sandbox(options.model_copy(update={"level": "trusted"}), cancel)
    return dataclasses.replace(plain, name="liar", level=options.level)


class Plain:
    """An outsider's sandbox: what the protocol asks for, and no more."""

    name, level = "subprocess", "trusted"

    def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
        self.inner = subprocess_sandbox(options, cancel)

    def run(self, command: Command) -> Completed:
        return self.inner.run(command)


class Broken(Plain):
    """Starts nothing."""

    def run(self, command: Command) -> Completed:
        raise SandboxError("the kernel says no")


class Mute(Plain):
    """Starts something else."""

    def run(self, command: Command) -> Completed:
        return super().run(Command(["/bin/echo", "nonsense"], command.cwd))


def test_what_is_held_here() -> None:
    held = [(reach.level, reach.backend) for reach in available(SANDBOXES) if reach.ok]
    if not held:
        pytest.skip("nothing confines here")
    level, backend = held[0]
    first, *rest = check_sandbox(SANDBOXES, level=level)
    assert first.name == "levels" and first.status == "pass"
    (finding,) = [one for one in rest if one.name == f"{level} ({backend})"]
    assert finding.status == "pass", finding.sentence
    assert len(finding.observed) == len(canary.TRIES)
    assert not [one.attempt for one in finding.observed if one.succeeded]


def test_a_backend_that_lies_is_not_taken() -> None:
    first, trusted = check_sandbox({"subprocess": subprocess_sandbox, "liar": liar})
    assert first.status == "warn" and "nothing here confines" in first.sentence
    assert "a program inside could: connect over TCP" in first.sentence
    assert trusted.name == "trusted (subprocess)"


def test_a_backend_that_lies_well_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    reaches = [Reach("liar", "standard", True), Reach("liar", "strict", True)]
    monkeypatch.setattr(confinement, "available", lambda factories: reaches)
    findings = list(check_sandbox({"liar": liar}, level="standard"))
    assert [finding.status for finding in findings] == ["pass", "fail"]
    assert "got through: connect over TCP" in findings[1].sentence
    through = {one.attempt for one in findings[1].observed if one.succeeded}
    assert {"read a .env file", "see other processes", "end another process", "write outside"} <= through
    assert not {"find a secret in the environment", "outlive the evaluation", "take memory without end"} & through


def test_a_level_that_is_demanded_must_be_held() -> None:
    alone: dict[str, Any] = {"subprocess": subprocess_sandbox}
    asked = next(iter(check_sandbox(alone, level="strict")))
    assert asked.status == "fail" and 'the level "strict" is not to be had here, and you ask' in asked.sentence
    demanded = next(iter(check_sandbox(alone, demanded="standard")))
    assert demanded.status == "fail" and "the blueprint demands it" in demanded.sentence
    assert next(iter(check_sandbox(alone))).status == "warn"


@pytest.mark.parametrize("backend", [Broken, Mute])
def test_a_sandbox_that_starts_nothing(backend: type[Plain]) -> None:
    (finding,) = [one for one in check_sandbox({"subprocess": backend}, level="trusted") if one.name != "levels"]
    assert finding.status == "fail"
    assert "the canary could not be let into it" in finding.sentence
    assert ("the kernel says no" in finding.sentence) or ("nonsense" in finding.sentence)


def test_what_a_hog_did_not_say_was_stopped() -> None:
    class Killer(Plain):
        def run(self, command: Command) -> Completed:
            hog = any(name in command.argv for name in HOGS)
            return Completed(-9, "", 0.1, 0.0, 0) if hog else super().run(command)

    seen = {one.attempt: one for one in observe_all(Killer(SandboxOptions(level="trusted"), threading.Event()))}
    assert [seen[name].succeeded for name in HOGS] == [False] * 3
    assert {seen[name].detail for name in HOGS} == {"the sandbox ended it"}
    assert seen["read a secret file"].succeeded


def test_the_canarys_word_is_checked() -> None:
    with planted() as bait:
        assert os.environ[VARIABLE] == bait.secret
        facts = json.loads(bait.write().read_text())
        assert bait.secret not in json.dumps(facts)
        for name in ("connect over TCP", "send over UDP", "write outside", "change a file outside"):
            told = bait.judged(name, True, "")
            assert not told.succeeded and told.detail
        assert not bait.judged("read a secret file", True, "0" * 64).succeeded
        assert not bait.judged("end another process", True, "").succeeded  # it lives
        assert not bait.judged("signal the parent", True, "pid:[1]").succeeded  # a namesake
        (bait.outside / "new").write_text("x")
        assert bait.judged("write outside", False, "refused: EPERM").succeeded  # evidence wins
        assert bait.victim is not None
        bait.victim.terminate()
        assert bait.judged("end another process", True, "").succeeded
        place = bait.outside
    assert VARIABLE not in os.environ and not place.exists()


def test_which_of_them_a_run_takes() -> None:
    seen = [Observation("write outside", succeeded=False)]
    found = [passed("sandbox", "levels", "said", seen)]
    assert taken(found) is None
    found += [passed("sandbox", "trusted (subprocess)", "said", seen)]
    assert taken(found) is found[1] and taken(found, "strict") is None
    found += [failed("sandbox", "standard (broken)", "said", "fix")]  # nothing could be tried in it
    found += [passed("sandbox", f"{level} (good)", "said", seen) for level in ("standard", "strict")]
    assert taken(found) is taken(found, "standard") is found[3]
    assert taken(found, "strict") is found[4] and taken(found, "trusted") is found[1]
