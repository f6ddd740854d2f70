"""Test classes for the authors of plug-ins: subclass one, say how the thing is made, and pytest does the rest.

    from maabarium_pytest.conformance import HttpProviderConformance

    class TestMine(HttpProviderConformance):
        def provider(self, transport):
            model = Model(name="mine-1", provider="mine", temperature=0.2, max_tokens=100)
            return MyProvider(ProviderContext(model, key=self.key, transport=transport))

        def answer(self, content):
            return {"choices": [{"message": {"content": content}}]}

Our own providers are held to them, too. What is checked is the contract in `maabarium.plugins.completion`,
nothing of ours that others need not do. No network is needed.
"""

from __future__ import annotations

import copy
import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email.utils import formatdate
from time import time
from typing import Any, get_args

import httpx
import pytest

from maabarium.blueprint.schema import EditFormat
from maabarium.errors import ProviderError
from maabarium.plugins.completion import Completion, CompletionRequest, Message, Provider, facts_of
from maabarium.secret import Secret

__all__ = ["REASONS", "SCHEMA", "HttpProviderConformance", "ProviderConformance"]

REASONS = frozenset({
    "http_404", "http_429", "http_5xx", "http_other", "timeout", "connect", "malformed_body", "empty_content",
    "refused", "truncated_stream", "context_exceeded", "other",
})  # fmt: skip
"""What `ProviderError.reason` may be."""

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 20}, "count": {"type": "integer", "enum": [1, 2, 3]}},
    "required": ["word", "count"],
    "additionalProperties": False,
}
STATUSES = [
    *((status, {"http_other"}, False) for status in (302, 400, 401, 403, 409, 418, 422)),
    (404, {"http_404"}, False),
    (408, {"http_other", "timeout"}, True),
    (413, {"http_other", "context_exceeded"}, False),
    (429, {"http_429"}, True),
    *((status, {"http_5xx"}, True) for status in (500, 502, 503, 504, 529)),
]
"""Status, reasons that say it, and whether the same call may succeed later."""
MALFORMED = [
    b"", b"   ", b"null", b"3", b'"text"', b"[]", b"[{}]", b"{}", b"<html>not an API</html>", b"{", b'{"a": 1,}',
    b"\xff\xfe\x00", b'{"a": "\xe9"}', b"[" * 100_000, b'{"id": "x", "object": "nothing of ours"}',
]  # fmt: skip
Handler = Callable[[httpx.Request], httpx.Response]


class ProviderConformance:
    """What every provider does, however it reaches its model. Override `provider`."""

    key = Secret("sk-conformance-0123456789abcdef", "the conformance class")
    """What `provider` gives to those that want a key."""

    def provider(self, transport: Any) -> Provider:
        """A new provider that answers. `transport` is None, or an httpx transport to be used instead of the network."""
        raise NotImplementedError

    def usual(self) -> Any:
        """The transport behind which the model answers; None where there is none."""
        return None

    def request(self, schema: Mapping[str, Any] | None = None) -> CompletionRequest:
        """What is asked."""
        messages = (Message("system", "You are brief."), Message("user", "Answer with JSON: a word and a count."))
        return CompletionRequest(messages, temperature=0.2, max_tokens=64, schema=schema, seed=7)

    def test_it_has_a_name(self) -> None:
        with closing(self.provider(self.usual())) as provider:
            assert isinstance(provider.name, str) and provider.name.strip() == provider.name != ""

    def test_its_class_declares_what_is_known(self) -> None:
        with closing(self.provider(self.usual())) as provider:
            facts = facts_of(type(provider))
        assert facts.edit_format in get_args(EditFormat) and isinstance(facts.free and facts.needs_key, bool)

    def test_it_answers(self) -> None:
        with closing(self.provider(self.usual())) as provider:
            check_completion(provider.complete(self.request()))

    def test_it_holds_to_a_schema(self) -> None:
        with closing(self.provider(self.usual())) as provider:
            said = json.loads(provider.complete(self.request(SCHEMA)).content)
        assert set(said) == {"word", "count"}, "the reply does not satisfy the schema of the request"

    def test_it_takes_a_whole_conversation(self) -> None:
        turns = (Message("assistant", "{}"), Message("user", "Once more, with both keys."))
        asked = self.request()
        longer = CompletionRequest((*asked.messages, *turns), temperature=0.0, max_tokens=64)
        with closing(self.provider(self.usual())) as provider:
            check_completion(provider.complete(longer))

    def test_it_may_be_asked_by_several_threads(self) -> None:
        with closing(self.provider(self.usual())) as provider, ThreadPoolExecutor(4) as threads:
            for answer in threads.map(provider.complete, [self.request()] * 8):
                check_completion(answer)

    def test_it_may_be_closed_twice_and_unused(self) -> None:
        provider = self.provider(self.usual())
        provider.close()
        provider.close()


class HttpProviderConformance(ProviderConformance):
    """What a provider does that speaks HTTP through httpx. Override `provider` and `answer`."""

    def answer(self, content: str) -> Mapping[str, Any]:
        """The JSON that the server sends with status 200 when the model says `content`."""
        raise NotImplementedError

    def usual(self) -> Any:
        return httpx.MockTransport(lambda request: httpx.Response(200, json=self.answer('{"word": "a", "count": 1}')))

    def failure(self, handler: Handler, schema: Mapping[str, Any] | None = None) -> ProviderError:
        """The error that a server of this kind leads to, which shows no key."""
        with closing(self.provider(httpx.MockTransport(handler))) as provider, pytest.raises(ProviderError) as caught:
            provider.complete(self.request(schema))
        error = caught.value
        assert error.reason in REASONS, f"{error.reason!r} is none of the reasons"
        assert str(error).strip(), "the error says nothing"
        assert len(str(error)) <= 1200, "the error is longer than 1200 characters"
        assert error.after is None or 0 <= error.after <= 30, "a wait is between 0 and 30 seconds"
        check_secrecy(error, self.key)
        return error

    def test_content_comes_back_as_it_was(self) -> None:
        said = "  def f():\n\treturn 'näïve ✓ \U0001f600 \\n \"quoted\"'\n\n"
        transport = httpx.MockTransport(lambda request: httpx.Response(200, json=self.answer(said)))
        with closing(self.provider(transport)) as provider:
            assert provider.complete(self.request()).content == said

    def test_the_request_is_as_asked_and_shows_the_key_in_headers_only(self) -> None:
        seen: list[httpx.Request] = []

        def handler(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, json=self.answer("yes"))

        with closing(self.provider(httpx.MockTransport(handler))) as provider:
            provider.complete(self.request())
        assert len(seen) == 1, "a provider asks once; waiting and asking again is not its work"
        (request,) = seen
        text = request.read().decode()
        assert "You are brief." in text and "a word and a count" in text, "a message was lost"
        assert "64" in text, "max_tokens was not sent"
        secret = self.key.reveal()
        assert secret not in str(request.url) and secret not in text, "the key is only for headers"

    @pytest.mark.parametrize(("status", "reasons", "retry"), STATUSES, ids=[str(one[0]) for one in STATUSES])
    def test_a_status_is_an_error_with_its_reason(self, status: int, reasons: set[str], retry: bool) -> None:
        error = self.failure(lambda request: httpx.Response(status, json={"error": {"message": "no such luck"}}))
        assert error.reason in reasons
        assert error.retry is retry
        assert str(status) in str(error), "the status is not said"
        assert "no such luck" in str(error) or status == 302, "what the server says is not passed on"

    @pytest.mark.parametrize(
        ("value", "low", "high"),
        [("7", 7, 7), ("0", 0, 0), ("86400", 30, 30), ("soon", None, None), ("-5", None, None), ("DATE", 5, 20)],
    )
    def test_a_server_says_when_to_ask_again(self, value: str, low: float | None, high: float | None) -> None:
        told = value.replace("DATE", formatdate(time() + 20, usegmt=True))
        error = self.failure(lambda request: httpx.Response(429, headers={"Retry-After": told}))
        assert error.retry
        if low is None or high is None:
            assert error.after is None
        else:
            assert error.after is not None and low <= error.after <= high

    @pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
    def test_a_body_that_is_no_answer_is_an_error(self, body: bytes) -> None:
        assert self.failure(lambda request: httpx.Response(200, content=body)).reason in ("malformed_body", "other")

    def test_a_body_of_any_other_shape_is_an_answer_or_an_error(self) -> None:
        for body in misshapen(self.answer("a word")):
            raw = json.dumps(body).encode()
            transport = httpx.MockTransport(lambda request, raw=raw: httpx.Response(200, content=raw))
            with closing(self.provider(transport)) as provider:
                try:
                    check_completion(provider.complete(self.request()))
                except ProviderError as error:
                    assert error.reason in REASONS

    @pytest.mark.parametrize("content", ["", "   ", "\n\t\n"])
    def test_an_empty_answer_is_an_error(self, content: str) -> None:
        error = self.failure(lambda request: httpx.Response(200, json=self.answer(content)))
        assert error.reason == "empty_content"

    @pytest.mark.parametrize(
        ("kind", "reasons"),
        [
            (httpx.ConnectError, {"connect"}),
            (httpx.ConnectTimeout, {"connect", "timeout"}),
            (httpx.ReadTimeout, {"timeout"}),
            (httpx.WriteTimeout, {"timeout"}),
            (httpx.ReadError, {"connect", "truncated_stream"}),
            (httpx.RemoteProtocolError, {"connect", "truncated_stream"}),
        ],
    )
    def test_a_broken_connection_may_be_asked_again(self, kind: type[httpx.TransportError], reasons: set[str]) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            raise kind(f"broken: {dict(request.headers)}", request=request)

        error = self.failure(handler)
        assert error.reason in reasons
        assert error.retry

    def test_a_cut_body_is_an_error(self) -> None:
        whole = json.dumps(self.answer("a word")).encode()
        error = self.failure(lambda request: httpx.Response(200, stream=CutStream(whole[: len(whole) // 2])))
        assert (error.reason, error.retry) == ("truncated_stream", True)

    @pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
    def test_an_echo_of_the_request_shows_no_key(self, status: int) -> None:
        def echo(request: httpx.Request) -> httpx.Response:
            seen = dict(request.headers.items())
            return httpx.Response(status, text=f"your request was {json.dumps(seen)} {seen}" * 40)

        self.failure(echo)


class CutStream(httpx.SyncByteStream):
    """A body that ends before it is over."""

    def __init__(self, part: bytes) -> None:
        self.part = part

    def __iter__(self) -> Iterator[bytes]:
        yield self.part
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def check_completion(completion: Completion) -> None:
    """Everything that is promised of an answer."""
    assert isinstance(completion.content, str) and completion.content.strip(), "an empty answer is an error instead"
    assert completion.finish in ("stop", "length")
    assert isinstance(completion.model, str)
    usage = completion.usage
    for tokens in (usage.prompt, usage.completion, usage.cached):
        assert tokens is None or (type(tokens) is int and tokens >= 0), "a count is a number or None"
    (completion.content + completion.model).encode("utf-8")  # no lone surrogates, which nothing can store


def check_secrecy(error: BaseException, key: Secret) -> None:
    """That neither an error nor what it carries along shows the key."""
    shown = "".join(traceback.format_exception(error))
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None:
            shown += f"{one!r} {one.args!r} {vars(one)!r}"
            request = getattr(one, "_request", None)
            shown += "" if request is None else repr(request.headers.raw)
            waiting += [one.__cause__, one.__context__]
    assert key.reveal() not in shown, "the error shows the key"
    assert key.reveal()[:20] not in shown, "the error shows most of the key"


def misshapen(body: Mapping[str, Any]) -> Iterator[Any]:
    """The body with each of its values replaced by others in turn, and taken away."""
    for path in list(_paths(body)):
        values: tuple[Any, ...] = (None, 3, -1, True, "x", "", [], {}, [[]], [None], {"x": None}, "\ud800")
        for value in values:
            changed = copy.deepcopy(dict(body))
            _parent(changed, path)[path[-1]] = value
            yield changed
        changed = copy.deepcopy(dict(body))
        del _parent(changed, path)[path[-1]]
        yield changed


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield (*before, name)
        yield from _paths(one, (*before, name))


def _parent(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value
