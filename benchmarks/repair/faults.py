"""Injects single faults: the usual operators of mutation testing, applied forward to concrete syntax trees.

Written apart from the repair operators, on another parser (libcst), so that the benchmark is no circle: sites are
drawn uniformly from all (site, operator) pairs, then one of the operator's variants.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider

__all__ = ["OPERATORS", "Fault", "inject"]

_COMPARE = (cst.LessThan, cst.LessThanEqual, cst.GreaterThan, cst.GreaterThanEqual, cst.Equal, cst.NotEqual)
_BINARY = (cst.Add, cst.Subtract, cst.Multiply, cst.Divide, cst.FloorDivide, cst.Modulo, cst.Power)
_ASSIGN = (cst.AddAssign, cst.SubtractAssign, cst.MultiplyAssign, cst.FloorDivideAssign)
_WORDS = {
    "lower": "upper", "lstrip": "rstrip", "strip": "lstrip", "rstrip": "strip", "find": "rfind", "ljust": "rjust",
    "split": "rsplit", "partition": "rpartition", "startswith": "endswith", "append": "extend", "min": "max",
    "max": "min", "any": "all", "all": "any", "isdigit": "isalpha", "isalpha": "isdigit", "isalnum": "isalpha",
    "keys": "values", "items": "keys", "pop": "get", "sorted": "list",
}  # fmt: skip
_EXCEPTIONS = ("ValueError", "TypeError", "KeyError", "IndexError", "RuntimeError", "AttributeError", "OSError")

Variants = list[cst.CSTNode]
Operators = dict[str, Callable[[cst.CSTNode, dict], Variants]]


@dataclass(frozen=True)
class Fault:
    """One faulty file: which operator, where, and what changed."""

    number: int
    operator: str
    path: str
    line: int
    change: str
    content: bytes


@dataclass(frozen=True)
class _Spot:
    path: str
    operator: str
    node: cst.CSTNode
    variants: tuple[cst.CSTNode, ...]
    line: int


def inject(package: Path, seed: int, *, operators: str = "usual") -> Iterator[Fault]:
    """Faults without end, in random order and each at most once; whether a test notices is for the caller to see."""
    draw = random.Random(seed)
    functions = OPERATORS[operators]
    modules: dict[str, cst.Module] = {}
    spots: list[_Spot] = []
    for file in sorted(package.glob("*.py")):
        path = f"{package.name}/{file.name}"
        wrapper = MetadataWrapper(cst.parse_module(file.read_text()), unsafe_skip_copy=True)
        modules[path] = wrapper.module
        spots += _spots(path, wrapper, functions)
    draw.shuffle(spots)
    for number, spot in enumerate(spots):
        variant = draw.choice(spot.variants)
        module = modules[spot.path]
        changed = module.deep_replace(spot.node, variant)
        text = f"{_code(module, spot.node)} -> {_code(module, variant)}"
        yield Fault(number, spot.operator, spot.path, spot.line, text, changed.code.encode())


def _code(module: cst.Module, node: cst.CSTNode) -> str:
    text = " ".join(module.code_for_node(node).split())
    return text if len(text) <= 30 else text[:29] + "…"


def _spots(path: str, wrapper: MetadataWrapper, functions: Operators) -> list[_Spot]:
    positions = wrapper.resolve(PositionProvider)
    parents = wrapper.resolve(ParentNodeProvider)
    found: list[_Spot] = []

    class Visitor(cst.CSTVisitor):
        def on_visit(self, node: cst.CSTNode) -> bool:
            for name, function in functions.items():
                variants = function(node, parents)
                if variants:
                    found.append(_Spot(path, name, node, tuple(variants), positions[node].start.line))
            return not isinstance(node, cst.Annotation | cst.Import | cst.ImportFrom)

    wrapper.module.visit(Visitor())
    return found


def _relational(node: cst.CSTNode, parents: dict) -> Variants:
    if isinstance(node, _COMPARE):
        return [other() for other in _COMPARE if not isinstance(node, other)]
    swaps = {cst.In: cst.NotIn, cst.NotIn: cst.In, cst.Is: cst.IsNot, cst.IsNot: cst.Is}
    return [swaps[type(node)]()] if type(node) in swaps else []


def _logical(node: cst.CSTNode, parents: dict) -> Variants:
    return [cst.Or()] if isinstance(node, cst.And) else [cst.And()] if isinstance(node, cst.Or) else []


def _arithmetic(node: cst.CSTNode, parents: dict) -> Variants:
    return [other() for other in _BINARY if not isinstance(node, other)] if isinstance(node, _BINARY) else []


def _assignment(node: cst.CSTNode, parents: dict) -> Variants:
    return [other() for other in _ASSIGN if not isinstance(node, other)] if isinstance(node, _ASSIGN) else []


def _negation(node: cst.CSTNode, parents: dict) -> Variants:
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not | cst.Minus):
        return [node.expression]
    around = parents.get(node)
    if isinstance(around, cst.If | cst.While) and around.test is node and not isinstance(node, cst.UnaryOperation):
        return [cst.UnaryOperation(cst.Not(), _bracketed(node))]
    return []


def _bracketed(node: cst.CSTNode) -> cst.BaseExpression:
    assert isinstance(node, cst.BaseExpression)
    plain = isinstance(node, cst.Name | cst.Call | cst.Attribute) or node.lpar
    return node if plain else node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _number(node: cst.CSTNode, parents: dict) -> Variants:
    if not isinstance(node, cst.Integer):
        return []
    value = int(node.value)
    return [cst.Integer(str(new)) for new in {value + 1, abs(value - 1), 0, 1} - {value}]


def _truth(node: cst.CSTNode, parents: dict) -> Variants:
    if isinstance(node, cst.Name) and node.value in ("True", "False"):
        return [cst.Name(str(node.value == "False"))]
    return []


def _loop(node: cst.CSTNode, parents: dict) -> Variants:
    return [cst.Continue()] if isinstance(node, cst.Break) else [cst.Break()] if isinstance(node, cst.Continue) else []


def _exception(node: cst.CSTNode, parents: dict) -> Variants:
    if isinstance(node, cst.Name) and node.value in _EXCEPTIONS:
        return [cst.Name(name) for name in _EXCEPTIONS if name != node.value]
    return []


def _swap(node: cst.CSTNode, parents: dict) -> Variants:
    if not isinstance(node, cst.Call):
        return []
    given = [argument for argument in node.args if argument.keyword is None and not argument.star]
    if len(given) < 2 or len(given) != len(node.args):
        return []
    swapped: Variants = []
    for index in range(len(given) - 1):
        one, two = given[index], given[index + 1]
        if not one.value.deep_equals(two.value):
            args = list(given)
            args[index], args[index + 1] = one.with_changes(value=two.value), two.with_changes(value=one.value)
            swapped.append(node.with_changes(args=args))
    return swapped


def _word(node: cst.CSTNode, parents: dict) -> Variants:
    around = parents.get(node)
    called = isinstance(around, cst.Attribute) and around.attr is node and isinstance(parents.get(around), cst.Call)
    called = called or (isinstance(around, cst.Call) and around.func is node)
    if called and isinstance(node, cst.Name) and node.value in _WORDS:
        return [cst.Name(_WORDS[node.value])]
    return []


def _slice(node: cst.CSTNode, parents: dict) -> Variants:
    if not isinstance(node, cst.Slice):
        return []
    return [node.with_changes(**{end: None}) for end in ("lower", "upper") if getattr(node, end) is not None]


def _variable(node: cst.CSTNode, parents: dict) -> Variants:
    """A local variable that is read, by any other one of its function."""
    if not isinstance(node, cst.Name) or not _is_read(node, parents):
        return []
    around = parents.get(node)
    while around is not None and not isinstance(around, cst.FunctionDef):
        around = parents.get(around)
    if around is None:
        return []
    names = _locals(around)
    return [cst.Name(name) for name in sorted(names - {node.value, "self"})] if node.value in names - {"self"} else []


def _is_read(node: cst.Name, parents: dict) -> bool:
    around = parents.get(node)
    if isinstance(around, cst.Attribute) and around.attr is node:
        return False
    if isinstance(around, cst.Param | cst.FunctionDef | cst.AssignTarget | cst.AugAssign | cst.CompFor | cst.For):
        return isinstance(around, cst.AugAssign | cst.CompFor | cst.For) and getattr(around, "target", None) is not node
    if isinstance(around, cst.Arg) and around.keyword is node:
        return False
    return not (isinstance(around, cst.Element) and _stored(around, parents))


def _stored(node: cst.CSTNode, parents: dict) -> bool:
    pair = parents.get(node)
    above = parents.get(pair)
    return isinstance(above, cst.AssignTarget) or getattr(above, "target", None) is pair


def _locals(function: cst.FunctionDef) -> set[str]:
    found = {parameter.name.value for parameter in function.params.params}

    class Targets(cst.CSTVisitor):
        def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
            self.take(node.target)

        def visit_For(self, node: cst.For) -> None:
            self.take(node.target)

        def take(self, target: cst.CSTNode) -> None:
            if isinstance(target, cst.Name):
                found.add(target.value)
            elif isinstance(target, cst.Tuple):
                found.update(element.value.value for element in target.elements if isinstance(element.value, cst.Name))

    function.body.visit(Targets())
    return found - {"_"}


def _statement(node: cst.CSTNode, parents: dict) -> Variants:
    return [cst.Pass()] if isinstance(node, cst.Expr | cst.AugAssign) and _executed(node) else []


def _executed(node: cst.CSTNode) -> bool:
    return not (isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString))


def _nothing(node: cst.CSTNode, parents: dict) -> Variants:
    if isinstance(node, cst.Return) and node.value is not None:
        return [node.with_changes(value=cst.Name("None"))]
    if isinstance(node, cst.Assign):
        return [node.with_changes(value=cst.Name("None"))]
    return []


def _string(node: cst.CSTNode, parents: dict) -> Variants:
    if not isinstance(node, cst.SimpleString) or isinstance(parents.get(node), cst.Expr):
        return []
    return [cst.SimpleString(f'"XX{node.raw_value}XX"')]


_USUAL: Operators = {
    "relational": _relational, "logical": _logical, "arithmetic": _arithmetic, "assignment": _assignment,
    "negation": _negation, "number": _number, "truth": _truth, "loop": _loop, "exception": _exception,
    "argument-swap": _swap, "method": _word, "slice": _slice,
}  # fmt: skip
_LOSSY: Operators = {"statement": _statement, "none": _nothing, "string": _string}
OPERATORS: dict[str, Operators] = {
    "usual": _USUAL, "wide": {**_USUAL, "variable": _variable}, "lossy": {**_USUAL, "variable": _variable, **_LOSSY},
}  # fmt: skip
"""`usual`: what mutmut, cosmic-ray and MutPy do; `wide`: also variables mistaken for others of their function, which
have more sites than all the rest; `lossy`: also what throws information away, so that no operator can bring it back."""
