"""Names and places of folders: a package that is the repository's root, modules named as the standard library's."""

from __future__ import annotations

from pathlib import Path

import pytest
from field_project import FieldProject, modify

CORE = "def double(x):\n    result = x * 2\n    return result\n"
SHORTER = "def double(x):\n    return x * 2\n"
WRONG = "def double(x):\n    return x\n"


def test_the_root_is_the_package(tmp_path: Path) -> None:
    project = FieldProject(tmp_path, "rootpkg", base=False)
    project.write(
        {
            "__init__.py": "",
            "core.py": "from . import calendar\n\n\n" + CORE,
            "calendar.py": "NAME = 'a platform of that name, as integrations have'\n",
            "sub/__init__.py": "",
            "sub/deep.py": "from rootpkg.core import double\n\n\ndef four(x):\n    return double(double(x))\n",
            "tests/__init__.py": "",
            "tests/test_core.py": """
import calendar
from rootpkg import core
from rootpkg.core import double
from rootpkg.sub.deep import four
from ..core import double as same


def test_double():
    assert double(2) == 4 and four(1) == 4 and same is double


def test_standard_library():
    assert calendar.isleap(2024) and core.calendar.NAME
""",
        }
    )
    head = "from . import calendar\n\n\n"
    project.size(modify(head + WRONG, "core.py"), modify(head + SHORTER, "core.py"), targets=("/*.py",))
    ids = project.assert_plain_is_green()
    run = project.loop()
    run.assert_green()
    assert sorted(run.ended) == sorted(ids)
    assert run.verdicts == ["baseline", "rejected", "promoted"], run.output


@pytest.mark.parametrize("name", ["my-addon 2", "tree", "scratch"])
def test_tests_see_the_folders_name(tmp_path: Path, name: str) -> None:
    project = FieldProject(tmp_path, name)
    project.write(
        {
            "tests/test_name.py": f"""
from pathlib import Path


def test_name(pytestconfig):
    assert Path(__file__).parents[1].name == {name!r} == pytestconfig.rootpath.name == Path.cwd().name
"""
        }
    )
    project.size()
    project.assert_plain_is_green()
    project.loop().assert_green()


def test_modules_at_the_top_do_not_hide_the_standard_library(tmp_path: Path) -> None:
    project = FieldProject(tmp_path, base=False)
    project.write(
        {
            "queue.py": "raise ImportError('a script of ours, not for import')\n",
            "statistics/__init__.py": "raise ImportError('reports')\n",
            "src/app/__init__.py": "",
            "src/app/core.py": CORE,
            "tests/conftest.py": "import sys\nfrom pathlib import Path\n\n"
            "sys.path.insert(0, str(Path(__file__).parents[1] / 'src'))\n",
            "tests/test_core.py": """
import queue
import statistics
import subprocess
import sys
from app.core import double


def test_double():
    assert queue.Queue and statistics.mean([double(1)]) == 2


def test_program():
    code = "import queue, statistics; print(statistics.mean([4]))"
    assert subprocess.run([sys.executable, "-c", code], cwd="tests", capture_output=True).stdout == b"4\\n"
""",
        }
    )
    project.size(modify(SHORTER, "src/app/core.py"), targets=("src/**/*.py",))
    project.assert_plain_is_green()
    run = project.loop()
    run.assert_green()
    assert run.verdicts == ["baseline", "promoted"], run.output
