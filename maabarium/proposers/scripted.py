"""The `scripted` proposer: replays a JSON Lines file, one proposal a line, in the original's shape.

Proposal n is the n-th line that is neither blank nor a comment (`#`), so a resumed run repeats itself. The
file is read once, when the proposer is made. `docs/proposers.md` has an example.
"""

from __future__ import annotations

import base64
import binascii
import json

from pydantic import Field, ValidationError, model_validator

from maabarium.blueprint.schema import Settings
from maabarium.code.diffs import apply_diff, parse_diff
from maabarium.errors import BlueprintError, Problem, ProposalError
from maabarium.plugins.protocols import ProposalRequest, ProposerContext, TreeView
from maabarium.records import FileEdit, FileMode, Operation, Origin, Proposal

__all__ = ["ScriptedProposer", "ScriptedProposerOptions"]


class ScriptedProposerOptions(Settings):
    """Keys of `[proposer]` for `kind = "scripted"`."""

    path: str = Field(min_length=1)
    """The JSON Lines file, relative to the blueprint's folder."""
    loop: bool = False
    """Start again after the last line instead of being exhausted."""


class FilePatch(Settings):
    """What happens to one file: the whole new content, or a unified diff of it."""

    path: str = Field(min_length=1)
    operation: Operation
    content: str | None = None
    content_base64: str | None = None
    unified_diff: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> FilePatch:
        given = {name for name in ("content", "content_base64", "unified_diff") if getattr(self, name) is not None}
        if self.operation == "delete" and given - {"unified_diff"}:
            raise ValueError("a deletion has no content")
        if self.operation != "delete" and len(given) != 1:
            raise ValueError("give exactly one of content, content_base64 and unified_diff")
        return self


class ScriptedProposal(Settings):
    """One line of the file."""

    summary: str = Field(min_length=1)
    file_patches: tuple[FilePatch, ...]
    author: str = ""


class ScriptedProposer:
    """Replays the file of its options. Raises BlueprintError when made, if the file cannot be read."""

    needs_models = False

    def __init__(self, context: ProposerContext) -> None:
        self.options = ScriptedProposerOptions.model_validate(dict(context.options))
        try:
            text = (context.folder / self.options.path).read_bytes().decode("utf-8-sig")
            problem = "contains no proposal; write one JSON object a line"
        except OSError as error:
            text, problem = "", f"cannot be read: {error.strerror or error}"
        except UnicodeDecodeError as error:
            text, problem = "", f"is not UTF-8: byte {error.start} cannot be decoded"
        numbered = ((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1))
        self.lines = tuple((number, line) for number, line in numbered if line and not line.startswith("#"))
        """Every line that counts, with its number in the file."""
        if not self.lines:
            named = Problem("proposer.path", f"{self.options.path} {problem}")
            raise BlueprintError(context.blueprint.name, [named])

    def propose(self, request: ProposalRequest) -> Proposal | None:
        """The proposal of line `request.number`; None behind the last. Raises ProposalError for a bad line."""
        index = request.number - 1
        if self.options.loop:
            index %= len(self.lines)
        if index >= len(self.lines):
            return None
        number, line = self.lines[index]
        where = f"{self.options.path} line {number}"
        parsed = _parse(line, where)
        try:
            edits = tuple(_edit(patch, request.files) for patch in parsed.file_patches)
        except ProposalError as error:
            raise ProposalError(error.reason_code, f"{where}: {error}") from error
        origin = Origin(agent="scripted", site=f"line {number}")
        return Proposal(summary=parsed.summary, edits=edits, author=parsed.author or "scripted", origin=origin)


def _parse(text: str, where: str) -> ScriptedProposal:
    try:
        parsed = ScriptedProposal.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise ProposalError("unparseable", f"{where} is not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise ProposalError("unparseable", f"{where} is not JSON: nested too deep") from error
    except ValidationError as error:
        raise ProposalError("unparseable", f"{where} is not a proposal: {_sentence(error)}") from error
    paths = [patch.path for patch in parsed.file_patches]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise ProposalError("unparseable", f"{where} changes {twice} twice; put both changes in one patch")
    return parsed


def _sentence(error: ValidationError) -> str:
    """What is wrong, with its place, for at most three problems."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}".lstrip(": ") for each in problems[:3]]
    return "; ".join(shown) + ("; and more" if len(problems) > 3 else "")


def _edit(patch: FilePatch, files: TreeView) -> FileEdit:
    """The edit with the whole final content. Whether the path may be touched is for the path rules to say."""
    mode: FileMode | None = None
    content: bytes | None = None
    if patch.unified_diff is not None:
        diff = parse_diff(patch.unified_diff)
        before = _before(patch, files)
        try:
            content, mode = apply_diff(diff, before), diff.mode
        except ProposalError as error:
            raise ProposalError(error.reason_code, f"{patch.path}: {error}") from error
        if patch.operation == "delete":
            if content:
                raise ProposalError("does_not_apply", f"{patch.path}: the diff of a deletion must remove every line")
            content, mode = None, None
    elif patch.content_base64 is not None:
        try:
            content = base64.b64decode(patch.content_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ProposalError("unparseable", f"{patch.path}: content_base64 is not base64: {error}") from error
    elif patch.content is not None:
        try:
            content = patch.content.encode("utf-8")
        except UnicodeEncodeError as error:
            problem = f"{patch.path}: the content is not valid text; give it as content_base64"
            raise ProposalError("unparseable", problem) from error
    return FileEdit(path=patch.path, operation=patch.operation, content=content, mode=mode)


def _before(patch: FilePatch, files: TreeView) -> bytes:
    """What the diff is applied to: nothing for a new file."""
    try:
        before = files.read(patch.path)
    except KeyError as error:
        if patch.operation == "create":
            return b""
        raise ProposalError("does_not_apply", f"there is no file {patch.path} to {patch.operation}") from error
    if patch.operation == "create":
        raise ProposalError("does_not_apply", f"{patch.path} exists already and cannot be created")
    return before
