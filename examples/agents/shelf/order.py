"""The order of books on a shelf."""

import itertools
import re
import string


def key(author: str, title: str) -> tuple[str, str]:
    """Articles do not count, nor does case."""
    return author.casefold(), re.sub(r"^(the|an?) ", "", title.casefold())


def in_order(books: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(books, key=lambda book: key(*book))
