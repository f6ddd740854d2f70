"""The policy over real sockets: cut, slow, large and compressed answers, closing, and what errors give away."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from typing import Any

import httpx
import pytest
from provider_calls import KEY, context, openai_answer, request

from maabarium.errors import MissingKeyError, ProviderError
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import ProviderContext
from maabarium.secret import Secret

Behaviour = Callable[[BaseHTTPRequestHandler], None]
WHOLE = json.dumps(openai_answer("a word")).encode()


class Loopback:
    """A server on this machine whose next answers a test writes byte by byte."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = lambda handler: send(handler, WHOLE)
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.paths.append(self.path)
                self.asked = self.rfile.read(int(self.headers["Content-Length"]))
                with suppress(BrokenPipeError, ConnectionResetError):
                    outer.behaviour(self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.server.shutdown()
    server.server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def provider(loopback: Loopback, **fields: Any) -> Any:
    given = {"endpoint": loopback.endpoint, "timeout_seconds": 5} | fields
    return PROVIDERS["openai-compat"](context("openai-compat", **given))


def error_of(loopback: Loopback, **fields: Any) -> ProviderError:
    with closing(provider(loopback, **fields)) as made, pytest.raises(ProviderError) as caught:
        made.complete(request())
    assert caught.value.__context__ is None, "an exception of httpx holds the request, and so the key"
    return caught.value


def test_a_whole_answer_arrives_and_connections_are_reused(loopback: Loopback) -> None:
    with closing(provider(loopback)) as made:
        assert [made.complete(request()).content for _ in range(3)] == ["a word"] * 3
    assert loopback.paths == ["/chat/completions"] * 3


def test_a_server_on_this_machine_is_not_asked_through_a_proxy(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with closing(provider(loopback)) as made:
        assert made.complete(request()).content == "a word"


def test_a_body_shorter_than_it_says_is_truncated(loopback: Loopback) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        send(handler, WHOLE[:20], len(WHOLE))
        handler.close_connection = True
        handler.connection.shutdown(SHUT_RDWR)

    loopback.behaviour = cut
    error = error_of(loopback)
    assert (error.reason, error.retry) == ("truncated_stream", True)


def test_a_chunked_body_without_its_end_is_truncated(loopback: Loopback) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE))
        handler.wfile.flush()
        handler.connection.shutdown(SHUT_RDWR)

    loopback.behaviour = cut
    assert error_of(loopback).reason == "truncated_stream"


def test_a_server_that_hangs_up_is_a_failed_connection(loopback: Loopback) -> None:
    loopback.behaviour = lambda handler: handler.connection.shutdown(SHUT_RDWR)
    error = error_of(loopback)
    assert (error.reason, error.retry) == ("connect", True)


def test_nobody_listens() -> None:
    server = Loopback()
    server.server.shutdown()
    server.server.server_close()
    error = error_of(server)
    assert (error.reason, error.retry) == ("connect", True)


def test_a_silent_server_runs_into_the_timeout(loopback: Loopback) -> None:
    done = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        done.wait(30)

    loopback.behaviour = wait
    begun = time.monotonic()
    error = error_of(loopback, timeout_seconds=0.2)
    done.set()
    assert (error.reason, error.retry) == ("timeout", True)
    assert "0.2 s" in str(error)
    assert time.monotonic() - begun < 20


def test_a_trickling_server_runs_into_the_timeout(loopback: Loopback) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(WHOLE)))
        handler.end_headers()
        for byte in WHOLE:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.05)

    loopback.behaviour = trickle
    begun = time.monotonic()
    assert error_of(loopback, timeout_seconds=0.3).reason == "timeout"
    assert time.monotonic() - begun < 0.05 * len(WHOLE)


def test_an_endless_body_is_not_kept(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maabarium.models.providers.connection.LARGEST", 2**20)
    packed = gzip.compress(b" " * 2**22)
    loopback.behaviour = lambda handler: send(handler, packed, Content_Encoding="gzip")
    error = error_of(loopback)
    assert error.reason == "malformed_body"
    assert "larger than 1 MiB" in str(error)


def test_a_compressed_body_is_read_and_a_broken_one_is_malformed(loopback: Loopback) -> None:
    loopback.behaviour = lambda handler: send(handler, gzip.compress(WHOLE), Content_Encoding="gzip")
    with closing(provider(loopback)) as made:
        assert made.complete(request()).content == "a word"
    loopback.behaviour = lambda handler: send(handler, WHOLE, Content_Encoding="gzip")
    assert error_of(loopback).reason == "malformed_body"


def test_a_redirect_is_not_followed(loopback: Loopback) -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", "http://127.0.0.1:9/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    loopback.behaviour = redirect
    error = error_of(loopback)
    assert len(loopback.paths) == 1
    assert "http://127.0.0.1:9/elsewhere" in str(error) and not error.retry


def test_closing_ends_what_is_under_way_at_once(loopback: Loopback) -> None:
    arrived, done = threading.Event(), threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        arrived.set()
        done.wait(60)

    loopback.behaviour = wait
    made = provider(loopback)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(made.complete, request())
        assert arrived.wait(5)
        begun = time.monotonic()
        made.close()
        error = answer.exception(30)
        waited = time.monotonic() - begun
    done.set()
    assert isinstance(error, ProviderError) and not error.retry
    assert "closed" in str(error)
    assert waited < 20
    with pytest.raises(ProviderError, match="closed"):
        made.complete(request())


def test_many_threads_get_their_own_answers(loopback: Loopback) -> None:
    def echo(handler: Any) -> None:
        said = json.loads(handler.asked)["messages"][-1]["content"]
        send(handler, json.dumps(openai_answer(said)).encode())

    loopback.behaviour = echo
    with closing(provider(loopback)) as made, ThreadPoolExecutor(8) as threads:
        texts = [f"text {number}" for number in range(40)]
        assert [one.content for one in threads.map(lambda text: made.complete(request(text)), texts)] == texts


@pytest.mark.parametrize(
    "spelling",
    [
        lambda key: key,
        lambda key: key.replace("/", "\\/"),
        lambda key: key.replace("/", "%2F").replace("+", "%2B"),
        lambda key: f"\x1b[31m{key}\x1b[0m",
        lambda key: f"{key[:8]}\x1b[0m{key[8:]}",
    ],
)
def test_no_spelling_of_the_key_is_shown(spelling: Callable[[str], str]) -> None:
    key = Secret("sk/abc+def/0123456789", "somewhere")
    shown = spelling(key.reveal())
    for text in (shown, json.dumps({"error": {"message": shown}}), "x" * 1100 + shown, "x" * 1190 + shown * 9):
        made = PROVIDERS["openai-compat"](
            ProviderContext(
                context("openai-compat", endpoint="http://a").model,
                key=key,
                transport=httpx.MockTransport(lambda asked, text=text: httpx.Response(400, text=text)),
            )
        )
        with closing(made), pytest.raises(ProviderError) as caught:
            made.complete(request())
        assert len(str(caught.value)) <= 1200
        for part in ("sk/abc", "abc+def", "sk\\/abc", "sk%2Fabc", "0123456789"):
            assert part not in str(caught.value)


@pytest.mark.parametrize("value", ["sk-two words", "sk-line\nInjected: yes", "sk-ключ", "sk-\x00"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(value: str) -> None:
    with pytest.raises(MissingKeyError) as caught:
        PROVIDERS["openai"](context("openai", key=Secret(value, "the keyring")))
    assert "the keyring" in str(caught.value)
    assert value not in str(caught.value)


def test_white_space_around_a_key_is_not_part_of_it() -> None:
    seen: list[str] = []

    def handler(asked: httpx.Request) -> httpx.Response:
        seen.append(asked.headers["authorization"])
        return httpx.Response(200, json=openai_answer("a"))

    with closing(PROVIDERS["openai"](context("openai", handler, key=Secret(f" {KEY.reveal()}\n")))) as made:
        made.complete(request())
    assert seen == [f"Bearer {KEY.reveal()}"]


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
@pytest.mark.parametrize("key", [None, Secret("  ")])
def test_a_missing_key_is_said_before_anything_is_asked(name: str, key: Secret | None) -> None:
    with pytest.raises(MissingKeyError, match=f"maabarium keys set {name}"):
        PROVIDERS[name](context(name, key=key, api_key_env="MY_KEY"))


@pytest.mark.parametrize(
    ("key", "said"),
    [(KEY, "the key is from the environment variable TEST_KEY"), (None, "no key was sent")],
)
def test_a_refused_key_says_where_it_is_from(key: Secret | None, said: str) -> None:
    made = PROVIDERS["openai"](context("openai", lambda asked: httpx.Response(401, text="x" * 5000), key=key))
    with closing(made), pytest.raises(ProviderError, match=said):
        made.complete(request())


def test_a_prompt_with_a_broken_character_is_sent() -> None:
    made = PROVIDERS["ollama"](context("ollama", lambda asked: httpx.Response(200, json={})))
    with closing(made), pytest.raises(ProviderError, match="message is missing"):
        made.complete(request("a lone \ud800"))
