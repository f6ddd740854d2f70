"""Start a hermetic pytest session for blueprints: no project configuration, no foreign plug-in, no conftest.

It knows the command line and the environment; what happens in the session is `session`'s. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maabarium.state_paths import state_paths_of

__all__ = ["run_inner_session"]

EMPTY = Path(__file__).with_name("empty.ini")
REMOVED = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


def run_inner_session(config: pytest.Config) -> int:
    """Run the session and return its exit status. UsageError for what cannot be said beside --maabarium."""
    began = Began()
    try:
        with _like_ctrl_c():
            return _session(config, began)
    except KeyboardInterrupt:  # while a run is under way the session handles its own
        when = "after the run; it is stored" if began.happened else "before the run began; nothing was changed"
        sys.stderr.write(f"\nmaabarium: interrupted {when}\n")
        return int(pytest.ExitCode.INTERRUPTED)


class Began:
    """A plug-in of the session that knows whether a run has begun."""

    happened = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> None:
        """The first slot drives its run."""
        self.happened = True


def _session(config: pytest.Config, began: Began) -> int:
    given = list(config.invocation_params.args)
    option = config.option
    _refuse(option, given)
    paths = [Path(path) for path in option.maabarium]
    root = state_paths_of(paths[0].absolute()).root
    # Ours come last: where an option is given twice, the last one counts.
    arguments = [
        *given, "-c", str(EMPTY), "--rootdir", str(root), "--confcutdir", str(root), "--noconftest",
        "--disable-plugin-autoload", "-p", "no:cacheprovider", *(str(path.absolute()) for path in paths),
    ]  # fmt: skip
    with _without(REMOVED):
        return int(pytest.main(arguments, plugins=["maabarium_pytest.plugin", "maabarium_pytest.session", began]))


def _refuse(option: object, given: list[str]) -> None:
    positional = list(getattr(option, "file_or_dir", ()) or ())
    if positional:
        raise pytest.UsageError(
            f"{' '.join(positional)}: --maabarium takes no tests to select, because the blueprint says what is "
            "measured. Write --maabarium before each blueprint, and run tests in a session of their own."
        )
    if not any(argument.partition("=")[0] == "--maabarium" for argument in given):
        raise pytest.UsageError(
            "--maabarium stands in addopts; give it on the command line, or every test session would start a run."
        )
    for name, attribute in (("-k", "keyword"), ("-m", "markexpr"), ("--deselect", "deselect")):
        if getattr(option, attribute, None):
            raise pytest.UsageError(
                f"{name} selects tests, and a run has none to select: shorten it with --maabarium-iterations."
            )
    if getattr(option, "numprocesses", None):
        raise pytest.UsageError("-n belongs to pytest-xdist; a run is spread with --maabarium-workers.")
    seen: set[Path] = set()
    for path in map(Path, getattr(option, "maabarium", ())):
        if path.resolve() in seen:
            raise pytest.UsageError(f"--maabarium {path}: the blueprint is given twice.")
        seen.add(path.resolve())


@contextmanager
def _like_ctrl_c() -> Generator[None]:
    """Let SIGTERM and SIGHUP end the preparations as Ctrl-C does; the run itself handles all three."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _without(names: tuple[str, ...]) -> Generator[None]:
    """Take these variables out of the environment for a while."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
