"""What git does to a file on checkout because attributes ask for it: line ends, `$Id$`, encodings. No filters.

The attributes are those of the commit in which a run starts, and the repository's own `info/attributes`; which files
have any is asked of git. gitattributes(5); convert.c of git has the rules.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from maabarium.workspace.git import Git, as_text
from maabarium.workspace.objects import Objects
from maabarium.workspace.storage import storing
from maabarium.workspace.trees import Entry

__all__ = ["Conversion", "Conversions"]

NAMES = ("text", "crlf", "eol", "ident", "working-tree-encoding")
ASKS = re.compile(rb"\b(eol=crlf|ident|working-tree-encoding=)")
"""What stands in every file of attributes that converts anything where lines end in LF."""
FILE = ".gitattributes"
OFF = ("unspecified", "unset", "set", "")
IDENT = re.compile(rb"\$Id(: [^ \n$]* )?\$")
LONE_LF = re.compile(rb"(?<!\r)\n")
UNPRINTABLE = bytes(code for code in range(32) if code not in b"\b\t\n\f\r\x1b") + b"\x7f"


@dataclass(frozen=True)
class Conversion:
    """What happens to one file. `ends` in CRLF: always, or only `auto`, in what looks like text; or not at all."""

    ends: str = ""
    ident: bool = False
    encoding: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Conversion:
        """From the values of its attributes, as `git check-attr` gives them."""
        text, crlf, eol = values["text"], values["crlf"], values["eol"]
        action = text if text in ("set", "unset", "auto", "input") else crlf
        ends = "" if action in ("unset", "input") or eol != "crlf" else "auto" if action == "auto" else "crlf"
        encoding = "" if values["working-tree-encoding"] in OFF else values["working-tree-encoding"]
        return cls(ends, values["ident"] == "set", encoding)

    def applied(self, content: bytes, oid: str) -> bytes:
        """The file as it is checked out; `oid` is the object's id. What cannot be encoded stays as it is stored."""
        if self.ident:
            content = IDENT.sub(b"$Id: " + oid.encode("ascii") + b" $", content)
        if self.ends == "crlf" or (self.ends == "auto" and b"\r" not in content and not is_binary(content)):
            content = LONE_LF.sub(b"\r\n", content)
        return encoded(content, self.encoding) if self.encoding else content


def is_binary(content: bytes) -> bool:
    """Whether git takes it for no text."""
    unprintable = len(content) - len(content.translate(None, UNPRINTABLE))
    return b"\0" in content or (len(content) - unprintable) >> 7 < unprintable


def encoded(content: bytes, name: str) -> bytes:
    """UTF-8 in another encoding, with a byte order mark where the name ends in `-BOM`."""
    plain, mark = re.subn(r"(?i)-BOM$", "", name)
    try:
        text = content.decode("utf-8")
        return (("\ufeff" if mark else "") + text).encode(codecs.lookup(plain).name)
    except (LookupError, UnicodeError):
        return content


class Conversions:
    """The conversions of a repository's files by path. Asks git once for all files of the start, later for new ones."""

    def __init__(self, git_dir: Path, attributes: Mapping[str, Entry]) -> None:
        self._git_dir = git_dir
        self._lines = b"".join(
            b"%o %s\t%s\0" % (entry.mode, entry.oid.encode("ascii"), path.encode("utf-8", "surrogateescape"))
            for path, entry in attributes.items()
        )
        self._known: dict[str, Conversion | None] = {}

    @classmethod
    def of(cls, git_dir: Path | None, entries: Mapping[str, Entry], objects: Objects) -> Conversions | None:
        """Those of a user's repository and the files of a commit; None when nothing is converted."""
        if git_dir is None:
            return None
        files = {p: e for p, e in entries.items() if p.rpartition("/")[2] == FILE and e.is_file}
        own = git_dir / "info" / "attributes"
        with storing("read", own):
            contents = [own.read_bytes()] if own.is_file() else []
        contents += [objects.blob(entry.oid) for entry in files.values()]
        if not any(ASKS.search(content) for content in contents):
            return None
        made = cls(git_dir, files)
        made._ask(entries)
        return made

    def conversion(self, path: str) -> Conversion | None:
        """What happens to this file; None: it is checked out as it is stored."""
        if path not in self._known:
            self._ask([path])
        return self._known[path]

    def _ask(self, paths: Iterable[str]) -> None:
        listed = "\0".join(paths).encode("utf-8", "surrogateescape")
        with TemporaryDirectory(prefix="maabarium-") as folder:
            git = Git(self._git_dir, index=Path(folder) / "index", folder=Path(folder))
            git.run("update-index", "-z", "--index-info", stdin=self._lines, write=True)
            fields = git.run("check-attr", "--cached", "-z", "--stdin", *NAMES, stdin=listed).split(b"\0")
        values: dict[str, dict[str, str]] = {}
        for raw, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
            values.setdefault(as_text(raw), {})[as_text(name)] = as_text(value)
        nothing = Conversion()
        for path, found in values.items():
            conversion = Conversion.of(found)
            self._known[path] = None if conversion == nothing else conversion
