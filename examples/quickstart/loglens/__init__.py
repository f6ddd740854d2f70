"""loglens reads web server access logs and says what happened."""

from loglens.analysis import Analysis, analyse
from loglens.parser import Entry, parse_line, read_entries

__all__ = ["Analysis", "Entry", "analyse", "parse_line", "read_entries"]
