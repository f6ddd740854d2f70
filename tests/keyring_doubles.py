"""A keyring in memory: a real backend of the library `keyring`, which can be told to fail."""

from __future__ import annotations

from keyring.backend import KeyringBackend


class InMemory(KeyringBackend):
    """Keeps what it is given, as long as it lives."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.trouble: Exception | None = None
        self.trouble_deleting: Exception | None = None

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        if self.trouble:
            raise self.trouble
        return self.stored.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.stored[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.trouble_deleting:
            raise self.trouble_deleting
        del self.stored[service, username]
