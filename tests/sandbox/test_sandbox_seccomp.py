"""Filters as programs: executed here by a small interpreter, for every call and with chosen arguments."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.sandbox.seccomp import (
    ADMINISTRATION,
    ARCHITECTURES,
    NUMBERS,
    Refusal,
    confining_rules,
    filter_program,
    standalone_rules,
)

ALLOW, KILL = "allow", "kill"


def verdict(program: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int | None = None) -> str | int:
    """What a filter answers: `allow`, `kill`, or an errno. Each word of seccomp_data is little endian here."""
    code = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, architecture or 0, 0, *(word & (1 << 64) - 1 for word in words))
    accumulator, at = 0, 0
    while True:
        instruction, yes, no, value = code[at]
        at += 1
        if instruction == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif instruction == 0x54:
            accumulator &= value
        elif instruction == 0x06:
            return ALLOW if value == 0x7FFF0000 else KILL if value == 0x80000000 else value & 0xFFFF
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            at += yes if holds[instruction] else no


@pytest.mark.parametrize("machine", NUMBERS)
@pytest.mark.parametrize("rules", [confining_rules(strict=False), confining_rules(strict=True)])
def test_administration_is_refused_and_work_is_not(machine: str, rules: list[Refusal]) -> None:
    program, numbers, arch = filter_program(rules, machine), NUMBERS[machine], ARCHITECTURES[machine]
    for name in ADMINISTRATION:
        if name in numbers:
            assert verdict(program, numbers[name], architecture=arch) == errno.EPERM, name
    for name in ("fchmod", "setpriority", "socketpair", "shmget"):
        assert verdict(program, numbers[name], (5, 5), arch) == ALLOW
    assert verdict(program, numbers["clone3"], architecture=arch) == errno.ENOSYS
    assert verdict(program, 9999, architecture=arch) == ALLOW
    assert verdict(program, 0, architecture=0x40000003) == KILL
    assert len(program) // 8 < 4096


def test_the_x32_numbers_are_unknown() -> None:
    program = filter_program([], "x86_64")
    assert verdict(program, 0x40000000 | 41, architecture=ARCHITECTURES["x86_64"]) == errno.ENOSYS


@pytest.mark.parametrize("machine", NUMBERS)
def test_arguments_decide(machine: str) -> None:
    program, numbers, arch = (
        filter_program(confining_rules(strict=False), machine),
        NUMBERS[machine],
        ARCHITECTURES[machine],
    )

    def asked(name: str, *arguments: int) -> str | int:
        return verdict(program, numbers[name], arguments, arch)

    assert [asked("socket", family) for family in (1, 2, 10, 16)] == [ALLOW] * 4
    assert [asked("socket", family) for family in (17, 38, 40)] == [errno.EAFNOSUPPORT] * 3
    assert asked("clone", 0x3D0F00) == ALLOW  # a thread
    for flag in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert asked("clone", flag | 17) == errno.EPERM
    assert (asked("ioctl", 0, 0x5412), asked("ioctl", 0, 0x541C), asked("ioctl", 0, 0x5401)) == (1, 1, ALLOW)
    assert asked("ioctl", 0, 0x5412 | 1 << 32) == errno.EPERM  # the kernel looks at the low half only


@pytest.mark.parametrize("machine", NUMBERS)
def test_without_namespaces_more_is_refused(machine: str) -> None:
    numbers, arch = NUMBERS[machine], ARCHITECTURES[machine]
    closed = filter_program(standalone_rules(network=False), machine)
    opened = filter_program(standalone_rules(network=True), machine)

    def asked(name: str, *arguments: int) -> str | int:
        return verdict(closed, numbers[name], arguments, arch)

    assert {asked("socket", family) for family in range(50)} == {errno.EPERM}
    assert [family for family in range(50) if verdict(opened, numbers["socket"], (family,), arch) == ALLOW] == [2, 10]
    kinds = [kind for kind in range(8) if asked("socketpair", 1, kind | 0x80000) == ALLOW]
    assert kinds == [1, 5] and asked("socketpair", 2, 1) == errno.EPERM
    for name in ("sched_setaffinity", "sched_setscheduler"):
        assert (asked(name, 0), asked(name, 7), asked(name, 7 << 32)) == (ALLOW, errno.EPERM, errno.EPERM)
    assert (asked("prlimit64", 0, 7, 1), asked("prlimit64", 7, 7, 0), asked("prlimit64", 7, 7, 1)) == (ALLOW, ALLOW, 1)
    assert (asked("prlimit64", 0, 15, 0), asked("prlimit64", 0, 15, 1), asked("setrlimit", 15, 1)) == (ALLOW, 1, 1)
    assert (asked("setpriority", 0, 0), asked("setpriority", 0, 9)) == (ALLOW, errno.EPERM)
    assert asked("fchmod", 3, 0o755) == asked("setxattr") == asked("shmget") == errno.EPERM


@given(st.integers(0, 500), st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_every_path_through_a_filter_ends(number: int, arguments: list[int]) -> None:
    for machine in NUMBERS:
        for rules in (confining_rules(strict=True), standalone_rules(network=True)):
            answer = verdict(filter_program(rules, machine), number, tuple(arguments), ARCHITECTURES[machine])
            named = {NUMBERS[machine].get(rule.call) for rule in rules}
            assert answer == ALLOW or number in named


@pytest.mark.parametrize(("machine", "header"), [("x86_64", "asm/unistd_64.h"), ("aarch64", "asm-generic/unistd.h")])
def test_numbers_are_those_of_the_system_headers(machine: str, header: str) -> None:
    places = [*Path("/usr/include").glob(header), *Path("/usr/include").glob(f"*-linux-gnu/{header}")]
    if not places:
        pytest.skip("no kernel headers here")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", places[0].read_text()))
    wrong = {name: number for name, number in NUMBERS[machine].items() if int(found.get(name, number)) != number}
    assert wrong == {} and len(found) > 300
