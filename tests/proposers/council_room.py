"""A council at work on one small file, with scripted models behind the real pool."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from proposal_requests import BLUEPRINT, make_request

from maabarium.blueprint.schema import Agents, Blueprint, Model, Models, ProposerOptions
from maabarium.models.pool import ModelPool
from maabarium.models.providers import PROVIDERS
from maabarium.plugins.completion import Answer, CompletionRequest, Purpose
from maabarium.plugins.protocols import ProposalRequest, ProposerContext
from maabarium.proposers.council import Council

LOOP = "    result = 0\n    for value in values:\n        result += value\n    return result\n"
FILES = {"calc.py": f"def total(values):\n{LOOP}".encode()}


def patch(search: str, replacement: str, summary: str = "a change", path: str = "calc.py") -> dict[str, Any]:
    """A reply in the format of blocks."""
    edits = [{"search": search, "replace": replacement}]
    return {"summary": summary, "file_patches": [{"path": path, "operation": "modify", "edits": edits}]}


def says(
    who: str, content: Mapping[str, Any] | str, what: str = "Propose one narrow change", **more: Any
) -> dict[str, Any]:
    """A line of the script: what this agent answers to such a question."""
    return {"match": what, "pattern": rf"You are {who}\b", "content": content, **more}


PROPOSE, CRITICISE, REVISE = "Propose one narrow change", "Other members drafted", "The others have criticised"
RANK, VETO, REPAIR = "Rank these changes", "is about to be evaluated", "This reply cannot be used"


class Room:
    """A council of named agents and its pool."""

    def __init__(
        self,
        folder: Path,
        script: Sequence[Mapping[str, Any]],
        *,
        agents: Sequence[str] = ("ada", "bob", "eve"),
        size: int | None = None,
        rounds: int = 1,
        top: int = 1,
        edit_format: str = "blocks",
        context_tokens: int = 16_384,
        assignment: str = "explicit",
        files: Mapping[str, bytes] = FILES,
        **options: Any,
    ) -> None:
        # The latest question stands last in the prompt, and a conversation holds the earlier ones, too.
        order = [REPAIR, REVISE, VETO, RANK, CRITICISE, PROPOSE]
        lines = sorted(script, key=lambda line: order.index(line["match"]) if line.get("match") in order else 9)
        (folder / "script.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
        model = {
            "name": "m", "provider": "scripted", "endpoint": "script.jsonl", "temperature": 0.2, "max_tokens": 512,
            "edit_format": edit_format, "context_tokens": context_tokens,
        }  # fmt: skip
        members = [{"name": each, "role": "member", "system_prompt": "You work.", "model": "m"} for each in agents]
        self.blueprint: Blueprint = BLUEPRINT.model_copy(
            update={
                "agents": Agents.model_validate(
                    {"council_size": size or len(agents), "debate_rounds": rounds, "agents": members}
                ),
                "models": Models.model_validate({"assignment": assignment, "models": [model]}),
                "proposer": ProposerOptions(kind="council", evaluate_top=top),
            }
        )
        assert self.blueprint.models is not None
        self.pool = ModelPool(
            self.blueprint.models, self.blueprint.budget, PROVIDERS, folder=folder, find_key=lambda model: None
        )
        context = ProposerContext(self.blueprint, folder, options, 1, pool=self.pool)
        self.files = dict(files)
        self.council = Council(context)

    def listen(self) -> list[str]:
        """A list to which the latest question of every call is added."""
        asked: list[str] = []
        ask = self.pool.ask

        def heard(model: Model, request: CompletionRequest, purpose: Purpose) -> Answer:
            asked.append(request.messages[-1].content)
            return ask(model, request, purpose)

        self.pool.ask = heard  # type: ignore[method-assign]
        return asked

    def request(self, number: int = 1, **more: Any) -> ProposalRequest:
        """What the engine would ask."""
        return replace(make_request(self.files, number=number, **more), blueprint=self.blueprint)
