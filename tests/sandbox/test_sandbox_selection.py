"""Which sandbox is chosen: by trying, never weaker than asked for. Denials are real ones, made by a filter."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.plugins.processes import Command, Completed, Sandbox
from maabarium.sandbox import SANDBOXES, subprocess_sandbox
from maabarium.sandbox.backends import landlock_sandbox
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.launcher_door import LaunchDoor
from maabarium.sandbox.probe import WORK, observe_quickly
from maabarium.sandbox.seccomp import Refusal, confining_rules, filter_program
from maabarium.sandbox.selection import Reach, available, describe, notes_of, select

SOURCE = """
import json, sys, threading
sys.path[:0] = {path!r}
from maabarium.blueprint.schema import SandboxOptions
from maabarium.errors import SandboxError
from maabarium.sandbox import SANDBOXES
from maabarium.sandbox.launcher import syscalls
from maabarium.sandbox.selection import available, describe, notes_of, select
syscalls.control(syscalls.PR_SET_NO_NEW_PRIVS, 1)
for program in {programs!r}:
    syscalls.filter_calls(program)
answers = {{}}
for level in ("auto", "standard", "strict"):
    try:
        sandbox = select(SandboxOptions(level=level), SANDBOXES, threading.Event())
        answers[level] = [describe(sandbox), *notes_of(sandbox)]
    except SandboxError as error:
        answers[level] = [str(error)]
print(json.dumps(answers))
"""
MACHINE = os.uname().machine
NO_NAMESPACES = [rule for rule in confining_rules(strict=False) if rule.call in ("unshare", "clone", "clone3")]
"""Also for bubblewrap, which makes them with clone(2)."""
NO_LANDLOCK = [Refusal("landlock_create_ruleset", errno.ENOSYS)]


def choices(*denied: list[Refusal]) -> dict[str, list[str]]:
    """What is chosen for each level in a process to which the kernel denies some calls, as containers do."""
    programs = [filter_program(rules, MACHINE) for rules in denied]
    source = SOURCE.format(path=sys.path, programs=programs)
    env = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=60, env=env
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[str]] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def reached() -> list[Reach]:
    return available(SANDBOXES)


def test_without_namespaces_landlock_reaches_standard(reached: list[Reach]) -> None:
    if Reach("landlock", "standard", True) not in reached:
        pytest.skip("no Landlock of version 6 here")
    found = choices(NO_NAMESPACES)
    assert found["standard"][0] == found["auto"][0] == "standard (landlock, seccomp)"
    assert "no sockets" in found["standard"][1]
    (refusal,) = found["strict"]
    assert 'level = "strict" cannot be held here' in refusal
    assert "namespaces: the sandbox could not be set up: unshare: Operation not permitted" in refusal


def test_without_landlock_namespaces_hold_alone(reached: list[Reach]) -> None:
    if Reach("namespaces", "strict", True) not in reached:
        pytest.skip("no user namespaces here")
    found = choices(NO_LANDLOCK)
    assert found["auto"][0] == "standard (namespaces, seccomp)"
    assert found["strict"][0] == "strict (namespaces, seccomp)"


def test_without_both_standard_is_refused_and_auto_says_so() -> None:
    found = choices(NO_NAMESPACES, NO_LANDLOCK)
    assert found["auto"][0] == "trusted (subprocess)"
    assert any("nothing keeps the tests in" in note for note in found["auto"])
    for level in ("standard", "strict"):
        (refusal,) = found[level]
        assert f'level = "{level}" cannot be held here' in refusal
        assert "unshare: Operation not permitted" in refusal
        assert "user.max_user_namespaces" in refusal and 'level = "trusted"' in refusal
    assert "needs Landlock version 6" in found["standard"][0]


def test_trusted_is_taken_at_its_word(cancel: threading.Event) -> None:
    sandbox = select(SandboxOptions(level="trusted"), SANDBOXES, cancel)
    assert (sandbox.name, describe(sandbox)) == ("subprocess", "trusted (subprocess)")


def test_one_that_leaks_is_not_chosen(cancel: threading.Event) -> None:
    """A backend may say what it likes; the canary decides."""

    def leaky(options: SandboxOptions, cancel: threading.Event) -> Sandbox:
        plain = subprocess_sandbox(options.model_copy(update={"level": "trusted"}), cancel)
        return dataclasses.replace(plain, name="leaky", level=options.level)

    with pytest.raises(SandboxError, match=r"leaky: a program inside could: .*read a secret file"):
        select(SandboxOptions(level="standard"), {"leaky": leaky, "subprocess": subprocess_sandbox}, cancel)


def test_one_in_which_nothing_works_is_not_chosen(cancel: threading.Event) -> None:
    class Dead:
        name, level = "dead", "standard"

        def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
            pass

        def run(self, command: Command) -> Completed:
            return Completed(0, '["work inside", false, "refused"]', 0, 0, 0)

    class Mute(Dead):
        def run(self, command: Command) -> Completed:
            return Completed(1, "Illegal instruction", 0, 0, 0)

    with pytest.raises(SandboxError, match="dead: a program inside could not write to its own folders"):
        select(SandboxOptions(level="standard"), {"dead": Dead}, cancel)
    with pytest.raises(SandboxError, match="mute: a small program ended with status 1 there and said 'Illegal"):
        select(SandboxOptions(level="standard"), {"mute": Mute}, cancel)


def test_a_sandbox_is_shown_with_what_it_says_of_itself(cancel: threading.Event) -> None:
    """An outsider's needs to say nothing beyond its name and level."""

    class Quiet:
        name, level = "quiet", "trusted"

        def __init__(self, options: SandboxOptions, cancel: threading.Event) -> None:
            self.run = subprocess_sandbox(options, cancel).run

    class Talking(Quiet):
        held_by, notes = "a jail", ("the network is slow there",)

    options = SandboxOptions(level="trusted")
    assert (describe(Quiet(options, cancel)), notes_of(Quiet(options, cancel))) == ("trusted (quiet)", ())
    assert (describe(Talking(options, cancel)), notes_of(Talking(options, cancel))) == (
        "trusted (a jail)", ("the network is slow there",),
    )  # fmt: skip
    for plain, said in ((Quiet, ()), (Talking, ("the network is slow there",))):
        taken = select(SandboxOptions(level="auto"), {"subprocess": plain}, cancel)
        *own, note = notes_of(taken)
        assert tuple(own) == said and "nothing keeps the tests in: there is no backend that confines" in note
        assert taken.level == "trusted" and observe_quickly(taken)


def test_each_is_tried_once(cancel: threading.Event) -> None:
    made = []

    def factory(options: SandboxOptions, cancel: threading.Event) -> Sandbox:
        made.append(options.level)
        raise SandboxError("not here")

    for _ in range(3):
        with pytest.raises(SandboxError, match="not here"):
            select(SandboxOptions(level="standard"), {"one": factory}, cancel)
    assert made == ["standard"]


def test_the_canary_sees_that_trusted_confines_nothing(cancel: threading.Event) -> None:
    seen = observe_quickly(subprocess_sandbox(SandboxOptions(level="trusted"), cancel))
    through = {one.attempt for one in seen if one.succeeded}
    assert through >= {WORK, "connect over TCP", "write outside", "read a secret file", "signal the parent"}


def test_what_the_machine_allows_is_held() -> None:
    """A backend that broke would drop out of every test that takes those to be had."""
    argv = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    allows_bubblewrap = shutil.which("bwrap") is not None and subprocess.run(argv, check=False).returncode == 0
    expected = {"landlock": syscalls.landlock_abi() >= 6, "bubblewrap": allows_bubblewrap}
    held = {reach.backend: reach for reach in available(SANDBOXES) if reach.level == "standard"}
    assert [held[name].reason for name, allowed in expected.items() if allowed and not held[name].ok] == []


def test_a_refused_plan_is_told_by_the_launcher(cancel: threading.Event, living: Callable[[str], list[int]]) -> None:
    """An error inside the launcher comes back as a sentence, and nothing stays behind."""
    if syscalls.landlock_abi() < 6:
        pytest.skip("no Landlock of version 6 here")

    sound = landlock_sandbox(SandboxOptions(level="standard"), cancel)
    broken = dataclasses.replace(
        sound,
        door=lambda start: LaunchDoor(start, lambda start: {"landlock": ((1 << 63, 0), []), "filter": b""}),
    )
    with pytest.raises(SandboxError, match="could not be set up: landlock_create_ruleset: Invalid argument"):
        observe_quickly(broken)


def test_a_backend_is_tried_for_itself_whatever_was_known_under_its_name() -> None:
    """A registry is rebuilt in a long-lived process: a new factory may even lie where a forgotten one was."""

    def refusing(reason: str) -> Callable[[SandboxOptions, threading.Event], Sandbox]:
        def factory(options: SandboxOptions, cancel: threading.Event) -> Sandbox:
            raise SandboxError(reason)

        return factory

    for number in range(50):
        reasons = {reach.reason for reach in available({"brittle": refusing(f"refusal {number}")})}
        assert reasons == {f"refusal {number}"}
