"""Paths of requests, grouped so that they can be counted."""

import re
from urllib.parse import unquote

ASSETS = [".css", ".js", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".woff", ".woff2", ".webp"]


def route(path):
    """The path without query and language, with identifiers replaced: `/de/users/17?tab=2` is `/users/:id`."""
    path = unquote(path.split("?")[0]).replace("//", "/")
    path = re.sub(r"^/(?:de|en|es|fr|he|pt)(?=/|$)", "", path)
    path = re.sub(r"/\d+(?=/|$)", "/:id", path)
    path = re.sub(r"/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=/|$)", "/:uuid", path)
    return path.rstrip("/") or "/"


def is_asset(entry):
    """Whether a static file was asked for."""
    name = entry.path.split("?")[0].split("/")[-1]
    if "." not in name:
        return False
    return "." + name.split(".")[-1].lower() in ASSETS


def words(entries):
    """The words of all paths, in order, as often as they occur."""
    return sum([re.findall(r"[a-z]{3,}", entry.path.lower()) for entry in entries], [])
