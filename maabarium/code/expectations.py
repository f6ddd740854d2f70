"""What a file that may change expects of itself: examples in docstrings and texts, tests and self-tests in it. Pure.

Whoever changes code must not change what it is held against: these are compared with the start's.
"""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Collection, Iterator

from maabarium.code.python_file import parse

__all__ = ["changed_examples", "changed_tests", "may_expect"]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
SPECIAL = ("__doc__", "__test__")
"""Names by which code may give itself other examples than those of its docstrings."""
MODULE = "what is assigned to __doc__ or __test__"
EXAMPLES = re.compile(rb">>>.*(?:\n(?![ \t]*$).*)*", re.MULTILINE)
"""From the beginning of an example to the next empty line."""
PARSER = doctest.DocTestParser()


def may_expect(content: bytes) -> bool:
    """Whether there is anything in a file that the other functions might find; cheap."""
    return any(word in content for word in (b">>>", b"TestCase", b"__main__"))


def changed_examples(path: str, before: bytes, after: bytes) -> str:
    """The owner of examples (a function, a class, the file itself) that are no longer what they were; else empty."""
    if _glance(before) == _glance(after):
        return ""
    old, new = _examples(path, before), _examples(path, after)
    if any(old.values()) and new.get(MODULE) != old.get(MODULE):
        return MODULE
    return next((owner for owner, examples in old.items() if examples and new.get(owner) != examples), "")


def changed_tests(before: bytes, after: bytes, collected: Collection[str]) -> str:
    """The first test or self-test of a Python file that is no longer what it was; else empty.

    `collected` are functions and classes at the top level that pytest runs. Classes of unittest count always, and a
    block for `__main__` that checks something. With a test goes what it is held against: the constants, fixtures and
    checking functions of the file that it names.
    """
    at = before.find(b"if __name__")
    if not collected and b"TestCase" not in before and (at < 0 or after.endswith(b"\n" + before[at:])):
        return ""
    old, new = parse(before), parse(after)
    if old is None:
        return ""
    if new is None:
        return "the file"
    names = {*collected, *(node.name for node in old.body if isinstance(node, ast.ClassDef) and _is_unittest(node))}
    for name in sorted(_with_checks(old, names)):
        if _bindings(old, name) != _bindings(new, name):
            return name
    blocks = [ast.dump(node) for node in old.body if _is_self_test(node)]
    there = [ast.dump(node) for node in new.body]
    return next(('the block of `if __name__ == "__main__"`' for block in blocks if block not in there), "")


def _glance(content: bytes) -> tuple[list[bytes], int]:
    """What can only be the same when no example changed, for a thousandth of the price of parsing."""
    return EXAMPLES.findall(content) if b">>>" in content else [], sum(content.count(name.encode()) for name in SPECIAL)


def _examples(path: str, content: bytes) -> dict[str, list[tuple[str, str]]]:
    """Source and wanted output of every example, by its owner."""
    if not path.endswith(".py"):
        return {"the file": _examples_in(content.decode("utf-8", "replace"))}
    tree = parse(content)
    if tree is None:
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    for owner, text in _docstrings(tree, ""):
        found.setdefault(owner, []).extend(_examples_in(text))
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not isinstance(node, Definition) and _names(node) & {*SPECIAL}:
            found.setdefault(MODULE, []).append((ast.dump(node), ""))
    return found


def _docstrings(node: ast.Module | Definition, prefix: str) -> Iterator[tuple[str, str]]:
    text = ast.get_docstring(node, clean=False)
    if text and ">>>" in text:
        yield prefix or "the module", text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            yield from _docstrings(child, f"{prefix}.{child.name}" if prefix else child.name)


def _examples_in(text: str) -> list[tuple[str, str]]:
    try:
        found = PARSER.get_examples(text)
    except ValueError:  # doctest does not understand it: as it stands
        return [(text, "")] if ">>>" in text else []
    return [(example.source, example.want) for example in found]


def _names(node: ast.AST) -> set[str]:
    """All names, attributes and words in quotes of a piece of code."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
        elif isinstance(inner, ast.arg):
            found.add(inner.arg)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value.isidentifier():
            found.add(inner.value)
    return found


def _with_checks(tree: ast.Module, names: set[str]) -> set[str]:
    """These names, and those of constants, fixtures and checking functions that they need, directly or not."""
    found, waiting = set(names), list(names)
    while waiting:
        name = waiting.pop()
        for wanted in {word for node in _binding(tree, name) for word in _names(node)} - found:
            if any(_is_check(node) for node in _binding(tree, wanted)):
                found.add(wanted)
                waiting.append(wanted)
    return found


def _is_check(node: ast.stmt) -> bool:
    """A constant, a fixture, or a function that asserts something about what it is given."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return True
    if not isinstance(node, Definition):
        return False
    decorated = any("fixture" in _names(decorator) for decorator in node.decorator_list)
    checks = node.name.lstrip("_").startswith(("assert", "check", "expect", "verify"))
    return decorated or (checks and _asserts(node))


def _asserts(node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.Assert)
        or (isinstance(inner, ast.Attribute) and inner.attr.startswith(("assert", "testmod", "main", "run", "fail")))
        for inner in ast.walk(node)
    )


def _binding(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements of a module's top level that define or assign a name."""
    found: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, Definition):
            bound = node.name == name
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Delete):
            targets = [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else node.targets
            bound = any(isinstance(inner, ast.Name) and inner.id == name for t in targets for inner in ast.walk(t))
        else:
            continue
        if bound:
            found.append(node)
    return found


def _bindings(tree: ast.Module, name: str) -> list[str]:
    return [ast.dump(node) for node in _binding(tree, name)]


def _is_unittest(node: ast.ClassDef) -> bool:
    return any(name.endswith("TestCase") for base in node.bases for name in _names(base))


def _is_self_test(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and {"__name__", "__main__"} <= _names(node.test) and _asserts(node)
