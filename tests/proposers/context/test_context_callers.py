"""The import graph: relative, absolute and aliased imports, packages, and names that the standard library has, too."""

from __future__ import annotations

from context_room import Files, make_blueprint

from maabarium.code.tree import Imports
from maabarium.proposers.council.context.source_files import SourceFiles

FILES = {
    "src/pkg/__init__.py": "from .core import run\n",
    "src/pkg/core.py": "from . import tools\nfrom pkg.tools import help_out as aid\nimport json\n"
    "\ndef run():\n    aid()\n",
    "src/pkg/tools.py": "def help_out():\n    pass\n",
    "src/pkg/json.py": "",
    "src/app.py": "import pkg.core as engine\nfrom pkg import (\n    core,\n)\n\n\ndef main():\n    engine.run()\n",
    "tests/test_core.py": "from pkg.core import run\n\n\ndef test_it():\n    run()\n\n\ndef test_other():\n    pass\n",
    "src/broken.py": "from pkg.core import (\n",
}


def imports(files: dict[str, str] = FILES) -> Imports:
    return Imports(SourceFiles(Files(files), make_blueprint()))


def test_importers_with_the_names_they_use_tests_last() -> None:
    found = dict(imports().importers("src/pkg/core.py"))
    assert found == {"src/pkg/__init__.py": {"run"}, "src/app.py": {"engine", "core"}, "tests/test_core.py": {"run"}}
    assert list(found)[-1] == "tests/test_core.py"


def test_what_a_file_imports() -> None:
    assert dict(imports().imported("src/pkg/core.py")) == {"src/pkg/tools.py": {"*", "help_out"}}


def test_the_standard_library_is_not_taken_for_a_namesake() -> None:
    assert "src/pkg/json.py" not in dict(imports().imported("src/pkg/core.py"))


def test_users_are_the_functions_that_mention_a_name() -> None:
    library = SourceFiles(Files(FILES), make_blueprint())
    assert [chunk.name for chunk in library.users("tests/test_core.py", {"run"})] == ["test_it"]
    assert library.users("tests/test_core.py", set()) == []


def test_centrality_counts_each_importer_once() -> None:
    found = imports().centrality(sorted(FILES))
    assert found["src/pkg/core.py"] == 4
    assert found["src/pkg/tools.py"] == 1
    assert found["src/app.py"] == 0


def test_a_nearer_file_of_the_same_name_is_meant() -> None:
    files = {"a/shared.py": "", "b/shared.py": "", "a/use.py": "import shared\n", "b/use.py": "import shared\n"}
    assert dict(imports(files).imported("a/use.py")) == {"a/shared.py": {"*"}}
    assert dict(imports(files).imported("b/use.py")) == {"b/shared.py": {"*"}}


def test_relative_imports_above_the_top_mean_nothing() -> None:
    assert dict(imports({"a.py": "from ... import b\nfrom .... import c\n", "b.py": ""}).imported("a.py")) == {}
