"""What went wrong while a model was asked: codes, whether to ask again, and after how long.

Pure: it is given status, headers and text of an answer, and knows neither httpx nor any provider's format. What it
says is not yet redacted; `connection.provider_error` does that for everything that leaves a provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, get_args

__all__ = ["LONGEST_WAIT", "REASONS", "CallFailure", "Reason", "excerpt", "failure_of_status", "retry_after"]

Reason = Literal[
    "http_404", "http_429", "http_5xx", "http_other", "timeout", "connect", "malformed_body", "empty_content",
    "refused", "truncated_stream", "context_exceeded", "other",
]  # fmt: skip
REASONS: tuple[Reason, ...] = get_args(Reason)

LONGEST_WAIT = 30.0
"""Seconds: a server that asks for more is asked again after this long."""
EXCERPT = 2**16
"""Characters of a server's own words that are looked at. Messages are cut later, once the key is blotted out: a cut
through a key would leave half of it."""

TOO_LONG = re.compile(
    r"context[_ ](?:length|window|size)[_ ]?(?:is |was )?(?:exceeded|limit)"
    r"|exceed\w*[_ ](?:the )?(?:\w+[_ ]){0,3}context|maximum context length"
    r"|prompt is too long|input is too long|exceeds the maximum number of tokens"
    r"|reduce the length of (?:the|your) (?:messages|prompt|input)|too many (?:input )?tokens in (?:the )?prompt",
    re.IGNORECASE,
)
"""How servers say that the prompt does not fit. They agree on no status and no code."""
NO_CREDIT = re.compile(r"insufficient_quota|insufficient (?:balance|credit)|credit balance is too low", re.IGNORECASE)
NUMBER = re.compile(r"\s*\d{1,9}(?:\.\d{1,9})?\s*", re.ASCII)
DELAY = re.compile(r'"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"')
"""Where Google's APIs put what others say in `Retry-After`."""


class CallFailure(Exception):
    """One failed call of a provider. `detail` is what the server said, `status` 0 where it said nothing.

    A format raises it while it reads an answer that cannot be used. It is not redacted, and never leaves a provider.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retry: bool = False,
        after: float | None = None,
        status: int = 0,
        detail: str = "",
    ) -> None:
        self.reason, self.message, self.retry, self.after = reason, message.strip(), retry, after
        self.status, self.detail = status, detail
        super().__init__(message)


def failure_of_status(
    status: int, headers: Mapping[str, str], text: str, *, now: datetime | None = None
) -> CallFailure:
    """The failure that a status outside 200 to 299 stands for; 408, 429 and 5xx may be asked again."""
    said = excerpt(text)
    if (status in (400, 413, 422, 500) and TOO_LONG.search(text)) or status == 413:
        message = f"HTTP {status}: the prompt does not fit; lower `context_tokens` of the model. {said}"
        return CallFailure("context_exceeded", message, status=status, detail=text)
    after = retry_after(headers, text, now=now)
    if status == 429:
        if NO_CREDIT.search(text):
            message = f"HTTP 429: the account has no credit left. {said}"
            return CallFailure("http_429", message, status=status, detail=text)
        advice = f"Retry after {after:g} s." if after is not None else "Lower `requests_per_minute` of the model."
        message = f"HTTP 429: rate limited. {advice} {said}"
        return CallFailure("http_429", message, retry=True, after=after, status=status, detail=text)
    retry = status == 408 or status >= 500
    reason: Reason = "http_404" if status == 404 else "http_5xx" if status >= 500 else "http_other"
    if 300 <= status < 400:
        said = f"It redirects to {headers.get('location', 'nowhere')}, which is not followed; correct `endpoint`."
    message = f"HTTP {status}: {said or 'no explanation'}"
    return CallFailure(reason, message, retry=retry, after=after if retry else None, status=status, detail=text)


def retry_after(headers: Mapping[str, str], text: str = "", *, now: datetime | None = None) -> float | None:
    """Seconds to wait as the server asks, between 0 and `LONGEST_WAIT`; None if it does not say.

    `Retry-After` in seconds or as an HTTP date (RFC 9110 section 10.2.3), `retry-after-ms`, or Google's `retryDelay`.
    """
    said, milliseconds = headers.get("retry-after", ""), headers.get("retry-after-ms", "")
    if NUMBER.fullmatch(milliseconds):
        seconds = float(milliseconds) / 1000
    elif NUMBER.fullmatch(said):
        seconds = float(said)
    else:
        try:
            moment = parsedate_to_datetime(said)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (moment - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, IndexError, TypeError, OverflowError):
            if (found := DELAY.search(text)) is None:
                return None
            seconds = float(found[1])
    return min(max(seconds, 0.0), LONGEST_WAIT)


def excerpt(text: str) -> str:
    """The message inside a JSON error, or the text itself, on one line; not yet fit to be shown."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    return " ".join((_message(data) or text)[:EXCERPT].split())


def _message(data: Any) -> str:
    """What a JSON error says: the shapes of all formats that we know."""
    for _ in range(3):
        if isinstance(data, list) and data:
            data = data[0]
        if isinstance(data, str):
            return data
        if not isinstance(data, dict):
            return ""
        data = data.get("error") or data.get("message") or data.get("detail")
    return data if isinstance(data, str) else ""
