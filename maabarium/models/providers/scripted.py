"""The `scripted` provider: replays answers from a JSON Lines file, read once (docs/providers.md has an example).

`endpoint` of the model is the file, relative to the blueprint. Each question takes the first line that is not used up
and whose `match` (a part of the prompt) and `pattern` (a regular expression on it) fit; one without both fits always.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from maabarium.blueprint.schema import Settings
from maabarium.blueprint.sentences import problem_of
from maabarium.errors import BlueprintError, Problem, ProviderError
from maabarium.models.failures import Reason
from maabarium.models.providers.http_provider import checked_options
from maabarium.plugins.completion import Completion, CompletionRequest, ProviderContext, Usage

__all__ = ["Scripted", "ScriptedOptions"]


class ScriptedOptions(Settings):
    """`[models.models.options]` for `provider = "scripted"`."""

    loop: bool = False
    """Start again when every line is used up."""


class ScriptedUsage(Settings):
    """Tokens that an answer is said to have cost."""

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None


class ScriptedError(Settings):
    """A failure in the place of an answer."""

    reason: Reason
    message: str = "as the script says"
    retry: bool = False
    after: float | None = None


class ScriptedAnswer(Settings):
    """One line of the file."""

    content: str | Mapping[str, Any] | None = None
    """The answer; an object is sent as JSON."""
    error: ScriptedError | None = None
    match: str = ""
    pattern: str = ""
    repeat: bool = False
    """Not used up by being used."""
    usage: ScriptedUsage = ScriptedUsage()
    finish: Literal["stop", "length"] = "stop"


@dataclass(frozen=True)
class Line:
    """One answer, its number in the file and its compiled pattern."""

    number: int
    answer: ScriptedAnswer
    pattern: re.Pattern[str]

    def fits(self, prompt: str) -> bool:
        return self.answer.match in prompt and self.pattern.search(prompt) is not None


class Scripted:
    """Replays one file. Raises BlueprintError when made, with every line that is wrong."""

    key_env = None
    free = True

    def __init__(self, context: ProviderContext) -> None:
        self.name = context.model.provider.strip().lower()
        self.model = context.model
        self.options = checked_options(context.model, ScriptedOptions)
        self._lines = _read(context)
        self._left = list(self._lines)
        self._lock = threading.Lock()

    def complete(self, request: CompletionRequest) -> Completion:
        """The next answer that fits. Raises ProviderError when the script says so, or has none left."""
        prompt = "\n\n".join(one.content for one in request.messages)
        with self._lock:
            line = self._next(prompt)
        if line is None:
            left = f"{len(self._left)} of {len(self._lines)} lines are left, and none fits the prompt"
            raise ProviderError(f"{self.name} ({self.model.name}): no answer: {left}", reason="other")
        answer = line.answer
        if answer.error is not None:
            message = f"{self.name} ({self.model.name}), line {line.number}: {answer.error.message}"
            raise ProviderError(message, **answer.error.model_dump(exclude={"message"}))
        said = answer.content
        content = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, default=dict)
        usage = Usage(answer.usage.prompt, answer.usage.completion, answer.usage.cached)
        return Completion(content, usage, answer.finish, self.model.name)

    def close(self) -> None:
        """Nothing is held."""

    def _next(self, prompt: str) -> Line | None:
        found = next((line for line in self._left if line.fits(prompt)), None)
        if found is None and self.options.loop:
            self._left = list(self._lines)
            found = next((line for line in self._left if line.fits(prompt)), None)
        if found is not None and not found.answer.repeat:
            self._left.remove(found)
        return found


def _read(context: ProviderContext) -> tuple[Line, ...]:
    """Every line that counts. Raises BlueprintError."""
    where = f'models.models["{context.model.name}"].endpoint'
    name = context.model.endpoint
    if not name:
        raise _wrong([Problem(where, "names the JSON Lines file that is replayed; it is empty")])
    try:
        text = (context.folder / Path(name)).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _wrong([Problem(where, f"{name} cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise _wrong([Problem(where, f"{name} is not UTF-8: byte {error.start} cannot be decoded")]) from error
    lines: list[Line] = []
    problems: list[Problem] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        if raw.strip() and not raw.lstrip().startswith("#"):
            parsed = _parsed(number, raw, name)
            lines.append(parsed) if isinstance(parsed, Line) else problems.append(parsed)
    if not lines and not problems:
        problems.append(Problem(where, f"{name} contains no answer; write one JSON object a line"))
    if problems:
        raise _wrong(problems)
    return tuple(lines)


def _parsed(number: int, raw: str, name: str) -> Line | Problem:
    """One line, or what is wrong with it."""
    place = f"{name}:{number}"
    try:
        answer = ScriptedAnswer.model_validate_json(raw)
        pattern = re.compile(answer.pattern, re.DOTALL)
    except re.error as error:
        return Problem(place, f"`pattern` is no regular expression: {error}")
    except ValueError as error:  # pydantic's, which has the findings
        first = next(iter(getattr(error, "errors", list)()), None)
        return Problem(place, str(problem_of(first)).strip() if first else str(error))
    if (answer.content is None) == (answer.error is None):
        return Problem(place, "give exactly one of content and error")
    return Line(number, answer, pattern)


def _wrong(problems: list[Problem]) -> BlueprintError:
    return BlueprintError("the script", problems)
