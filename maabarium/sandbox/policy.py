"""Policies: WebAssembly modules that may object to a proposal before it costs an evaluation.

Two interfaces, told apart by what a module exports; docs/policies.md has both in full. The built-in policy (`size`)
always holds. Fail closed: a policy that traps, hangs, or answers nonsense objects. Nothing here reads the target.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import Problem, SandboxError
from maabarium.plugins.hook_requests import BlueprintCheck, ProposalCheck
from maabarium.records import FileEdit, Proposal
from maabarium.safe_text import one_line
from maabarium.sandbox.wasm import Signature, WasmInstance, WasmLimits, WasmModule, read_module

__all__ = ["MAX_BYTES", "MAX_FILES", "WasmPolicy", "anchored", "policy_objections", "policy_problems"]

MAX_FILES = 256
MAX_BYTES = 1024 * 1024
"""The limits that `validate` is given: files of a proposal, and bytes of their new contents together."""

BUILT_IN = Path(__file__).with_name("policies") / "size.wasm"
LARGEST_ANSWER = 256 * 1024
MOST_OBJECTIONS = 20

Abi = Literal["validate", "objections"]

VALIDATE: dict[str, Signature] = {"validate": (("i32", "i64", "i32", "i64"), ("i32",))}
OBJECTIONS: dict[str, Signature] = {"alloc": (("i32",), ("i32",)), "objections": (("i32", "i32"), ("i64",))}


@dataclass(frozen=True)
class WasmPolicy:
    """One policy, loaded. `name` is for sentences. Raises SandboxError when the module fits neither interface."""

    name: str
    module: WasmModule
    abi: Abi

    @classmethod
    def load(cls, path: Path, limits: WasmLimits | None = None) -> WasmPolicy:
        """Read and check a policy's file. Raises SandboxError with what is wrong with it."""
        return cls.of(path.name, read_module(path), limits)

    @classmethod
    def of(cls, name: str, data: bytes, limits: WasmLimits | None = None) -> WasmPolicy:
        """The policy of a module's bytes."""
        module = _compiled(data, limits or WasmLimits())
        return cls(name, module, _abi(module))

    def objections(self, blueprint: Blueprint, proposal: Proposal, number: int) -> list[Problem]:
        """What it has against a proposal; what goes wrong inside it is an objection too."""
        try:
            with self.module.instance() as instance:
                if self.abi == "validate":
                    return self._validate(instance, proposal)
                answer = _ask(instance, question(blueprint, proposal, number))
            return self._read(answer)
        except SandboxError as error:
            return [Problem(f"policy {self.name}", f"{error}; a policy that fails objects")]

    def _validate(self, instance: WasmInstance, proposal: Proposal) -> list[Problem]:
        files, size = len(proposal.edits), sum(len(edit.content or b"") for edit in proposal.edits)
        if instance.call("validate", files, size, MAX_FILES, MAX_BYTES):
            return []
        said = f"{files} file{'' if files == 1 else 's'} with {size:,} bytes: not allowed"
        return [Problem(f"policy {self.name}", f"{said} (limits: {MAX_FILES} files, {MAX_BYTES:,} bytes)")]

    def _read(self, answer: bytes) -> list[Problem]:
        """The objections of an answer. Raises SandboxError when it is none."""
        try:
            listed = json.loads(answer.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise SandboxError(f"answered with something that is not JSON ({one_line(str(error), 80)})") from error
        if not isinstance(listed, list):
            raise SandboxError("must answer with a JSON array of objections; `[]` is none")
        found = [self._objection(entry) for entry in listed[:MOST_OBJECTIONS]]
        more = len(listed) - len(found)
        return [*found, Problem(f"policy {self.name}", f"and {more} more objections")] if more else found

    def _objection(self, entry: object) -> Problem:
        path, message = ("", entry) if not isinstance(entry, dict) else (entry.get("path", ""), entry.get("message"))
        if not (isinstance(path, str) and isinstance(message, str) and message.strip()):
            raise SandboxError('must give each objection as a text, or as {"path": …, "message": …}')
        where = f"policy {self.name}" + (f", {one_line(path)}" if path else "")
        return Problem(where, one_line(message))


def policy_objections(request: ProposalCheck) -> list[Problem]:
    """What the built-in policy and those of the blueprint object to; `maabarium_check_proposal` answers this."""
    found = []
    named = [(Path(policy.path).name, Path(policy.path)) for policy in request.blueprint.policy]
    for name, path in [("size (built in)", BUILT_IN), *named]:
        try:
            policy = WasmPolicy.of(name, read_module(path))
            found += policy.objections(request.blueprint, request.proposal, request.experiment.number)
        except SandboxError as error:
            found.append(Problem(f"policy {name}", f"{error}; a policy that fails objects"))
    return found


def policy_problems(request: BlueprintCheck) -> list[Problem]:
    """Policies of a blueprint that cannot be asked; `maabarium_check_blueprint` answers this."""
    found = []
    for index, policy in enumerate(anchored(request.blueprint, request.path.parent).policy):
        try:
            WasmPolicy.load(Path(policy.path))
        except SandboxError as error:
            found.append(Problem(f"policy[{index}].path", f"{Path(policy.path).name} {error}"))
    return found


def anchored(blueprint: Blueprint, folder: Path) -> Blueprint:
    """The blueprint with the paths of its policies absolute: `folder` is where the blueprint's file lies."""
    if not blueprint.policy:
        return blueprint
    policies = tuple(one.model_copy(update={"path": str(folder / one.path)}) for one in blueprint.policy)
    return blueprint.model_copy(update={"policy": policies})


def question(blueprint: Blueprint, proposal: Proposal, number: int) -> bytes:
    """What a policy of the second interface is asked, as JSON in UTF-8."""
    asked = {
        "protocolVersion": 1,
        "blueprint": blueprint.name,
        "number": number,
        "summary": proposal.summary,
        "author": proposal.author,
        "targets": list(blueprint.domain.target_files),
        "protected": list(blueprint.domain.protected),
        "files": [_file(edit) for edit in proposal.edits],
    }
    return json.dumps(asked, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _file(edit: FileEdit) -> dict[str, Any]:
    row: dict[str, Any] = {"path": edit.path, "operation": edit.operation, "executable": edit.mode == 0o100755}
    if edit.content is None:
        return row
    try:
        return row | {"encoding": "utf-8", "content": edit.content.decode("utf-8")}
    except UnicodeDecodeError:
        return row | {"encoding": "base64", "content": base64.b64encode(edit.content).decode("ascii")}


def _ask(instance: WasmInstance, asked: bytes) -> bytes:
    """Hand the question over and fetch the answer; addresses and lengths are unsigned 32-bit numbers."""
    address = instance.call("alloc", len(asked)) & 0xFFFFFFFF
    instance.write(address, asked)
    packed = instance.call("objections", address, len(asked)) & 0xFFFFFFFFFFFFFFFF
    start, length = packed >> 32, packed & 0xFFFFFFFF
    if length > LARGEST_ANSWER:
        raise SandboxError(f"answered with {length:,} bytes; at most {LARGEST_ANSWER:,} are read")
    return instance.read(start, length)


def _abi(module: WasmModule) -> Abi:
    """Which interface a module has. Raises SandboxError when it has none, both, or one that does not fit."""
    offered: list[Abi] = [name for name in ("validate", "objections") if name in module.functions]
    if len(offered) != 1:
        has = "both of them" if offered else "neither"
        raise SandboxError(f"must export either the function validate or the function objections; it exports {has}")
    wanted = VALIDATE if offered[0] == "validate" else OBJECTIONS
    for name, signature in wanted.items():
        given = module.functions.get(name)
        if given != signature:
            said = f"has {_shape(given)}" if given else "has no such function"
            raise SandboxError(f"must export {name}{_shape(signature)}; it {said}")
    if offered[0] == "objections" and "memory" not in module.memories:
        raise SandboxError('must export its memory as "memory"')
    return offered[0]


def _shape(signature: Signature | None) -> str:
    given, back = signature or ((), ())
    return f"({', '.join(given)}) -> {', '.join(back) or 'nothing'}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=16)
def _compiled(data: bytes, limits: WasmLimits) -> WasmModule:
    """Compiling costs milliseconds, asking microseconds."""
    return WasmModule(data, limits)
