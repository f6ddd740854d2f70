"""Values that a comment marks as open, on the line where the value ends.

The forms are `# maabarium: tune(1, 64)`, `tune(0.1, 2.0, log)` and `choice("a", "b", 3)`.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maabarium.code.python_file import PythonFile
from maabarium.errors import Problem
from maabarium.proposers.mutate.parameters.factors import Factor, Spot, spots
from maabarium.proposers.mutate.parameters.values import Choice, Range, canonical, number
from maabarium.suggestions import near

__all__ = ["Scan", "scan_markers"]

MARKER = re.compile(r"#\s*maabarium:\s*(.*)$")
FORMS = ("tune", "choice")
USAGE = "write tune(low, high), tune(low, high, log) or choice(a, b, ...)"
LARGEST = 1e15


@dataclass(frozen=True)
class Scan:
    """What was found in one file."""

    factors: tuple[Factor, ...] = ()
    problems: tuple[Problem, ...] = ()


def scan_markers(path: str, content: bytes) -> Scan:
    """All marked parameters of a file, and a problem for every marker that cannot be used."""
    if b"maabarium:" not in content or not path.endswith((".py", ".pyi")):
        return Scan()
    file = PythonFile.read(content)
    if file is None:
        return Scan(problems=(Problem(path, "has marked parameters but cannot be parsed as Python"),))
    by_line: dict[int, list[Spot]] = {}
    try:
        for spot in spots(path, file):
            by_line.setdefault(spot.node.end_lineno or spot.node.lineno, []).append(spot)
    except (RecursionError, ValueError):
        return Scan(problems=(Problem(path, "is nested too deep, or has a number too long, to look for parameters"),))
    factors: list[Factor] = []
    problems: list[Problem] = []
    for line, rule in _markers(file.text):
        try:
            factors.append(_factor(path, file, by_line.get(line, []), rule))
        except (ValueError, SyntaxError, RecursionError) as error:
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            problems.append(Problem(f"{path}:{line}", f"{rule or 'an empty marker'}: {message}"))
    return Scan(tuple(factors), tuple(problems))


def _markers(text: str) -> Iterator[tuple[int, str]]:
    """Line and rule of every comment that is a marker; strings that look like one are none."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type == tokenize.COMMENT and (found := MARKER.search(token.string)):
                yield token.start[0], found[1].strip()
    except (tokenize.TokenError, SyntaxError):
        return


def _factor(path: str, file: PythonFile, here: Sequence[Spot], rule: str) -> Factor:
    """The factor that a marker makes. Raises ValueError or SyntaxError with what is wrong."""
    form, arguments = _read_rule(rule)
    usable = [spot for spot in here if _is_simple(spot.node)]
    if not usable:
        raise ValueError("no single value of an assignment, default or dictionary item ends on this line")
    if len(usable) > 1:
        names = ", ".join(spot.name for spot in usable)
        raise ValueError(f"several values end on this line ({names}); give each a line of its own")
    present = canonical(ast.unparse(usable[0].node))
    domain = _choice(rule, arguments) if form == "choice" else _range(arguments, present)
    return Factor(path, file, usable[0], form, domain, rule)


def _read_rule(rule: str) -> tuple[str, list[ast.expr]]:
    try:
        call = ast.parse(rule, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"it cannot be read; {USAGE}") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
        raise ValueError(f"it cannot be read; {USAGE}")
    if call.func.id not in FORMS:
        close = near(call.func.id, FORMS)
        raise ValueError(f'there is no "{call.func.id}"; ' + (f'did you mean "{close}"?' if close else USAGE))
    return call.func.id, call.args


def _is_simple(node: ast.expr) -> bool:
    """Literals, names and dotted names, and tuples or lists of them."""
    match node:
        case ast.Constant():
            return node.value is not Ellipsis
        case ast.Name():
            return True
        case ast.Attribute(value=value):
            return _is_simple(value)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return all(_is_simple(element) for element in elements)
        case _:
            return False


def _choice(rule: str, arguments: Sequence[ast.expr]) -> Choice:
    for argument in arguments:
        if not _is_simple(argument):
            raise ValueError(f"{ast.unparse(argument)} is neither a literal nor a name")
    options = {canonical(ast.unparse(argument)): ast.get_source_segment(rule, argument) for argument in arguments}
    if len(options) < 2:
        raise ValueError("a choice needs at least two different values")
    return Choice(tuple(options), tuple(spelled or option for option, spelled in options.items()))


def _range(arguments: Sequence[ast.expr], present: str) -> Range:
    log = len(arguments) == 3 and isinstance(arguments[2], ast.Name) and arguments[2].id == "log"
    if len(arguments) != 2 and not log:
        raise ValueError("tune takes a lowest and a highest value, and the word log if the steps are factors")
    try:
        low, high = (number(ast.unparse(argument)) for argument in arguments[:2])
    except (ValueError, TypeError) as error:
        raise ValueError("the lowest and the highest value must be numbers") from error
    try:
        value = number(present)
    except (ValueError, TypeError, SyntaxError) as error:
        raise ValueError(f"the value {present[:40]} is not a number; use choice") from error
    if max(abs(low), abs(high), abs(value)) > LARGEST:
        raise ValueError(f"numbers beyond {LARGEST:g} cannot be tuned; use choice")
    whole = isinstance(value, int)
    if whole:
        low, high = math.ceil(low), math.floor(high)
    if not low < high:
        raise ValueError("the lowest value must be below the highest" + (", with two ints in between" if whole else ""))
    if log and low <= 0:
        raise ValueError("a range with log must start above 0")
    return Range(low, high, log, whole)
