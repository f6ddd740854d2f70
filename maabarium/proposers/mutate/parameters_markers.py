"""Parameters in the text of one Python file: where they stand, what they may become, and how to write them.

A parameter is the value of an assignment, a default, a keyword argument or a dictionary item, with a comment on
the line where the value ends: `# maabarium: tune(1, 64)`, `tune(0.1, 2.0, log)` or `choice("a", "b", 3)`.
Only the value's own characters are replaced. Knows no history and no proposals.
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from maabarium.errors import Problem
from maabarium.proposers.mutate.parameters_domains import Choice, Domain, Range, canonical, number

__all__ = ["Factor", "Scan", "Spot", "Text", "read_text", "scan_markers", "spots", "with_sites"]

MARKER = re.compile(r"#\s*maabarium:\s*(.*)$")
FORMS = ("tune", "choice")
LARGEST = 1e15


@dataclass(frozen=True)
class Text:
    """A file as text that gives the same bytes back, with its syntax tree."""

    path: str
    text: str
    encoding: str
    module: ast.Module
    starts: tuple[int, ...]
    """Offset of each line in `text`."""

    def offset(self, line: int, column: int) -> int:
        """Offset in `text` of a position of the syntax tree, whose columns count UTF-8 bytes."""
        start = self.starts[line - 1]
        prefix = self.text[start : start + column]
        if prefix.isascii():
            return start + column
        return start + len(self.text[start:].encode()[:column].decode())


@dataclass(frozen=True)
class Spot:
    """One value in a file: its place and the name of what it is the value of."""

    name: str
    node: ast.expr
    kind: str
    """`constant` (assignment, item, keyword argument) or `default` (of an argument)."""


@dataclass(frozen=True)
class Factor:
    """One parameter: a value in a file and what it may become."""

    path: str
    site: str
    operator: str
    start: int
    end: int
    present: str
    """The present value in its one spelling."""
    domain: Domain
    rule: str
    """What the user wrote, or why it is a parameter."""
    line: int

    def written(self, value: str) -> str:
        """The value as it is written into the file: an option as the user spelled it."""
        if isinstance(self.domain, Choice) and value in self.domain.options:
            return self.domain.spelled[self.domain.options.index(value)]
        return value

    @property
    def name(self) -> str:
        """The qualified name without the path."""
        return self.site.split("::")[1]


@dataclass(frozen=True)
class Scan:
    """What was found in one file. `text` is None when there is nothing to rewrite."""

    text: Text | None = None
    factors: tuple[Factor, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_text(path: str, content: bytes) -> Text | None:
    """Decode and parse; None for what is not Python or would not come back byte for byte."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
        if text.encode(encoding) != content:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = ast.parse(text)
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
    starts = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text))]
    return Text(path, text, encoding, module, tuple(starts))


def scan_markers(path: str, content: bytes) -> Scan:
    """All marked parameters of a file, and a problem for every marker that cannot be used."""
    if b"maabarium:" not in content or not path.endswith((".py", ".pyi")):
        return Scan()
    text = read_text(path, content)
    if text is None:
        return Scan(problems=(Problem(path, "has marked parameters but cannot be parsed as Python"),))
    by_line: dict[int, list[tuple[Spot, str]]] = {}
    try:
        for spot, site in with_sites(path, spots(text.module)):
            by_line.setdefault(spot.node.end_lineno or spot.node.lineno, []).append((spot, site))
    except RecursionError:
        return Scan(problems=(Problem(path, "is nested too deep to look for parameters"),))
    factors: list[Factor] = []
    problems: list[Problem] = []
    for line, rule in _markers(text.text):
        try:
            factors.append(_factor(text, by_line.get(line, []), rule, line))
        except (ValueError, SyntaxError, RecursionError) as error:
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            problems.append(Problem(f"{path}:{line}", f"{rule or 'an empty marker'}: {message}"))
    return Scan(text, tuple(factors), tuple(problems))


def spots(module: ast.Module) -> Iterator[Spot]:
    """All named values in the order of the text, with qualified names."""
    yield from _spots_in(module, "", set())


def with_sites(path: str, found: Iterator[Spot]) -> Iterator[tuple[Spot, str]]:
    """Each spot with its site: `path::qualified.name::n-th of that name`."""
    count: Counter[str] = Counter()
    for spot in found:
        yield spot, f"{path}::{spot.name}::{count[spot.name]}"
        count[spot.name] += 1


def _spots_in(node: ast.AST, scope: str, seen: set[int]) -> Iterator[Spot]:
    if isinstance(node, ast.JoinedStr):
        return  # Python 3.11 does not know where the parts of an f-string stand
    for name, value, kind in _values(node):
        yield Spot(f"{scope}{name}", value, kind)
        if isinstance(value, ast.Dict | ast.Call):  # the items of CONFIG = {...} are named after it
            seen.add(id(value))
            yield from _spots_in(value, f"{scope}{name}.", seen)
    inner = f"{scope}{node.name}." if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else scope
    for child in ast.iter_child_nodes(node):
        if id(child) not in seen:
            yield from _spots_in(child, inner, seen)


def _values(node: ast.AST) -> Iterator[tuple[str, ast.expr, str]]:
    """The values that this very node gives a name to."""
    match node:
        case ast.Assign(targets=[target, *_], value=value):
            yield _target_name(target), value, "constant"
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield _target_name(target), value, "constant"
        case ast.NamedExpr(target=target, value=value):
            yield target.id, value, "constant"
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if key is not None:
                    yield _key_name(key), value, "constant"
        case ast.Call(keywords=keywords):
            for keyword in keywords:
                if keyword.arg is not None:
                    yield keyword.arg, keyword.value, "constant"
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            name = "lambda" if isinstance(node, ast.Lambda) else node.name
            positional = [*node.args.posonlyargs, *node.args.args]
            defaults = node.args.defaults
            for argument, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
                yield f"{name}.{argument.arg}", default, "default"
            for argument, maybe in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if maybe is not None:
                    yield f"{name}.{argument.arg}", maybe, "default"
        case _:
            return


def _target_name(target: ast.expr) -> str:
    return re.sub(r"[^\w.\[\]]", "", ast.unparse(target))[:60]


def _key_name(key: ast.expr) -> str:
    return re.sub(r"[^\w.-]", "", str(key.value) if isinstance(key, ast.Constant) else ast.unparse(key))[:60]


def _markers(text: str) -> Iterator[tuple[int, str]]:
    """Line and rule of every comment that is a marker; strings that look like one are none."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type == tokenize.COMMENT and (found := MARKER.search(token.string)):
                yield token.start[0], found[1].strip()
    except (tokenize.TokenError, SyntaxError):
        return


def _factor(text: Text, here: Sequence[tuple[Spot, str]], rule: str, line: int) -> Factor:
    """The factor that a marker makes. Raises ValueError or SyntaxError with what is wrong."""
    form, arguments = _read_rule(rule)
    usable = [(spot, site) for spot, site in here if _is_simple(spot.node)]
    if not usable:
        raise ValueError("no single value of an assignment, default or dictionary item ends on this line")
    if len(usable) > 1:
        names = ", ".join(spot.name for spot, _ in usable)
        raise ValueError(f"several values end on this line ({names}); give each a line of its own")
    spot, site = usable[0]
    node = spot.node
    start = text.offset(node.lineno, node.col_offset)
    end = text.offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    present = canonical(ast.unparse(node))
    domain = _choice(rule, arguments) if form == "choice" else _range(arguments, present)
    return Factor(text.path, site, form, start, end, present, domain, rule, line)


def _read_rule(rule: str) -> tuple[str, list[ast.expr]]:
    usage = "write tune(low, high), tune(low, high, log) or choice(a, b, ...)"
    try:
        call = ast.parse(rule, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"it cannot be read; {usage}") from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
        raise ValueError(f"it cannot be read; {usage}")
    if call.func.id not in FORMS:
        close = difflib.get_close_matches(call.func.id, FORMS, n=1)
        raise ValueError(f'there is no "{call.func.id}"; ' + (f'did you mean "{close[0]}"?' if close else usage))
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
