"""The share of public functions that have a docstring: a program for the evaluator `process`."""

import ast
import json
import pathlib
import sys


def functions(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            yield node


question = json.load(sys.stdin)
found, gates = [], []
for path in sorted(pathlib.Path(question["workspacePath"]).rglob("*.py")):
    if path.name.startswith("test_"):
        continue
    try:
        found += [ast.get_docstring(node) is not None for node in functions(path.read_text(encoding="utf-8"))]
    except (SyntaxError, ValueError) as error:  # the candidate's fault: a gate, not a crash
        gates.append({"name": "parses", "passed": False, "detail": f"{path.name}: {error}"})
        break
share = sum(found) / len(found) if found else 1.0
scores = [{"name": source, "value": share} for source in question["sources"]]
json.dump({"protocolVersion": 2, "scores": scores, "gates": gates}, sys.stdout)
