"""One JSON question over HTTP and the whole answer, or a `CallFailure`: the policy that all formats share.

It does not stream: an answer arrives whole or is a failure. Redirects are not followed (a key must not travel), no
attempt is repeated (the pool does that), and every message is redacted before it leaves. It knows no format.
httpx is imported when the first provider is made, because it takes a tenth of a second and many runs need no model.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from maabarium.errors import MissingKeyError, ProviderError
from maabarium.models.failures import CallFailure, Reason, excerpt, failure_of_status
from maabarium.safe_text import plain
from maabarium.secret import Secret, redacted

if TYPE_CHECKING:
    import httpx

__all__ = ["CONNECT_SECONDS", "LARGEST", "LONGEST_MESSAGE", "Connection", "provider_error", "safe_text", "usable_key"]

CONNECT_SECONDS = 10.0
LARGEST = 32 * 2**20
"""Bytes: an answer beyond this is not one."""
LONGEST_MESSAGE = 1200
"""Characters of an error's text, the label included."""


class Connection:
    """The connections of one provider to its server, for any number of threads."""

    def __init__(self, *, timeout: float, here: bool = False, transport: Any = None) -> None:
        """`here`: the server runs on this machine, so that a proxy named in the environment must not be asked."""
        import httpx

        self._timeout = timeout
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            follow_redirects=False,
            trust_env=not here,
        )
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def post(self, url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a JSON object and return the JSON object that came back. Raises CallFailure.

        A whole answer may take `timeout` seconds; the clock is read whenever something arrives, so that a server that
        trickles is stopped, at the latest after twice that time.
        """
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        with self._lock:
            if self._closed:
                raise CallFailure("other", "the provider is closed")
            self._under_way += 1
        try:
            status, told, raw = self._send(url, {"Content-Type": "application/json", **headers}, content)
        except CallFailure:
            if self._closed:
                raise CallFailure("other", "the provider was closed while it was asked") from None
            raise
        finally:
            self._leave()
        if not 200 <= status < 300:
            raise failure_of_status(status, told, raw.decode("utf-8", "replace"))
        return _object_in(raw)

    def close(self) -> None:
        """End what is under way at once and give the connections back."""
        with self._lock:
            self._closed = True
            idle = self._under_way == 0
            for one in self._sockets:
                with contextlib.suppress(OSError):  # it was closed already
                    one.shutdown(socket.SHUT_RDWR)
        if idle:
            self._client.close()

    def _leave(self) -> None:
        with self._lock:
            self._under_way -= 1
            last = self._closed and self._under_way == 0
        if last:
            self._client.close()

    def _send(self, url: str, headers: Mapping[str, str], content: bytes) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and body. Raises CallFailure without its cause: what httpx raises holds the key."""
        import httpx

        begun = False
        deadline = time.monotonic() + self._timeout
        late = CallFailure("timeout", f"no whole answer within {self._timeout:g} s", retry=True)
        try:
            with self._client.stream(
                "POST", url, headers=dict(headers), content=content, extensions={"trace": self._watch}
            ) as response:
                begun = True
                raw = bytearray()
                for chunk in response.iter_bytes():
                    raw += chunk
                    if len(raw) > LARGEST:
                        raise CallFailure("malformed_body", f"the answer is larger than {LARGEST >> 20} MiB")
                    if time.monotonic() > deadline:
                        raise late
                return response.status_code, response.headers, bytes(raw)
        except (httpx.ConnectTimeout, httpx.ConnectError, httpx.ProxyError) as error:
            said = f"the server cannot be reached: {error or type(error).__name__}"
            raise CallFailure("connect", said, retry=True) from None
        except httpx.TimeoutException:
            raise late from None
        except (httpx.RemoteProtocolError, httpx.NetworkError) as error:
            reason: Reason = "truncated_stream" if begun else "connect"
            said = f"the {'answer was cut' if begun else 'server hung up'}: {error or type(error).__name__}"
            raise CallFailure(reason, said, retry=True) from None
        except httpx.DecodingError as error:
            raise CallFailure("malformed_body", f"the answer cannot be decompressed: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise CallFailure("other", f"the request cannot be sent: {error}") from None

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember every socket, because closing a client does not wake a thread that reads from it."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        found = info["return_value"].get_extra_info("socket")
        with self._lock:
            if isinstance(found, socket.socket):
                self._sockets.add(found)
                if self._closed:
                    with contextlib.suppress(OSError):
                        found.shutdown(socket.SHUT_RDWR)


def usable_key(key: Secret | None, provider: str) -> Secret | None:
    """The key without white space around it. Raises MissingKeyError when no header can carry it.

    httpx would say so, too, and print the key.
    """
    if key is None:
        return None
    value = key.reveal().strip()
    if not value:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        origin = f" from {key.origin}" if key.origin else ""
        raise MissingKeyError(
            f"the key for {provider}{origin} holds characters that no key has; copy it again", reason="other"
        )
    return Secret(value, key.origin)


def safe_text(text: str, key: Secret | None) -> str:
    """The text without the key in any spelling that an echo may have, and without control characters."""
    text = plain(text)
    if key is None:
        return text
    value = key.reveal()
    spellings = {value, json.dumps(value)[1:-1], value.replace("/", "\\/"), quote(value, safe=""), quote_plus(value)}
    return redacted(text, *(Secret(one) for one in sorted(spellings, key=len, reverse=True)))


def provider_error(failure: CallFailure, label: str, key: Secret | None, advice: str = "") -> ProviderError:
    """The error for a failure, with nothing in it that must not be seen; `advice` survives the cut of the rest."""
    end = safe_text(f" ({advice})", key)[:400] if advice else ""
    message = safe_text(f"{label}: {failure.message}", key)
    room = LONGEST_MESSAGE - len(end)
    message = message if len(message) <= room else message[: room - 1] + "…"
    return ProviderError(message + end, reason=failure.reason, retry=failure.retry, after=failure.after)


def _object_in(raw: bytes) -> dict[str, Any]:
    """The JSON object that the bytes are. Raises CallFailure."""
    if not raw.strip():
        raise CallFailure("malformed_body", "the answer is empty")
    try:
        data = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        said = f"the answer is not UTF-8: byte {error.start} cannot be decoded"
        raise CallFailure("malformed_body", said) from None
    except (ValueError, RecursionError):
        shown = excerpt(raw.decode("utf-8", "replace"))
        said = f"the answer is not JSON; is `endpoint` right? It begins: {shown}"
        raise CallFailure("malformed_body", said) from None
    if not isinstance(data, dict):
        raise CallFailure("malformed_body", f"the answer is not a JSON object but a {type(data).__name__}")
    return data
