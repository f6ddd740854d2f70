"""Each operator by example: what it makes of code that it likes, run before and after, and what it refuses."""

from __future__ import annotations

import copy
import textwrap
from typing import Any

import pytest

from maabarium.code.concrete import ConcreteFile
from maabarium.proposers.mutate.rewrites.arm import ALL_OPERATORS

BY_NAME = {operator.name: operator for operator in ALL_OPERATORS}


def rewritten(operator: str, code: str) -> list[str]:
    source = ConcreteFile.read(textwrap.dedent(code).encode())
    assert source is not None
    found = sorted(BY_NAME[operator].rewrites(source), key=lambda rewrite: source.order(rewrite.anchor))
    results = [source.apply(rewrite.edits) for rewrite in found]
    assert None not in results
    return [result.decode() for result in results if result is not None]


def result_of(code: str, arguments: tuple[Any, ...]) -> Any:
    scope: dict[str, Any] = {"__name__": "example"}
    exec(compile(textwrap.dedent(code), "<example>", "exec"), scope)
    arguments = copy.deepcopy(arguments)
    try:
        value = scope["f"](*arguments)
        return (type(value), list(value) if hasattr(value, "__next__") else value, arguments)
    except Exception as error:  # noqa: BLE001 - the kind of failure is part of the behaviour
        return type(error)


# operator, code with a function f, what the new code contains, and arguments to run both with
POSITIVE: list[tuple[str, str, str, list[tuple[Any, ...]]]] = [
    (
        "compile-pattern",
        """
        import re

        def f(text):
            return re.sub(r"\\d+", "#", text, 1, re.ASCII)
        """,
        '_F_PATTERN = re.compile(r"\\d+", re.ASCII)\n\ndef f(text):\n    return _F_PATTERN.sub("#", text, 1)',
        [("a1b22",), ("",), (3,)],
    ),
    (
        "compile-pattern",
        """
        import re as r
        from typing import Any
        X = 1

        def f(text):
            found = r.match("(a)(b)?", text, flags=r.I | r.X)
            return found and found.groups()
        """,
        'found = _F_PATTERN.match(text)',
        [("AB",), ("a",), ("x",)],
    ),
    (
        "constant-membership",
        """
        WORDS = [
            "if",  # a comment stays
            "else",
        ]

        def f(x):
            return [w for w in x if w in WORDS]
        """,
        'WORDS = frozenset([\n    "if",  # a comment stays\n    "else",\n])',
        [(["if", "x"],), ([],)],
    ),
    (
        "membership-set",
        """
        def f(rows, banned: list):
            out = 0
            for row in rows:
                if row not in banned:
                    out += 1
            return out
        """,
        "banned_set = set(banned)\n    for row in rows:",
        [([1, 2, 3], [2]), ([], [])],
    ),
    (
        "seen-set",
        """
        def f(rows):
            seen = []
            for row in rows:
                if row not in seen:
                    seen.append(row)
            return seen
        """,
        "seen_set.add(row)",
        [([3, 1, 3, 2],), ([],)],
    ),
    (
        "comprehension",
        """
        def f(rows):
            out = []
            for row in rows:
                # only the good
                if row > 1:
                    out.append(row * 2)  # doubled
            return out
        """,
        "    # only the good\n    out = [row * 2 for row in rows if row > 1]  # doubled\n",
        [([1, 2, 3],), ([],), (None,)],
    ),
    (
        "comprehension",
        """
        def f(rows):
            out: dict = {}
            for a, b in rows:
                out[a] = b, 1
            return out
        """,
        "out: dict = {a: (b, 1) for a, b in rows}",
        [([(1, 2), (1, 3)],)],
    ),
    (
        "comprehension",
        """
        def f(rows):
            out = [0]
            for row in rows:
                for cell in row:
                    out.append(cell)
            return out
        """,
        "out.extend([cell for row in rows for cell in row])",
        [([[1], [2, 3]],)],
    ),
    (
        "cache-timestamps",
        """
        from datetime import datetime

        def f(text):
            return datetime.strptime(text, "%d/%m/%Y")
        """,
        "@lru_cache(maxsize=8192)\ndef _parse_timestamp(text):\n    return datetime.strptime(text, \"%d/%m/%Y\")",
        [("01/02/2024",), ("x",)],
    ),
    (
        "iso-timestamps",
        """
        import datetime as dt

        def f(text):
            return dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
        """,
        "dt.datetime.fromisoformat(text)",
        [("2024-02-03 04:05:06",), ("x",)],
    ),
    (
        "cache-pure",
        """
        import re

        def f(path):
            path = re.sub("/+", "/", path)
            return path.rstrip("/") or "/"
        """,
        "from functools import cache\n\n@cache\ndef f(path):",
        [("//a//",), ("",)],
    ),
    (
        "counter",
        """
        def f(words):
            counts = {}
            for word in words:
                if word in counts:
                    counts[word] += 1
                else:
                    counts[word] = 1
            return counts
        """,
        "counts = dict(Counter(words))",
        [("banana",), ([],)],
    ),
    (
        "counter",
        """
        def f(words):
            counts = {}
            for word in words:
                counts[word[0]] = counts.get(word[0], 0) + 1
            return counts
        """,
        "counts = dict(Counter([word[0] for word in words]))",
        [(["ab", "ac", "b"],)],
    ),
    (
        "setdefault",
        """
        def f(words):
            groups = {}
            for word in words:
                first = word[0]
                if first not in groups:
                    groups[first] = []
                groups[first].append(word)
            return groups
        """,
        "        groups.setdefault(first, []).append(word)",
        [(["ab", "ac", "b"],), ([],)],
    ),
    ("sorted-to-heap", "def f(x, n):\n    return sorted(x, reverse=True)[:n]", "return nlargest(n, x)",
     [([3, 1, 2], 2), ([], 3)]),
    (
        "key-getter",
        "def f(x):\n    return sorted(x, key=lambda row: (row.imag, row.real))",
        'key=attrgetter("imag", "real")',
        [([1 + 2j, 0 + 2j, 5 + 1j],)],
    ),
    (
        "invariant-call",
        """
        def f(rows, name):
            out = 0
            for row in rows:
                out += row == name.lower()
            return out
        """,
        "name_lower = name.lower()\n    for row in rows:\n        out += row == name_lower",
        [(["a", "b"], "A")],
    ),
    (
        "invariant-call",
        """
        def f(rows):
            i = 0
            while i < len(rows):
                i += 2
            return i
        """,
        "while i < len_of_rows:",
        [([1, 2, 3],), ([],)],
    ),
    (
        "local-name",
        """
        import math

        def f(rows):
            total = 0
            for row in rows:
                total += math.floor(row)
            return total
        """,
        "math_floor = math.floor\n    for row in rows:",
        [([1.5, 2.5],)],
    ),
    (
        "repeated-call",
        """
        def f(line):
            a = line.split(",")[0]
            b = line.split(",")[1]
            return a, b
        """,
        'line_split = line.split(",")\n    a = line_split[0]\n    b = line_split[1]',
        [("x,y",), ("x",)],
    ),
    (
        "enumerate",
        """
        def f(rows):
            out = []
            for i in range(len(rows)):
                out.append((i, rows[i]))
            return out
        """,
        "for i, row in enumerate(rows):\n        out.append((i, row))",
        [([5, 6],), ([],)],
    ),
    (
        "enumerate",
        """
        def f(xs, ys):
            total = 0
            for i in range(len(xs)):
                total += xs[i] * ys[i]
            return total
        """,
        "in zip(xs, ys):",
        [([1, 2], [3, 4])],
    ),
    ("dict-keys", "def f(d):\n    return list(d.keys()), len(d.keys())", "return list(d), len", [({"a": 1},)]),
    (
        "iterate-file",
        """
        import io

        def f(text):
            file = io.StringIO(text)
            return [line for line in file.readlines()]
        """,
        "for line in file]",
        [("a\nb",)],
    ),
    (
        "append-in-place",
        """
        def f(rows):
            out = []
            for row in rows:
                out = out + [row, 1]
            return out
        """,
        "out.extend([row, 1])",
        [([1, 2],)],
    ),
    (
        "deque",
        """
        def f(tree):
            queue = [tree]
            out = []
            while queue:
                node = queue.pop(0)
                out.append(node[0])
                queue.extend(node[1])
                if len(queue) > 99:
                    queue.insert(0, node)
            return out
        """,
        "node = queue.popleft()",
        [((1, [(2, []), (3, [(4, [])])]),)],
    ),
    (
        "join",
        """
        def f(rows):
            text = ">"
            for row in rows:
                if row:
                    text += row
                text += ","
            return text
        """,
        '        text_parts.append(",")\n    text = "".join(text_parts)\n',
        [(["a", "", "b"],), ([],)],
    ),
    (
        "sum-loop",
        """
        def f(rows):
            total = 0
            for row in rows:
                if row:
                    total += len(row)
            return total
        """,
        "    total = sum([len(row) for row in rows if row])\n",
        [(["a", "", "bcd"],), ([],)],
    ),
    (
        "get-with-default",
        """
        def f(d: dict, k):
            try:
                value = d[k]
            except KeyError:
                value = None
            return value
        """,
        "    value = d.get(k, None)\n    return value",
        [({1: 2}, 1), ({}, 1)],
    ),
    (
        "length-test",
        "def f(x: list):\n    if len(x) == 0:\n        return 1\n    return 2",
        "if not x:",
        [([],), ([0],)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "code", "expected", "inputs"), POSITIVE, ids=[f"{case[0]}-{n}" for n, case in enumerate(POSITIVE)]
)
def test_rewrites_and_keeps_the_behaviour(
    operator: str, code: str, expected: str, inputs: list[tuple[Any, ...]]
) -> None:
    results = rewritten(operator, code)
    assert any(expected in result for result in results), results
    for result in results:
        for arguments in inputs:
            assert result_of(result, arguments) == result_of(code, arguments)


def test_every_operator_has_an_example_and_a_counterexample() -> None:
    assert {case[0] for case in POSITIVE} == set(BY_NAME)
    assert {case[0] for case in NEGATIVE} == set(BY_NAME)
    assert len(BY_NAME) == len(ALL_OPERATORS) >= 12


# operator, code that it must leave alone
NEGATIVE: list[tuple[str, str]] = [
    ("compile-pattern", "import re\ndef f(p, t):\n    return re.match(p, t)"),
    ("compile-pattern", "import re\ndef f(re, t):\n    return re.match('a', t)"),
    ("compile-pattern", "import re\nre = object()\ndef f(t):\n    return re.match('a', t)"),
    ("compile-pattern", "def f(t):\n    import re\n    return re.match('a', t)"),
    ("compile-pattern", "import re\ndef f(t, flags):\n    return re.match('a', t, flags)"),
    ("compile-pattern", "import re\nX = re.match('a', 'b')"),
    ("constant-membership", "W = ['a', 'b']\ndef f(x):\n    return x in W, W[0]"),
    ("constant-membership", "W = ['a', 'b']\nW = W\ndef f(x):\n    return x in W"),
    ("constant-membership", "W = ['a', 'b']\ndef g():\n    global W\n    W = []\ndef f(x):\n    return x in W"),
    ("membership-set", "def f(rows, known):\n    for row in rows:\n        if row in known:\n            return row"),
    (
        "membership-set",
        "def f(rows, known: list):\n    for row in rows:\n        if row in known:\n            known.append(row)",
    ),
    (
        "membership-set",
        "def f(rows, known: list):\n    for row in rows:\n        change(known)\n"
        "        if row in known:\n            pass",
    ),
    (
        "seen-set",
        "def f(rows):\n    seen = [1]\n    for r in rows:\n        if r not in seen:\n"
        "            seen.append(r)",
    ),
    (
        "seen-set",
        "def f(rows):\n    seen = []\n    for r in rows:\n        if r not in seen:\n            seen.append(r)\n"
        "    seen.remove(1)",
    ),
    ("comprehension", "def f(rows):\n    out = []\n    for r in rows:\n        out.append(len(out))\n    return out"),
    ("comprehension", "def f(rows):\n    out = []\n    for r in rows:\n        out.append(r)\n    return out, r"),
    (
        "comprehension",
        "async def f(rows):\n    out = []\n    async for r in rows:\n        out.append(r)\n"
        "    return out",
    ),
    (
        "comprehension",
        "async def f(rows):\n    out = []\n    for r in rows:\n        out.append(await r)\n"
        "    return out",
    ),
    ("comprehension", "def f(rows):\n    out = []\n    for r in rows:\n        out.append(lambda: r)\n    return out"),
    (
        "comprehension",
        "def f(rows):\n    out = []\n    try:\n        for r in rows:\n            out.append(r)\n"
        "    except ValueError:\n        pass\n    return out",
    ),
    (
        "comprehension",
        "def f(rows):\n    global r\n    out = []\n    for r in rows:\n"
        "        out.append(r)\n    return out",
    ),
    ("comprehension", "class A:\n    out = []\n    for r in (1, 2):\n        out.append(r)"),
    ("comprehension", "def f(o, rows):\n    out = []\n    for o.x in rows:\n        out.append(1)\n    return out"),
    ("comprehension", "def f(rows):\n    out = []\n    for r in rows:\n        out.append(r)\n    else:\n        pass"),
    ("comprehension", "def f(rows):\n    out = []\n    for r in rows:\n        out.append(r)\n    return locals()"),
    ("cache-timestamps", "from datetime import datetime\ndef f(t, form):\n    return datetime.strptime(t, form)"),
    (
        "cache-timestamps",
        "from datetime import datetime\nfrom functools import cache\n@cache\ndef f(t):\n"
        "    return datetime.strptime(t, '%Y')",
    ),
    ("iso-timestamps", "from datetime import datetime\ndef f(t):\n    return datetime.strptime(t, '%d.%m.%Y')"),
    ("cache-pure", "SEEN = []\ndef f(x):\n    SEEN.append(x.strip().lower())\n    return x"),
    ("cache-pure", "def f(x):\n    print(x.strip().lower())\n    return 1"),
    ("cache-pure", "def f(x):\n    return x.strip().lower().split()"),
    ("cache-pure", "def f(x):\n    out = []\n    for y in x.strip().split():\n        out.append(y)\n    return out"),
    ("cache-pure", "def f(x):\n    out = []\n    out.append(x.strip().lower())\n    return out or None"),
    ("cache-pure", "def f(x):\n    y = []\n    y.append(x.strip().lower())\n    y = (y, x)\n    return y"),
    ("cache-pure", "def f(rows):\n    return sum(len(row) for row in rows)"),
    ("cache-pure", "def f(x: list):\n    return str(x).strip().lower()"),
    ("cache-pure", "import random\ndef f(x):\n    return x.strip().lower() + str(random.random())"),
    ("cache-pure", "N = 0\ndef f(x):\n    global N\n    N += 1\n    return x.strip().lower()"),
    ("cache-pure", "def f(x):\n    yield x.strip().lower()"),
    ("cache-pure", "async def f(x):\n    return x.strip().lower()"),
    ("cache-pure", "def f(x, *rest):\n    return x.strip().lower()"),
    ("cache-pure", "class A:\n    def f(self, x):\n        return x.strip().lower()"),
    (
        "counter",
        "def f(ws):\n    c = {}\n    for w in ws:\n        if w in c:\n            c[w] += 2\n"
        "        else:\n            c[w] = 1\n"
        "    return c",
    ),
    ("counter", "def f(ws, c):\n    for w in ws:\n        c[w] = c.get(w, 0) + 1\n    return c"),
    ("counter", "def f(ws):\n    c = {}\n    for w in ws:\n        c[w] = c.get(w, 0) + 1\n    return c, w"),
    (
        "setdefault",
        "def f(d, k, v):\n    if k not in d:\n        d[k] = []\n    else:\n        v = 1\n    d[k].append(v)",
    ),
    ("setdefault", "def f(d, k, j, v):\n    if k not in d:\n        d[k] = []\n    d[j].append(v)"),
    ("setdefault", "def f(d, v):\n    if v.pop() not in d:\n        d[v.pop()] = []\n    d[v.pop()].append(v)"),
    ("sorted-to-heap", "def f(x):\n    return sorted(x)[1:3], sorted(x)[:-2], sorted(x)[::2]"),
    ("key-getter", "def f(x):\n    return sorted(x, key=lambda row: (-row.a, row.b))"),
    ("key-getter", "def f(x):\n    return sorted(x, key=lambda row: (row[1], row.a))"),
    ("invariant-call", "def f(rows, name):\n    for row in rows:\n        if row:\n            g(name.lower())"),
    ("invariant-call", "def f(rows):\n    while len(rows) > 1:\n        rows.pop()"),
    ("invariant-call", "def f(rows):\n    while len(rows) > 1:\n        g(rows)"),
    ("invariant-call", "def f(rows, name):\n    for row in rows:\n        name = name.lower() + row"),
    ("invariant-call", "def f(rows, x):\n    for row in rows:\n        row.part = sorted(x)"),
    ("invariant-call", "def f(rows, name):\n    def g():\n        nonlocal name\n        name = 1\n"
     "    for row in rows:\n"
     "        g() or name.lower()"),
    ("local-name", "def f(rows, out):\n    for row in rows:\n        out.append(row)"),
    ("local-name", "def f(rows):\n    out = []\n    for row in rows:\n        out.append(row)\n        out = []"),
    ("repeated-call", "def f(line):\n    a = line.split(',')[0]\n    line = a\n    return a, line.split(',')[0]"),
    ("repeated-call", "def f(line):\n    a = line.split(',')\n    b = line.split(',')\n    a.append(1)\n    return b"),
    ("repeated-call", "def f(line):\n    a = line and line.strip()\n    b = line and line.strip()\n    return a, b"),
    ("enumerate", "def f(rows):\n    for i in range(len(rows)):\n        rows[i] = 1"),
    ("enumerate", "def f(rows):\n    for i in range(len(rows)):\n        print(rows[i])\n    return i"),
    ("enumerate", "def f(rows):\n    for i in range(len(rows)):\n        if rows[i]:\n            rows.pop()"),
    ("enumerate", "def f(rows):\n    for i in range(len(rows)):\n        i += 1\n        print(rows[i])"),
    ("dict-keys", "def f(d):\n    return d.keys() & {1}"),
    ("iterate-file", "def f(file):\n    for line in file.readlines(10):\n        pass"),
    ("iterate-file", "def f(file):\n    for line in file.readlines():\n        file.seek(0)"),
    ("append-in-place", "def f(rows, out):\n    for row in rows:\n        out = out + [row]\n    return out"),
    (
        "append-in-place",
        "def f(rows):\n    out = []\n    for row in rows:\n        old = out\n"
        "        out = out + [row]\n",
    ),
    ("deque", "def f(rows):\n    q = list(rows)\n    q.pop(0)\n    return q"),
    ("deque", "def f(q):\n    return q.pop(0)"),
    ("deque", "def f(rows):\n    q = list(rows)\n    x = q.pop(0)\n    return x + q[1:]"),
    (
        "join",
        "def f(rows):\n    text = ''\n    for row in rows:\n        text += row\n"
        "        print(text)\n    return text",
    ),
    ("join", "def f(rows):\n    n = 0\n    for row in rows:\n        n += row\n    return n"),
    (
        "join",
        "def f(rows):\n    text = ''\n    for row in rows:\n        text += row\n"
        "        if row:\n            return text",
    ),
    ("sum-loop", "def f(rows, n):\n    for row in rows:\n        n += row\n    return n"),
    ("sum-loop", "def f(rows):\n    n = 0\n    for row in rows:\n        n += row\n    return n, row"),
    ("sum-loop", "def f(rows):\n    n = 0\n    for row in rows:\n        n += n\n    return n"),
    ("get-with-default", "def f(d, k):\n    try:\n        v = d[k]\n    except KeyError:\n        v = 0\n    return v"),
    ("get-with-default", "def f(d: dict, k):\n    try:\n        v = d[k]\n    except KeyError:\n        v = g()"),
    ("get-with-default", "def f(d: dict, k):\n    try:\n        v = d.x[k]\n    except KeyError:\n        v = 0"),
    ("length-test", "def f(x):\n    if len(x) == 0:\n        return 1"),
    ("length-test", "def f(x: list):\n    return len(x) == 0"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "code"), NEGATIVE, ids=[f"{case[0]}-{n}" for n, case in enumerate(NEGATIVE)])
def test_refuses(operator: str, code: str) -> None:
    compile(code, "<example>", "exec")
    assert rewritten(operator, code) == []
