"""Named values in the text of one Python file: where they stand, what they may become, and how to write them.

A value belongs to an assignment, a default, a keyword argument or a dictionary item. A comment marks it as open on the
line where it ends: `# maabarium: tune(1, 64)`, `tune(0.1, 2.0, log)` or `choice("a", "b", 3)`.
"""

from __future__ import annotations

import ast
import functools
import io
import math
import re
import tokenize
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from maabarium.code.python_file import PythonFile
from maabarium.errors import Problem
from maabarium.proposers.mutate.parameters.values import (
    Choice,
    Range,
    Scaled,
    ValueDomain,
    canonical,
    is_number,
    number,
)
from maabarium.suggestions import near

__all__ = ["Factor", "Scan", "Spot", "rewritten", "scan_markers", "spots", "unmarked_factors"]

LARGEST_UNMARKED = 1e12
NOT_A_QUANTITY = re.compile(r"version|^__|(^|_)(id|port|errno|code|year|copyright|flag|mask|magic|seed)s?$", re.I)
Function = ast.FunctionDef | ast.AsyncFunctionDef

MARKER = re.compile(r"#\s*maabarium:\s*(.*)$")
FORMS = ("tune", "choice")
USAGE = "write tune(low, high), tune(low, high, log) or choice(a, b, ...)"
LARGEST = 1e15


@dataclass(frozen=True)
class Spot:
    """One value in a file: its place and the name of what it is the value of."""

    path: str
    name: str
    """The qualified name without the path."""
    site: str
    """`path::qualified.name::n-th of that name`."""
    node: ast.expr
    kind: str
    """`constant` (assignment, item, keyword argument) or `default` (of an argument)."""


@dataclass(frozen=True)
class Factor(Spot):
    """One parameter: a value in a file and what it may become."""

    file: PythonFile
    operator: str
    domain: ValueDomain
    rule: str
    """What the user wrote, or why it is a parameter."""

    @functools.cached_property
    def present(self) -> str:
        """The present value in its one spelling."""
        return canonical(ast.unparse(self.node))


def rewritten(factors: Sequence[Factor], values: Mapping[str, str]) -> bytes:
    """The file of these factors with new values (by site) in place, options as the user spelled them."""
    file = factors[0].file
    text = file.text
    for factor in sorted(factors, key=lambda each: file.span(each.node), reverse=True):
        start, end = file.span(factor.node)
        value = values[factor.site]
        spelled = factor.domain.options.get(value, value) if isinstance(factor.domain, Choice) else value
        text = text[:start] + spelled + text[end:]
    return text.encode(file.encoding)


def spots(path: str, file: PythonFile) -> Iterator[Spot]:
    """All named values in the order of the text, with qualified names. Raises RecursionError and ValueError."""
    count: Counter[str] = Counter()
    for name, node, kind in _named(file.tree, "", set()):
        yield Spot(path, name, f"{path}::{name}::{count[name]}", node, kind)
        count[name] += 1


def _named(node: ast.AST, scope: str, seen: set[int]) -> Iterator[tuple[str, ast.expr, str]]:
    if isinstance(node, ast.JoinedStr):
        return  # Python 3.11 does not know where the parts of an f-string stand
    for name, value, kind in _values(node):
        yield f"{scope}{name}", value, kind
        if isinstance(value, ast.Dict | ast.Call):  # the items of CONFIG = {...} are named after it
            seen.add(id(value))
            yield from _named(value, f"{scope}{name}.", seen)
    inner = f"{scope}{node.name}." if isinstance(node, Function | ast.ClassDef) else scope
    for child in ast.iter_child_nodes(node):
        if id(child) not in seen:
            yield from _named(child, inner, seen)


def _values(node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    """The values that this very node gives a name to."""
    match node:
        case ast.Assign(targets=[target, *_], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
            yield re.sub(r"[^\w.\[\]]", "", ast.unparse(target))[:60], value, "constant"
        case ast.NamedExpr(target=target, value=value):
            yield target.id, value, "constant"
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None:
                    shown = str(key.value) if isinstance(key, ast.Constant) else ast.unparse(key)
                    yield re.sub(r"[^\w.-]", "", shown)[:60], value, "constant"
        case ast.Call(keywords=keywords):
            yield from ((word.arg, word.value, "constant") for word in keywords if word.arg is not None)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            name = "lambda" if isinstance(node, ast.Lambda) else node.name
            positional, defaults = [*node.args.posonlyargs, *node.args.args], node.args.defaults
            arguments = [*positional[len(positional) - len(defaults) :], *node.args.kwonlyargs]
            for argument, default in zip(arguments, [*defaults, *node.args.kw_defaults], strict=True):
                if default is not None:
                    yield f"{name}.{argument.arg}", default, "default"


def unmarked_factors(path: str, file: PythonFile, marked: Collection[str]) -> Iterator[Factor]:
    """Constants and defaults that nobody marked; `marked` are sites that are taken. Raises as `spots` does.

    Left alone are zeros, booleans, annotations, enumerations and names that are versions or identifiers rather than
    quantities. Numbers inside expressions (indexes, comparisons) are the business of other arms.
    """
    left_alone = {id(inner) for node in ast.walk(file.tree) for part in _meanings(node) for inner in ast.walk(part)}
    for spot in spots(path, file):
        if spot.site in marked or id(spot.node) in left_alone or NOT_A_QUANTITY.search(spot.name.rpartition(".")[2]):
            continue
        if not isinstance(spot.node, ast.Constant | ast.UnaryOp) or not is_number(ast.unparse(spot.node)):
            continue
        if 0 < abs(number(ast.unparse(spot.node))) <= LARGEST_UNMARKED:
            yield Factor(**vars(spot), file=file, operator=spot.kind, domain=Scaled(), rule=f"an unmarked {spot.kind}")


def _meanings(node: ast.AST) -> Iterator[ast.AST]:
    """Enumerations and annotations: changing a number in them changes a meaning, not a quantity."""
    match node:
        case ast.ClassDef(bases=bases) if any("Enum" in ast.unparse(b) or "Flag" in ast.unparse(b) for b in bases):
            yield node
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
            yield annotation
        case ast.FunctionDef(returns=ast.expr() as returns) | ast.AsyncFunctionDef(returns=ast.expr() as returns):
            yield returns


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
            factors.append(_factor(file, by_line.get(line, []), rule))
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


def _factor(file: PythonFile, here: Sequence[Spot], rule: str) -> Factor:
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
    return Factor(**vars(usable[0]), file=file, operator=form, domain=domain, rule=rule)


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
    shown = [ast.unparse(argument) for argument in arguments]
    spelled = [ast.get_source_segment(rule, argument) for argument in arguments]
    options = {canonical(text): own or canonical(text) for text, own in zip(shown, spelled, strict=True)}
    if len(options) < 2:
        raise ValueError("a choice needs at least two different values")
    return Choice(options)


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
