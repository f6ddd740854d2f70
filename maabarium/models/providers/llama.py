"""One GGUF file loaded by llama.cpp into this process, answering one question at a time.

The library is `xllamacpp`; it is imported when a file is loaded. Knows no blueprint and no pool. A process that has
one of these must not fork without exec: the threads of llama.cpp do not survive it.
"""

from __future__ import annotations

import secrets
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maabarium.errors import ProviderError
from maabarium.models.waiting import SLICE

__all__ = ["Llama", "Spoken"]

BATCH = 256
"""Tokens of a prompt between two looks: less is slower, more makes it slower to give up."""


@dataclass
class Spoken:
    """What came of a question. `finish` is empty when the answer was broken off."""

    content: str = ""
    finish: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in one event of the stream."""
        if isinstance(event.get("error"), Mapping):
            self.error = event["error"]
        for choice in event.get("choices") or ():
            self.content += (choice.get("delta") or {}).get("content") or ""
            self.finish = choice.get("finish_reason") or self.finish
        self.usage = event.get("usage") or self.usage


class Llama:
    """A loaded file. It goes when nobody refers to it any more, which gives back its memory and ends its threads (all
    but one, which llama.cpp keeps from the first file to the end of the process).

    It also goes before the interpreter does: a daemon thread that let it go later would end inside llama.cpp.
    """

    def __init__(self, file: Path, n_ctx: int, threads: int) -> None:
        self.file, self.n_ctx, self.threads = file, n_ctx, threads
        self._turn = threading.Lock()
        self._loaded: list[Any] = []
        """The server, once there is one."""
        weakref.finalize(self, self._loaded.clear)  # at exit, too

    def chat(self, question: Mapping[str, Any], seconds: float, given_up: Callable[[], bool]) -> Spoken:
        """Wait for our turn, load the file if nobody did, ask. Breaks off after that time, or when given up.

        The time counts from the beginning of our turn, without loading.
        """
        spoken = Spoken()
        while not self._turn.acquire(timeout=SLICE):
            if given_up():
                return spoken
        try:
            if not self._loaded:
                self._loaded.append(self._load())
            until = time.monotonic() + seconds

            def hear(event: Mapping[str, Any]) -> bool:
                spoken.hear(event)
                return given_up() or time.monotonic() > until

            if not given_up():
                self._loaded[0].handle_chat_completions({**question, "stream": True, "return_progress": True}, hear)
        except (ValueError, RuntimeError) as error:  # what llama.cpp says of a schema or a message it cannot use
            spoken.error = {"message": str(error)}
        finally:
            self._turn.release()
        return spoken

    def _load(self) -> Any:
        """Start the server. It is meant to be asked directly, so its port on this machine is closed by a password."""
        try:
            import xllamacpp
        except ImportError as error:
            raise ProviderError(f"llama.cpp cannot be loaded: {error}; install xllamacpp again") from error
        wish = xllamacpp.CommonParams()
        wish.model.path = str(self.file)
        wish.n_ctx, wish.n_parallel, wish.n_batch, wish.n_ubatch = self.n_ctx, 1, BATCH, BATCH
        wish.cpuparams.n_threads = wish.cpuparams_batch.n_threads = self.threads
        wish.verbosity, wish.warmup, wish.fit_params = -1, False, False
        wish.port, wish.n_threads_http, wish.ui, wish.offline = 0, 1, False, True
        wish.api_keys = [secrets.token_urlsafe(32)]
        wish.cache_ram_mib = 0
        try:
            return xllamacpp.Server(wish)
        except RuntimeError as error:
            raise ProviderError(
                f"llama.cpp cannot load {self.file.name} with {self.n_ctx} tokens of context: is it a whole GGUF file "
                f"of a chat model, and is there memory enough? ({error})"
            ) from error
