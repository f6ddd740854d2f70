"""Lines of the combined log format, with the time taken at the end, as entries."""

import re
from dataclasses import dataclass
from datetime import datetime


@dataclass
class Entry:
    """One request."""

    host: str
    user: str
    when: datetime
    method: str
    path: str
    status: int
    size: int
    referrer: str
    agent: str
    seconds: float


def parse_line(line):
    """An entry, or None for a line that is none."""
    match = re.match(
        r'(\S+) \S+ (\S+) \[([^\]]+)\] "([A-Z]+) (\S+) [^"]*" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)" (\d+\.\d+)\s*$', line
    )
    if match is None:
        return None
    host, user, when, method, path, status, size, referrer, agent, seconds = match.groups()
    return Entry(
        host=host,
        user=user,
        when=datetime.strptime(when, "%d/%b/%Y:%H:%M:%S %z"),
        method=method,
        path=path,
        status=int(status),
        size=0 if size == "-" else int(size),
        referrer=referrer,
        agent=agent,
        seconds=float(seconds),
    )


def read_entries(lines):
    """Entries of all lines that can be read, and the number of those that cannot."""
    entries = []
    skipped = 0
    for line in lines:
        if not line.strip():
            continue
        entry = parse_line(line)
        if entry is None:
            skipped += 1
        else:
            entries.append(entry)
    return entries, skipped
