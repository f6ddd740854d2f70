from __future__ import annotations

import posixpath
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.blueprint.globs import Globs
from maabarium.errors import ProposalError
from maabarium.records import FileEdit
from maabarium.workspace.names import fold, objection
from maabarium.workspace.paths import MAX_BYTES, MAX_FILES, check_edits, protected_globs, targets_of

ANY = Globs(["**"])
NONE = Globs([])
TREE = {"src/a.py": 0o100644, "src/link": 0o120000, "vendor/lib": 0o160000, "docs/ré.md": 0o100644}


def create(path: str, content: bytes = b"x") -> FileEdit:
    return FileEdit(path=path, operation="create", content=content)


def modify(path: str, content: bytes = b"x") -> FileEdit:
    return FileEdit(path=path, operation="modify", content=content)


def delete(path: str) -> FileEdit:
    return FileEdit(path=path, operation="delete")


def reason(*edits: FileEdit, targets: Globs = ANY, protected: Globs = NONE, existing: object = TREE) -> str:
    with pytest.raises(ProposalError) as caught:
        check_edits(edits, targets, protected, existing)  # type: ignore[arg-type]
    assert str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value.reason_code


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd", "../x", "a/../../x", "a/./b", "a//b", "a/", "./a", "a\\b", "a\0b", "a\nb", "a\x1b[2Jb",
        ".git/config", ".GIT/config", "sub/.git/hooks/pre-commit", ".git", "git~1/config", "GIT~2/x",
        ".g\u200cit/config", ".git\u200d/x",
        "\ufeff.git/x", ".git /x", ".git./x", ".git . ./x", ".git::$INDEX_ALLOCATION/x", ".git:x/y",
        "\uff0egit/x", ".\uff47it/config", ".g\u0456t/config", ".g\u0130t/x", ".gitmodules", "sub/.GitModules",
        ".gitattributes", "a/.gitattributes ", "gitmod~1", "gi7eba~1", "a\u202eb", "a\u2028b", "a\udcffb", "a" * 256,
        "/".join(["abcdefgh"] * 500),
    ],
)  # fmt: skip
def test_names_that_no_proposal_may_use(path):
    assert reason(create(path)) == "out_of_bounds"


@pytest.mark.parametrize(
    "path", ["src/new.py", "a b/c.txt", ".github/x.yml", ".gitignore", "src/ünï.py", "gitx/~1", "日本.py"]
)
def test_names_that_are_fine(path):
    check_edits([create(path)], ANY, NONE, TREE)


@pytest.mark.parametrize(
    "path",
    [
        "conftest.py", "src/conftest.py", "src/CONFTEST.py", "sitecustomize.py", "a/usercustomize.py", "x.pth",
        "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", ".coveragerc", "x.egg-info/PKG-INFO",
        "src/__pycache__/a.pyc",
        "tests/x.py", "src/tests/data.txt", "test/a", "testing/a", "src/test_a.py", "a_test.py", "src/a_test.py",
        "sub/tests/a", "sub/testing/a", "Tests/x.py",
    ],
)  # fmt: skip
def test_protected_by_default(path):
    assert reason(create(path), protected=protected_globs((), "sub")) == "out_of_bounds"


def test_defaults_cannot_be_taken_back_and_extra_is_added():
    protected = protected_globs(["!tests/**", "src/frozen.py"])
    assert protected.matches("tests/test_a.py") and protected.matches("src/frozen.py")
    assert not protected.matches("src/free.py")


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], "no_effect"),
        ([create("src/a.py")], "does_not_apply"),
        ([modify("src/none.py")], "does_not_apply"),
        ([delete("src/none.py")], "does_not_apply"),
        ([create("src/a.py/b")], "does_not_apply"),
        ([create("src")], "does_not_apply"),
        ([modify("src/a.py"), modify("src/a.py")], "does_not_apply"),
        ([create("n"), create("n/m")], "does_not_apply"),
        ([FileEdit(path="src/a.py", operation="modify")], "does_not_apply"),
        ([FileEdit(path="src/a.py", operation="delete", content=b"")], "does_not_apply"),
        ([modify("src/link")], "out_of_bounds"),
        ([delete("src/link")], "out_of_bounds"),
        ([create("src/link/x")], "out_of_bounds"),
        ([create("vendor/lib/x")], "out_of_bounds"),
        ([modify("vendor/lib")], "out_of_bounds"),
        ([create("src/A.py")], "out_of_bounds"),
        ([create("SRC/new.py")], "out_of_bounds"),
        ([create("docs/re\u0301.md")], "out_of_bounds"),
        ([create("docs/RÉ.md")], "out_of_bounds"),
        ([create("docs/e\u0301.md")], "out_of_bounds"),
        ([create("new/ﬁ.py"), create("new/fi.py")], "out_of_bounds"),
        ([create("new/x.py"), create("New/y.py")], "out_of_bounds"),
        ([create(f"f{number}") for number in range(MAX_FILES + 1)], "out_of_bounds"),
        ([create("big", b"x" * (MAX_BYTES + 1))], "out_of_bounds"),
    ],
)
def test_edits_that_are_refused(edits, expected):
    assert reason(*edits) == expected


def test_only_targets():
    assert reason(modify("docs/ré.md"), targets=Globs(["src/**/*.py"])) == "out_of_bounds"
    check_edits([modify("src/a.py")], Globs(["src/**/*.py"]), NONE, TREE)


def test_file_may_become_folder_when_it_is_deleted():
    check_edits([delete("src/a.py"), create("src/a.py/b")], ANY, NONE, TREE)


def test_no_effect_needs_all_edits_without_effect(repository):
    view = repository.view(repository.base_tree)
    assert reason(modify("src/a.py", b"a = 1\n"), existing=view) == "no_effect"
    check_edits([modify("src/a.py", b"a = 1\n"), modify("src/b.py", b"new")], ANY, NONE, view)
    check_edits([FileEdit(path="src/a.py", operation="modify", content=b"a = 1\n", mode=0o100755)], ANY, NONE, view)


def test_targets_of():
    tree = {**TREE, "tests/test_a.py": 0o100644, "src/data.bin": 0o100644, "src/\udcff.py": 0o100644}
    assert targets_of(tree, Globs(["src/**", "tests/**"]), protected_globs()) == ("src/a.py", "src/data.bin")
    assert targets_of(["b.py", "a.py"], Globs(["*.py"]), NONE) == ("a.py", "b.py")


def test_globs_speak_the_dialect_of_gitignore():
    globs = Globs(["src/**/*.py", "top.py", "!src/skip.py", "docs/", "new/file.txt"])
    assert globs.select(["src/a.py", "src/x/y.py", "src/skip.py", "z/top.py", "docs/a", "new/file.txt", "new/x"]) == [
        "src/a.py", "src/x/y.py", "z/top.py", "docs/a", "new/file.txt",
    ]  # fmt: skip
    assert globs.exact == ("top.py", "new/file.txt")


PIECES = st.sampled_from(
    ["..", ".", "", ".git", ".GIT", "git~1", "src", "link", "a.py", "SRC", "\u200c", " ", "/", "\\", "\0", "vendor",
     "lib", ".g", "it", "i\u0307", "\uff0e", "hooks", "~", "x"]
)  # fmt: skip
PATHS = st.lists(PIECES | st.text(max_size=3), min_size=1, max_size=6).flatmap(
    lambda parts: st.sampled_from(["/".join(parts), "".join(parts)])
)


@given(PATHS)
@settings(max_examples=400, deadline=None)
def test_no_path_escapes(path):
    try:
        check_edits([create(path)], ANY, NONE, TREE)
    except ProposalError:
        return
    parts = path.split("/")
    assert all(part not in ("", ".", "..") for part in parts)
    assert posixpath.normpath(posixpath.join("/top", path)) == f"/top/{path}"
    assert not any(ord(character) < 32 or character == "\\" for character in path)
    assert all(fold(part).rstrip(" .") != ".git" for part in parts)
    assert not any("/".join(parts[:n]) in ("src/link", "vendor/lib", "src/a.py") for n in range(1, len(parts) + 1))
    assert not objection(path)


@given(st.lists(PATHS, min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_git_itself_takes_every_path_that_passes(tmp_path_factory, paths):
    """git's own verify_path, with the rules of both other platforms switched on, is the second opinion."""
    passed = [path for path in paths if not objection(path)]
    folder = tmp_path_factory.getbasetemp() / "verify"
    if not folder.exists():
        subprocess.run(["git", "init", "-q", folder], check=True)
    for path in passed:
        command = ["git", "-c", "core.protectHFS=true", "-c", "core.protectNTFS=true", "update-index", "--add"]
        spec = f"100644,e69de29bb2d1d6434b8b29ae775ad8c2e48c5391,{path}"
        done = subprocess.run([*command, "--cacheinfo", spec], cwd=folder, capture_output=True)
        assert done.returncode == 0, (path, done.stderr)
        (folder / ".git" / "index").unlink()
