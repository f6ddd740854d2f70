"""A value that must not be seen: it prints as stars, compares by identity and cannot be pickled."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Secret", "redacted"]

SHORTEST = 4
"""Shorter values are no keys, and blotting them out would make text unreadable."""


class Secret:
    """A key; `reveal` is the only way to its value."""

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str = "") -> None:
        self._value = value
        self.origin = origin
        """Where it was found, such as `the environment variable OPENAI_API_KEY`."""

    def reveal(self) -> str:
        """The value itself, for the header of a request and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('********')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not leave its process")


def redacted(text: str, *secrets: Secret | None) -> str:
    """The text with every occurrence of the secrets blotted out."""
    for secret in secrets:
        if secret is not None and len(secret.reveal()) >= SHORTEST:
            text = text.replace(secret.reveal(), "********")
    return text
