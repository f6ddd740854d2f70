"""Compiled modules of the tree, by the content of their source: made once, read by every session.

A session leaves no bytecode in the tree, so each would compile all modules anew and rewrite the asserts of all test
modules. `main` compiles files without running any of them, `install` lets a session find the result. A module is found
by the digest of its source alone, so an old one is never taken for a changed file.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import marshal
import os
import sys
import warnings
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

READER = "_read_pyc"
REWRITER = "_rewrite_test"
"""Names of `_pytest.assertion.rewrite`, the same from pytest 7.4 to 9.2. Without them, nothing is kept."""
PLAIN, REWRITTEN = "plain", "rewritten"


def tag() -> str:
    """What must be equal where code is made and where it is run."""
    return f"{sys.version} {sys.flags.optimize} pytest {pytest.__version__}"


def key(source: bytes, kind: str) -> str:
    """Under which name the code of a source is kept; `kind` is plain or rewritten."""
    return f"{kind} {hashlib.sha256(source).hexdigest()}"


def located(code: CodeType, filename: str) -> CodeType:
    """The same code as that of another file: tracebacks, coverage and the line tracer go by its name."""
    constants = tuple(located(each, filename) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)


def rewriting() -> Any:
    """pytest's module that rewrites asserts; None when it has not the names that are needed."""
    try:
        found = importlib.import_module("_pytest.assertion.rewrite")
    except ImportError:
        return None
    return found if hasattr(found, READER) and hasattr(found, REWRITER) else None


def compiled(path: Path, kind: str) -> bytes:
    """The marshalled code of one file. Raises whatever the compiler does, also for a warning: such a file is left out,
    so that every session warns of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if kind == REWRITTEN:
            return marshal.dumps(getattr(rewriting(), REWRITER)(path, None)[1])
        return marshal.dumps(compile(path.read_bytes(), str(path), "exec", dont_inherit=True, optimize=-1))


def main(arguments: list[str]) -> None:
    """Compile what the plan lists, `[group, path, kind]` each, into the file that it names."""
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    groups: dict[str, dict[str, bytes]] = {}
    for group, name, kind in plan["modules"]:
        path = Path(name)
        if kind == REWRITTEN and rewriting() is None:
            continue
        try:
            source = path.read_bytes()
            groups.setdefault(group, {})[key(source, kind)] = compiled(path, kind)
        except Exception:  # noqa: BLE001 - a file that cannot be compiled is for the session to tell
            continue
    Path(plan["result"]).write_bytes(marshal.dumps((tag(), groups)))


class CompiledModules:
    """A pytest plug-in that lets modules below `top` be found among `codes`."""

    def __init__(self, top: str, codes: Mapping[str, bytes | CodeType]) -> None:
        self._top = os.path.join(top, "")  # noqa: PTH118
        self._codes = codes
        self._rewritten = False
        """Whether the target's options are those under which asserts were rewritten."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        self._rewritten = not early_config.getini("enable_assertion_pass_hook")

    def find(self, filename: str, kind: str) -> CodeType | None:
        """The code of this file as it is now, if it was kept."""
        if not filename.startswith(self._top) or (kind == REWRITTEN and not self._rewritten):
            return None
        try:
            source = Path(filename).read_bytes()
        except OSError:
            return None
        found = self._codes.get(key(source, kind))
        if found is None:
            return None
        return located(marshal.loads(found) if isinstance(found, bytes) else found, filename)


def install(file: str, top: str, groups: list[str], *, ahead: bool = False) -> list[Any]:
    """Let this process find the modules of these groups; plug-ins that pytest must be given for it. `ahead`: take them
    out of their marshalled form now, for all the sessions that will be forked."""
    if not file:
        return []
    made, all_groups = marshal.loads(Path(file).read_bytes())
    codes = {name: code for group in groups for name, code in all_groups.get(group, {}).items()}
    rewrite = rewriting()
    if made != tag() or not codes or rewrite is None:
        return []
    kept = CompiledModules(top, {name: marshal.loads(code) for name, code in codes.items()} if ahead else codes)
    read_pyc, get_code = getattr(rewrite, READER), SourceFileLoader.get_code

    def read_kept(source: Path, *more: Any, **named: Any) -> Any:
        found = kept.find(str(source), REWRITTEN)
        return found if found is not None else read_pyc(source, *more, **named)

    def get_kept(self: SourceFileLoader, fullname: str) -> Any:
        found = kept.find(self.path, PLAIN) if type(self) is SourceFileLoader else None
        return found if found is not None else get_code(self, fullname)

    setattr(rewrite, READER, read_kept)
    SourceFileLoader.get_code = get_kept  # type: ignore[method-assign, assignment]
    return [kept]


def loaded(top: str) -> list[list[str]]:
    """Modules of the tree that this process has loaded: `[path below top, kind]`."""
    prefix = os.path.join(top, "")  # noqa: PTH118
    found = []
    for module in list(sys.modules.values()):
        path, loader = getattr(module, "__file__", None), getattr(module, "__loader__", None)
        if isinstance(path, str) and path.startswith(prefix) and path.endswith(".py"):
            kind = REWRITTEN if type(loader).__name__ == "AssertionRewritingHook" else PLAIN
            found.append([path[len(prefix) :], kind])
    return found
