"""What git converts on checkout is converted in a measurement."""

from __future__ import annotations

from pathlib import Path

from field_project import FieldProject, modify

ATTRIBUTES = """
*.csv text eol=crlf
*.auto text=auto eol=crlf
*.lf text eol=lf
*.bin -text eol=crlf
*.txt text working-tree-encoding=UTF-16LE-BOM
*.latin text working-tree-encoding=ISO-8859-1 eol=crlf
*.id ident
[attr]dos text eol=crlf
*.dos dos
"""
TESTS = r"""
import subprocess
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("name", ["rows.csv", "rows.auto", "rows.dos", "deep/er/rows.csv", "ü.csv"])
def test_ends(name):
    raw = (DATA / name).read_bytes()
    assert raw.split(b"\r\n")[1] == b"1,2" and raw.count(b"\n") == 2


@pytest.mark.parametrize("name", ["rows.lf", "rows.bin", "deep/plain.csv"])
def test_other_ends(name):
    assert b"\r" not in (DATA / name).read_bytes()


def test_binary_that_claims_nothing():
    assert (DATA / "some.auto").read_bytes() == b"a\nb\0\n"


def test_encodings():
    assert (DATA / "a.txt").read_bytes() == b"\xff\xfe" + "größe\n".encode("utf-16-le")
    assert (DATA / "a.latin").read_bytes() == "größe\r\n".encode("latin-1")


def test_ident():
    text = (DATA / "a.id").read_text()
    assert text.startswith("version $Id: ") and len(text) == len("version $Id: $\n") + 41
"""


def write(project: FieldProject) -> None:
    project.write({".gitattributes": ATTRIBUTES, "tests/data/deep/.gitattributes": "plain.csv eol=lf\n"})
    dos = b"a,b\r\n1,2\r\n"
    project.write({f"tests/data/{name}": dos for name in ("rows.csv", "rows.auto", "rows.dos", "deep/er/rows.csv")})
    plain = dos.replace(b"\r", b"")
    project.write({f"tests/data/{name}": plain for name in ("rows.lf", "rows.bin", "deep/plain.csv")})
    project.write({"tests/data/ü.csv": dos, "tests/data/some.auto": b"a\nb\0\n", "tests/data/a.id": "version $Id$\n"})
    project.write({"tests/data/a.txt": b"\xff\xfe" + "größe\n".encode("utf-16-le")})
    project.write({"tests/data/a.latin": "größe\r\n".encode("latin-1"), "tests/test_core.py": TESTS})


def test_conversions(project: FieldProject, tmp_path: Path) -> None:
    write(project)
    project.write({"app/core.py": "def double(x):\n    result = x * 2\n    return result\n"})
    project.size(modify("def double(x):\n    return x * 2\n"))
    project.commit()
    project.git("clone", "-q", str(project.root), str(tmp_path / "fresh"))
    fresh = FieldProject(tmp_path, "fresh2", base=False)
    (tmp_path / "fresh2").rmdir()
    (tmp_path / "fresh").rename(tmp_path / "fresh2")
    fresh.assert_plain_is_green()
    run = fresh.loop(commit=False)
    run.assert_green()
    assert run.verdicts == ["baseline", "promoted"], run.output


def test_attributes_of_the_repository_alone(project: FieldProject) -> None:
    project.write({"tests/data/rows.csv": b"a,b\r\n1,2\r\n"})
    read = "Path('tests/data/rows.csv').read_bytes()"
    test = f"from pathlib import Path\n\n\ndef test_ends():\n    assert b'\\r' in {read}\n"
    project.write({"tests/test_core.py": test})
    project.size()
    project.git("init", "-q", "-b", "main")
    (project.root / ".git/info").mkdir(exist_ok=True)
    (project.root / ".git/info/attributes").write_text("*.csv text eol=crlf\n")
    project.assert_plain_is_green()
    project.loop().assert_green()
