"""What models answered, kept in a file and read back: a run can be repeated without them.

JSON Lines: a head, then one line for each question, found again by its purpose. The questions themselves are not
kept, only their digests, and no key. Knows no provider and no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maabarium.blueprint.schema import Model
from maabarium.errors import BudgetError, MissingKeyError, ProviderError, UsageProblem
from maabarium.plugins.completion import Answer, Completion, CompletionRequest, Purpose, Usage
from maabarium.records import Call
from maabarium.secret import Secret, redacted

__all__ = ["Recorder", "Recording", "digest_of", "purpose_text"]

VERSION = 1
HEAD = {"maabarium": "recording", "version": VERSION}
ERRORS = {kind.__name__: kind for kind in (ProviderError, MissingKeyError, BudgetError)}


def digest_of(model: Model, request: CompletionRequest) -> str:
    """SHA-256 of everything that is asked, and of whom."""
    asked = {
        "provider": model.provider,
        "model": model.name,
        "messages": [(message.role, message.content) for message in request.messages],
        "limits": (request.temperature, request.max_tokens, request.seed),
        "schema": request.schema and (request.schema_name, request.schema),
    }
    text = json.dumps(
        asked, sort_keys=True, default=lambda each: dict(each) if isinstance(each, Mapping) else repr(each),
        separators=(",", ":"),
    )  # fmt: skip
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def purpose_text(purpose: Purpose) -> str:
    """A purpose in words: `experiment 4, coder, critique, round 1`."""
    parts = [f"experiment {purpose.number}", purpose.agent, purpose.kind, f"round {purpose.round}"]
    return ", ".join(parts + [f"attempt {purpose.attempt}"] * bool(purpose.attempt))


class Recorder:
    """Appends answers to a file, one whole line at a time: a run that is killed keeps what it has."""

    def __init__(self, path: Path) -> None:
        """The file is made with the first answer. UsageProblem if there is one that is no recording."""
        if path.exists():
            _lines(path, empty=True)
        self._path = path
        self._file: int | None = None
        self._lock = threading.Lock()
        self._stopped = ""

    def keep(
        self, purpose: Purpose, digest: str, outcome: Answer | ProviderError, secrets: Sequence[Secret | None] = ()
    ) -> None:
        """Write one answer or failure. A disk that refuses ends the recording, not the run."""
        line = {**asdict(purpose), "request": digest, **_written(outcome)}
        with self._lock:
            if self._stopped:
                return
            try:
                if self._file is None:
                    self._file = _opened(self._path)
                _write(self._file, _without(line, secrets))
            except OSError as error:
                self._stopped = f"the recording {self._path} stops at {purpose_text(purpose)}: {error.strerror}"

    def notes(self) -> tuple[str, ...]:
        """Whether it is whole, in one sentence if not."""
        return (self._stopped,) if self._stopped else ()

    def close(self) -> None:
        """Close the file; an answer that comes later opens it again."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None


def _opened(path: Path) -> int:
    """The file at its end. A line that a kill cut short is dropped: its question will be asked again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(file, whole)
    if not whole:
        _write(file, HEAD)
    return file


def _write(file: int, line: dict[str, Any]) -> None:
    rest = json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
    while rest:
        rest = rest[os.write(file, rest) :]


def _written(outcome: Answer | ProviderError) -> dict[str, Any]:
    calls = [call.model_dump(mode="json") for call in outcome.calls]
    if isinstance(outcome, Answer):
        return {"completion": asdict(outcome.completion), "calls": calls}
    kind = type(outcome).__name__ if type(outcome).__name__ in ERRORS else "ProviderError"
    error = {"kind": kind, "message": str(outcome), "reason": outcome.reason, "retry": outcome.retry}
    return {"error": {**error, "after": outcome.after}, "calls": calls}


def _without(value: Any, secrets: Sequence[Secret | None]) -> Any:
    """The same without the secrets in any text."""
    if isinstance(value, str):
        return redacted(value, *secrets)
    if isinstance(value, dict):
        return {key: _without(item, secrets) for key, item in value.items()}
    return [_without(item, secrets) for item in value] if isinstance(value, list) else value


class Recording:
    """A recorded run, read. Where a purpose was recorded twice (a resumed run), the last one counts."""

    def __init__(self, path: Path) -> None:
        """Raises UsageProblem if this is no recording."""
        self._path = path
        self._answers: dict[Purpose, tuple[str, Answer | ProviderError]] = {}
        self._lock = threading.Lock()
        self._asked, self._differing = 0, list[str]()
        for number, line in enumerate(_lines(path), start=2):
            try:
                purpose, digest, outcome = _read(line)
            except (ValueError, KeyError, TypeError) as error:
                raise UsageProblem(f"line {number} of the recording {path} cannot be read: {error}") from error
            self._answers[purpose] = digest, outcome

    def outcome(self, purpose: Purpose, digest: str) -> Answer | ProviderError:
        """What was answered or raised then. Raises ProviderError if this was never asked."""
        found = self._answers.get(purpose)
        if found is None:
            raise ProviderError(
                f"the recording {self._path.name} has no answer for {purpose_text(purpose)}; the run that was "
                "recorded did not ask that, so blueprint, target and seed must be those of then",
                reason="not_recorded",
            )
        recorded, outcome = found
        with self._lock:
            self._asked += 1
            if recorded != digest:
                self._differing.append(purpose_text(purpose))
        if isinstance(outcome, Answer):
            return outcome
        return outcome.restated(str(outcome), outcome.calls)  # a new one: an exception remembers where it was raised

    def notes(self) -> tuple[str, ...]:
        """Which questions were not those of the recording, in one sentence."""
        with self._lock:
            if not self._differing:
                return ()
            shown = "; ".join(self._differing[:3]) + "; …" * (len(self._differing) > 3)
            return (
                f"{len(self._differing)} of {self._asked} questions differ from the recorded ones and were given the "
                f"recorded answers all the same: {shown}",
            )


def _lines(path: Path, *, empty: bool = False) -> list[bytes]:
    """All whole lines behind the head, which only an `empty` file may lack."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise UsageProblem(f"the recording {path} cannot be read: {error.strerror}") from error
    try:
        head = json.loads(lines[0]) if lines else None
    except ValueError:
        head = None
    if head != HEAD and not (empty and path.stat().st_size == 0):
        raise UsageProblem(f"{path} is no recording that this version can read; name another file")
    return lines[1:]


def _read(line: bytes) -> tuple[Purpose, str, Answer | ProviderError]:
    data = json.loads(line)
    purpose = Purpose(data["number"], data["agent"], data["kind"], data["round"], data["attempt"])
    calls = tuple(Call.model_validate(call) for call in data["calls"])
    if "error" in data:
        error = data["error"]
        kind, message = ERRORS[error.pop("kind")], error.pop("message")
        return purpose, data["request"], kind(message, **error, calls=calls)
    found = data["completion"]
    completion = Completion(found["content"], Usage(**found["usage"]), found["finish"], found["model"])
    return purpose, data["request"], Answer(completion, calls)
