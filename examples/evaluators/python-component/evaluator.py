"""A Python evaluator as a WebAssembly component: how deeply the functions of a tree are nested, on average.

It runs CPython inside the cage: no network, no other files than the tree, no process. `build.py` makes it.
"""

import ast
import json
import pathlib

import wit_world

BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)


def depth(node):
    inner = max((depth(child) for child in ast.iter_child_nodes(node)), default=0)
    return inner + isinstance(node, BLOCKS)


class WitWorld(wit_world.WitWorld):
    def evaluate(self, request):
        question = json.loads(request)
        depths, gates = [], []
        for path in sorted(pathlib.Path(question["rootPath"]).rglob("*.py")):
            try:
                tree = ast.parse(path.read_text(encoding="utf-8"))
            except (SyntaxError, ValueError) as error:
                gates.append({"name": "parses", "passed": False, "detail": f"{path.name}: {error}"})
                continue
            depths += [depth(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        value = sum(depths) / len(depths) if depths else 0.0
        scores = [{"name": "nesting", "value": value, "unit": "blocks"}]
        return json.dumps({"protocolVersion": 2, "scores": scores, "gates": gates})
