"""User agents: who is a robot, and which family a browser belongs to."""

import re
from functools import lru_cache

AGENT_CACHE = 16  # maabarium: choice(16, 256)

ROBOTS = ["bot", "crawl", "spider", "slurp", "curl/", "wget/", "python-requests", "go-http-client", "monitoring"]

FAMILIES = [
    ("Edge", r"\bedg(?:e|a|ios)?/(\d+)"),
    ("Opera", r"\b(?:opr|opera)/(\d+)"),
    ("Firefox", r"\b(?:firefox|fxios)/(\d+)"),
    ("Chrome", r"\b(?:chrome|crios)/(\d+)"),
    ("Safari", r"\bversion/(\d+)[.\d]* (?:mobile/\w+ )?safari/"),
]


@lru_cache(maxsize=AGENT_CACHE)
def family(agent):
    """`Robot`, a browser with its major version such as `Firefox 118`, or `Other`."""
    text = agent.lower()
    for word in ROBOTS:
        if word in text:
            return "Robot"
    for name, pattern in FAMILIES:
        match = re.search(pattern, text)
        if match:
            return name + " " + match.group(1)
    return "Other"
