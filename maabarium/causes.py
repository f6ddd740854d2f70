"""Why a suite fails before anything is changed: what pytest's text says, the probable kind, and what to write.

One table for every front end. Pure; the texts are untrusted, read with bounded effort, and only ever quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maabarium.records import Outcome, ReasonCode
from maabarium.safe_text import one_line, plain

__all__ = [
    "KINDS",
    "Cause",
    "cause_in",
    "cause_of",
    "error_line",
    "error_lines",
    "explained",
    "last_lines",
    "output_end",
]

_READ = 200_000
"""Characters of a text that are read."""
_QUOTED = 160
_FATAL = "Fatal Python error"
_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|Warning)\b")
_FIXTURES = {
    "mocker": "pytest-mock", "benchmark": "pytest-benchmark", "snapshot": "syrupy", "httpx_mock": "pytest-httpx",
    "requests_mock": "requests-mock", "respx_mock": "respx", "freezer": "pytest-freezer", "httpserver":
    "pytest-httpserver", "datadir": "pytest-datadir", "shared_datadir": "pytest-datadir", "faker": "Faker",
    "aiohttp_client": "pytest-aiohttp", "event_loop": "pytest-asyncio", "subtests": "pytest 9 or pytest-subtests",
    "data_regression": "pytest-regressions", "file_regression": "pytest-regressions", "qtbot": "pytest-qt",
    "django_db_setup": "pytest-django", "db": "pytest-django", "client": "pytest-django or pytest-flask",
    "script_runner": "pytest-console-scripts", "vcr": "pytest-recording", "cov": "pytest-cov",
}  # fmt: skip
_OPTIONS = {
    "--cov": "pytest-cov", "-n": "pytest-xdist", "--numprocesses": "pytest-xdist", "--dist": "pytest-xdist",
    "--benchmark": "pytest-benchmark", "--timeout": "pytest-timeout", "--reruns": "pytest-rerunfailures",
    "--randomly": "pytest-randomly", "--asyncio": "pytest-asyncio", "--snapshot": "syrupy", "--mypy": "pytest-mypy",
    "--flake8": "pytest-flake8", "--html": "pytest-html", "--ruff": "pytest-ruff", "--black": "pytest-black",
    "--doctest-plus": "pytest-doctestplus", "--ds": "pytest-django", "--reuse-db": "pytest-django",
    "--mypy-ini-file": "pytest-mypy-plugins", "--pspec": "pytest-pspec", "--sugar": "pytest-sugar",
}  # fmt: skip
_THERE = "for the interpreter that runs the tests, or name the one that has it: [evaluator] python"


@dataclass(frozen=True)
class Cause:
    """The probable kind of a failure, what of the text speaks for it, and what to do."""

    kind: str
    seen: str
    remedy: str


@dataclass(frozen=True)
class _Kind:
    name: str
    pattern: re.Pattern[str]
    remedy: str | Callable[[str], str]
    """What to do; `{}` and the argument stand for the first group of the pattern."""

    def cause(self, match: re.Match[str]) -> Cause:
        """The cause that this match speaks for."""
        group = one_line(next(filter(None, match.groups()), ""), 80)
        remedy = self.remedy(group) if callable(self.remedy) else self.remedy.replace("{}", group)
        return Cause(self.name, one_line(match.group().removeprefix("E"), _QUOTED), remedy)


def _option(given: str) -> str:
    known = next((name for option, name in _OPTIONS.items() if given.startswith(option)), "the plug-in that knows it")
    return f"install {known} {_THERE}, or take the option out of addopts"


def _fixture(name: str) -> str:
    return f"install {_FIXTURES.get(name, f'the plug-in that has the fixture {name}')} {_THERE}"


def _module(name: str) -> str:
    return (
        f"install {name.partition('.')[0]} {_THERE}; if it is a file of the project that is in no commit, commit it or "
        "name it in domain.copy"
    )


def _file(path: str) -> str:
    if "/" not in path and "." not in path:
        return (
            f"the command {path} is not on the PATH of the sandbox: install it, or leave its tests out (evaluator.args)"
        )
    return "only files of the commit are there: commit that file, or name it in domain.copy"


def _kind(name: str, pattern: str, remedy: str | Callable[[str], str]) -> _Kind:
    return _Kind(name, re.compile(pattern, re.M), remedy)


KINDS: tuple[_Kind, ...] = (
    _kind("a plug-in is missing", r"Missing required plugins: ([^\n]{1,200})", "install {} " + _THERE),
    _kind("pytest is too old", r"requires pytest-([\d.]+), actual pytest-[\d.]+",
          "install pytest {} or newer " + _THERE),
    _kind("an option is not known", r"unrecognized arguments: (\S{1,200})", _option),
    _kind("the configuration cannot be read", r"(\S+\.(?:ini|toml|cfg)):(?:\d+:)? [^\n]{1,200}",
          "correct {}: plain pytest stops there, too"),
    _kind("a module is missing", r"No module named '([\w.]{1,200})'", _module),
    _kind("a fixture is missing", r"fixture '(\w{1,100})' not found", _fixture),
    _kind("the version is not known", r"(?:No package metadata was found for|PackageNotFoundError:?) ?([\w.-]*)",
          "install the project itself for the interpreter that runs the tests (pip install -e .)"),
    _kind("the version is not known",
          r"(setuptools.scm was unable to detect version|versioningit|SETUPTOOLS_SCM_PRETEND)",
          'say the version: [evaluator] env = { SETUPTOOLS_SCM_PRETEND_VERSION = "1.0" }'),
    _kind("a test needs the network",
          r"(Name or service not known|Temporary failure in name resolution|Network is unreachable"
          r"|Failed to resolve|Max retries exceeded|nodename nor servname|getaddrinfo failed|ENETUNREACH)",
          'leave those tests out, [evaluator] args = ["-m", "not network"], or let them: [sandbox] network = true'),
    _kind("a test needs a variable of the environment",
          r"KeyError: '([A-Z][A-Z0-9]*_[A-Z0-9_]+|HOME|USER|DISPLAY|EDITOR|SHELL)'",
          'hand it on: [sandbox] pass_env = ["{}"]'),
    _kind("a file is missing", r"FileNotFoundError: \[Errno 2\] [^\n']{1,100}'([^'\n]{1,300})'", _file),
    _kind("a folder may not be written to", r"(?:PermissionError: \[Errno 13\]|OSError: \[Errno 30\])[^\n]{1,200}",
          "write below tmp_path, leave those tests out (evaluator.args), or measure without a cage: "
          '[sandbox] level = "trusted"'),
    _kind("a path is too long for a socket", r"AF_UNIX path too long", "set TMPDIR to a short folder, as /tmp"),
    _kind("too many processes or threads", r"can't start new thread|BlockingIOError: \[Errno 11\]",
          "raise [sandbox] processes"),
    _kind("memory ran out", r"MemoryError|Cannot allocate memory", "raise [sandbox] memory_mb"),
    _kind("two test files have one name", r"import file mismatch", "put an __init__.py into the folders of the tests"),
    _kind("the interpreter does not read the file", r"^E? *(?:SyntaxError|IndentationError): [^\n]{1,200}",
          "correct the file; if it is written for a newer Python, name that one in [evaluator] python, or leave the "
          'file out: [evaluator] args = ["--ignore=PATH"]'),
    _kind("a warning is an error", r"^E +(?:\w+\.)*\w*Warning: [^\n]{1,200}",
          "the target's filterwarnings makes warnings errors: see to the warning, or let it be: "
          '[evaluator] args = ["-W", "default"]'),
)  # fmt: skip
"""The first that matches stands: what keeps a session from starting comes before what fails in one test."""

_BY_CODE = {
    "timeout": Cause(
        "the time was over", "", "raise constraints.timeout_seconds, or leave slow tests out (evaluator.args)"
    ),
    "out_of_memory": Cause("memory ran out", "", "raise [sandbox] memory_mb"),
    "output_flood": Cause("too much was printed", "", "raise [sandbox] output_mb, or print less"),
    "import_failed": Cause(
        "a file cannot be imported", "", "run plain pytest: if it stops there, too, correct the file; else see "
        "`maabarium doctor BLUEPRINT`",
    ),
    "crashed": Cause(
        "the process of the tests ended", "",
        "run plain pytest: if it ends there, too, leave out the test that was running (evaluator.args); else see "
        "`maabarium doctor BLUEPRINT`",
    ),
}  # fmt: skip
_RED = Cause(
    "a test fails", "",
    "run plain pytest: what is red there has to be made green, or let be by constraints.require_tests_pass = false; "
    "what is green there differs in our session: `maabarium doctor BLUEPRINT` says how",
)  # fmt: skip


def cause_of(outcome: Outcome) -> Cause | None:
    """The probable cause of a baseline that does not hold; None for every other outcome, and where nothing is known."""
    if not _does_not_hold(outcome):
        return None
    gates = [gate.detail for gate in outcome.gates if not gate.passed]
    details = [failure.detail for failure in outcome.failures]
    return cause_in(outcome.reason_code, details, [outcome.reason, *gates, outcome.output])


def cause_in(code: ReasonCode, details: Sequence[str], others: Sequence[str]) -> Cause | None:
    """The probable cause by what pytest said of failing tests (`details`), else by other texts, else by the code."""
    return _found(details) or _found(others) or _BY_CODE.get(code, _RED if details else None)


def _does_not_hold(outcome: Outcome) -> bool:
    """Whether this is a baseline that nothing can be built upon."""
    ended = outcome.reason_code in ("baseline", "interrupted") or outcome.verdict == "cancelled"
    return not outcome.number and not ended


def _found(texts: Sequence[str]) -> Cause | None:
    """The first kind in the order of the table that speaks from any of the texts."""
    read = [plain(text[:_READ]) for text in texts]
    matches = ((kind, kind.pattern.search(text)) for kind in KINDS for text in read)
    return next((kind.cause(match) for kind, match in matches if match), None)


def explained(outcome: Outcome, *, tests: int = 5, lines: int = 4) -> list[str]:
    """Why a baseline does not hold, as indented lines that print as what they are: the failing tests with their
    assertions, what was printed last, the probable cause and its remedy. None for any other outcome."""
    if not _does_not_hold(outcome):
        return []
    cause = cause_of(outcome)
    said: list[str] = []
    details = {failure.id: failure.detail for failure in outcome.failures}
    ids = list(outcome.failing) or list(details)
    for id in ids[:tests]:
        said.append(f"failing  {one_line(id)}")
        said += [f"           {line}" for line in error_lines(details.get(id, ""))[:lines]]
    if len(ids) > tests:
        rest = len(ids) - tests
        said.append(f"and {rest} more {'test' if rest == 1 else 'tests'}")
    if not details:
        said += [
            f"{'output' if not place else '':<6}   {line}" for place, line in enumerate(last_lines(outcome.output))
        ]
    if cause:
        said.append(f"cause    {cause.kind}{f': {cause.seen}' if cause.seen else ''}")
        said.append(f"remedy   {cause.remedy}")
    return said


def error_lines(text: str, limit: int = 200) -> list[str]:
    """The lines in which pytest says what failed: those marked `E` of the last exception; else the last line."""
    lines = plain(text[-_READ:]).splitlines()
    marked = [bool(re.match(r"E(?: |$)|INTERNALERROR> ", line)) for line in lines]
    if not any(marked):
        return [one_line(line, limit) for line in lines if line.strip()][-1:]
    last = len(marked) - 1 - marked[::-1].index(True)
    first = last
    while first and marked[first - 1]:
        first -= 1
    block = [re.sub(r"^(?:E {0,3}|INTERNALERROR> )", "", line).rstrip() for line in lines[first : last + 1]]
    return [line[:limit] for line in _exception_first(block) if line.strip()]


def _exception_first(block: list[str]) -> list[str]:
    """A syntax error comes after the line that it is in, and an internal one after its frames."""
    named = [place for place, line in enumerate(block) if _EXCEPTION.match(line)]
    if not named or not block[0].startswith((" ", "Traceback")):
        return block
    return [*block[named[-1] :], *block[: named[-1]]]


def error_line(text: str, limit: int = 300) -> str:
    """The line that says most: the exception, or the assertion that does not hold."""
    return next(iter(error_lines(text, limit)), "").strip()


def output_end(text: str, limit: int) -> str:
    """The end of what was printed, or the beginning of the dump that a dying interpreter printed."""
    fatal = text.rfind(_FATAL)
    return text[-limit:] if fatal < 0 else text[fatal : fatal + limit]


def last_lines(text: str, most: int = 6, limit: int = 200) -> list[str]:
    """The last lines that are not empty and no rulers; of a dump of the interpreter the first, which say where."""
    kept = [one_line(line, limit) for line in plain(text[-_READ:]).splitlines() if line.strip(" =-_")]
    fatal = next((place for place, line in enumerate(kept) if line.startswith(_FATAL)), None)
    return kept[-most:] if fatal is None else kept[fatal : fatal + most]
