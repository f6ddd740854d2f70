"""What a status, its headers and its text mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.models.failures import REASONS, excerpt, failure_of_status, retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({}, "", None),
        ({"retry-after": "3"}, "", 3.0),
        ({"retry-after": " 2.5 "}, "", 2.5),
        ({"retry-after": "120"}, "", 30.0),
        ({"retry-after": "99999999999999"}, "", None),
        ({"retry-after": "-1"}, "", None),
        ({"retry-after": "١"}, "", None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:08 GMT"}, "", 8.0),
        ({"retry-after": "Sat, 21 Nov 2026 13:00:08 GMT"}, "", 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:08 GMT"}, "", 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:08 -0000"}, "", 8.0),
        ({"retry-after": "Sat, 99 Foo 2026"}, "", None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5),
        ({}, '{"error": {"details": [{"retryDelay": "17s"}]}}', 17.0),
        ({}, '{"retryDelay": "0.25s"}', 0.25),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], text: str, seconds: float | None) -> None:
    assert retry_after(headers, text, now=NOW) == seconds


@given(st.text(max_size=60))
def test_any_header_gives_a_sane_wait(value: str) -> None:
    seconds = retry_after({"retry-after": value}, now=NOW)
    assert seconds is None or 0 <= seconds <= 30


@given(st.integers(300, 599), st.text(max_size=80))
def test_any_status_gives_a_known_reason(status: int, text: str) -> None:
    failure = failure_of_status(status, {}, text)
    assert failure.reason in REASONS
    assert str(status) in failure.message
    assert failure.status == status


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
        (400, '{"error": {"code": "context_length_exceeded", "message": "too much"}}'),
        (400, '{"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}}'),
        (400, '{"error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000"}}'),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, '{"error": "the input length exceeds the context length"}'),
        (413, '{"error": {"message": "Please reduce the length of the messages or completion."}}'),
        (413, "request too large"),
    ],
)
def test_a_prompt_that_does_not_fit_is_recognised(status: int, text: str) -> None:
    failure = failure_of_status(status, {}, text)
    assert (failure.reason, failure.retry) == ("context_exceeded", False)
    assert "context_tokens" in failure.message


@pytest.mark.parametrize("text", ["max_tokens is too large", "the context is fine", "unknown field context_window"])
def test_other_refusals_are_not_taken_for_that(text: str) -> None:
    assert failure_of_status(400, {}, text).reason == "http_other"


def test_an_account_without_credit_is_not_asked_again() -> None:
    failure = failure_of_status(429, {}, '{"error": {"code": "insufficient_quota", "message": "check your plan"}}')
    assert (failure.reason, failure.retry) == ("http_429", False)


def test_a_rate_limit_gives_advice() -> None:
    assert "Retry after 4 s" in failure_of_status(429, {"retry-after": "4"}, "").message
    assert "requests_per_minute" in failure_of_status(429, {}, "").message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"error": {"message": "no\\n such  model"}}', "no such model"),
        ('{"error": "model not found"}', "model not found"),
        ('{"message": "nope"}', "nope"),
        ('{"detail": [{"loc": ["body"], "message": "bad field"}]}', "bad field"),
        ('[{"error": {"message": "in a list"}}]', "in a list"),
        ('{"error": {}}', '{"error": {}}'),
        ("<html>\n<b>down</b>", "<html> <b>down</b>"),
        ("[" * 100_000, "[" * 65_536),
    ],
)
def test_the_words_of_a_server_are_found(text: str, said: str) -> None:
    assert excerpt(text) == said
