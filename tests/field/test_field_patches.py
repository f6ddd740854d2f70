"""Code under test that patches what our channel to the parent would use."""

from __future__ import annotations

from field_project import FieldProject

JSON = """
import functools, json

json.dumps = functools.partial(json.dumps, ensure_ascii=False)
json.loads = functools.partial(json.loads, parse_float=str, parse_int=str)
json.JSONEncoder.default = lambda self, value: str(value)
json.JSONEncoder.encode = lambda self, value: "patched"
json.JSONEncoder.iterencode = lambda self, value, _one_shot=False: ["patched"]
json.JSONDecoder.decode = lambda self, text: "patched"
json.encoder.encode_basestring_ascii = json.encoder.encode_basestring
json.encoder.c_make_encoder = None


def double(x):
    return x * 2
"""
TESTS = """
import time

import pytest
from app.core import double


def test_größe():
    assert double(2) == 4


@pytest.mark.parametrize("text", ["ß", "\\\\udcff", "\\\\n", '"', "\\\\x00"])
def test_texts(text):
    assert double(text) == text + text
"""
SESSION = """
import os, platform, socket, struct, sys, threading, time

import pytest

PATCHES = [
    (os, "getpid", lambda: 4711),
    (os, "write", None), (os, "read", None), (os, "_exit", None), (os, "listdir", None), (os.path, "realpath", None),
    (time, "monotonic", lambda: 0.0), (time, "time", lambda: 0.0), (time, "perf_counter", lambda: 0.0),
    (time, "process_time", lambda: 0.0), (time, "sleep", None),
    (threading, "RLock", None), (threading, "Lock", None), (threading, "get_ident", lambda: 1),
    (socket, "socket", None), (struct, "pack", None), (struct, "unpack_from", None),
    (platform, "system", lambda: "Plan9"), (platform, "machine", lambda: "abacus"),
    (platform, "python_version", lambda: "1.5"),
]


@pytest.fixture(scope="session", autouse=True)
def patched():
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in PATCHES]
    methods = {name: getattr(socket.socket, name) for name in ("sendall", "send", "recv")}
    for name in methods:
        setattr(socket.socket, name, None)
    for owner, name, value in PATCHES:
        setattr(owner, name, value)
    yield
    for owner, name, value in before:
        setattr(owner, name, value)
    for name, value in methods.items():
        setattr(socket.socket, name, value)
"""
FOR_GOOD = """
import functools, json, os, platform, socket, time


def fixed():
    return 4711


def nowhere():
    return "Plan9"


os.getpid = time.monotonic = fixed
platform.system = nowhere
socket.setdefaulttimeout(0.05)
json.dumps = functools.partial(json.dumps, ensure_ascii=False, indent=4)
json.loads = functools.partial(json.loads, parse_float=str)
"""


def test_patched_json(project: FieldProject) -> None:
    project.write({"app/core.py": JSON, "tests/test_core.py": TESTS})
    project.size()
    project.assert_plain_is_green()
    run = project.loop()
    run.assert_green()
    assert "tests/test_core.py::test_größe" in run.ended


def test_patched_for_the_session(project: FieldProject) -> None:
    project.write({"tests/conftest.py": SESSION, "tests/test_more.py": "def test_more():\n    pass\n"})
    project.size()
    project.assert_plain_is_green()
    project.loop().assert_green()


def test_patched_for_good_in_conftest(project: FieldProject) -> None:
    project.write({"tests/conftest.py": FOR_GOOD, "tests/test_more.py": "def test_more():\n    pass\n"})
    project.size()
    project.assert_plain_is_green()
    project.loop().assert_green()
