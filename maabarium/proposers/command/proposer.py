"""The proposer: one call is one session of the agent in its own copy, and what it left there is the proposal.

Everything that the agent printed is its word and nothing more: only its files count, and only those that may change.
Starts processes through the sandbox that it is handed, and no other way.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from maabarium.blueprint.schema import Blueprint
from maabarium.errors import BlueprintError, Problem, ProposalError, ProviderError, SandboxError, WorkspaceError
from maabarium.folders import discard
from maabarium.plugins.processes import Command, Completed
from maabarium.plugins.protocols import ContextRequest, ProposalRequest, ProposerContext, TreeView
from maabarium.proposers.command.options import CommandOptions, agent_of, installation
from maabarium.proposers.command.report import COST, TOKENS, AgentBudget, AgentReport, kept, last_line, read_report
from maabarium.proposers.command.task import task_text, words_of
from maabarium.proposers.command.tree_copy import TreeCopy, changes_of
from maabarium.proposers.council.context import SourceFiles, pack
from maabarium.proposers.council.feedback import DIGEST, advice_on, edits_digest
from maabarium.proposers.prompt_scanner import PromptScanner
from maabarium.proposers.proposal_log import ProposalLog
from maabarium.records import Call, FileEdit, Origin, Proposal
from maabarium.safe_text import one_line
from maabarium.secret import Secret, redacted

__all__ = ["CommandProposer"]

PROVIDER = "command"
MOST_NAMED = 10


class CommandProposer:
    """Proposes what a coding agent makes of a copy of the champion. See the options for what can be set."""

    needs_models = False

    @staticmethod
    def describe(blueprint: Blueprint) -> str:
        """The agent: its template, or its command."""
        own = blueprint.proposer.own
        return str(own.get("template") or " ".join(map(str, own.get("command", ())))[:60])

    @staticmethod
    def blueprint_problems(blueprint: Blueprint, folder: Path) -> list[Problem]:
        """What is wrong with its options, or that the agent is not there."""
        try:
            agent_of(CommandOptions.of(blueprint.proposer.own, ""), folder, "")
        except BlueprintError as error:
            return list(error.problems)
        return []

    def __init__(self, context: ProposerContext) -> None:
        source = f"{context.blueprint.name}: [proposer]"
        self.blueprint, self.folder = context.blueprint, context.folder
        self.options = CommandOptions.of(context.options, source)
        self.agent = agent_of(self.options, context.folder, source)
        if context.sandbox is None:
            problem = Problem("proposer.kind", "command needs a sandbox, and none is offered here")
            raise BlueprintError(source, [problem])
        try:
            self.sandbox = context.sandbox(self.options.sandbox(context.folder))
        except SandboxError as error:
            problem = Problem("proposer.level", str(error).replace("[sandbox]", "[proposer]"))
            raise BlueprintError(source, [problem]) from error
        self.scanner = PromptScanner(self.options, self.blueprint, source)
        self._sections = context.sections
        self._budget = AgentBudget(self.blueprint.budget)

    def notes(self, files: TreeView, targets: Sequence[str]) -> list[str]:
        """What the user should know of the agent's surroundings."""
        found = list(self.scanner.notes)
        name, wanted, passed = self.agent.name, self.agent.template.keys, self.options.pass_env
        if self.sandbox.level == "trusted":
            found.append(f"{name} runs at the level trusted: nothing keeps it from your files or the network")
        if wanted and not any(key in (*passed, *self.options.env) for key in wanted):
            found.append(f"{name} gets no key; [proposer] pass_env names {' or '.join(wanted)}")
        return [*found, *(f"{key} of [proposer] pass_env is not set" for key in passed if key not in os.environ)]

    def propose(self, request: ProposalRequest) -> Proposal:
        """One session. ProposalError and ProviderError carry what was asked and written, too."""
        self._budget.check(request.history)
        log = ProposalLog()
        try:
            place = Path(tempfile.mkdtemp(prefix="maabarium-agent-")).resolve()
        except OSError as error:
            raise WorkspaceError(f"no temporary folder can be made for the agent: {error}") from error
        try:
            return self._session(request, log, place)
        except (ProposalError, ProviderError) as error:
            raise log.attached_to(error) from error.__cause__
        finally:
            discard(place)

    def _session(self, request: ProposalRequest, log: ProposalLog, place: Path) -> Proposal:
        work, task = place / "work", place / "task" / "prompt.md"
        library = SourceFiles(request.files, self.blueprint)
        try:
            work.mkdir()
            task.parent.mkdir()
            copy = TreeCopy.write(request.files, work, library.hidden)
            advice, tokens = advice_on(request.history, 1, request.seed), self.options.context_tokens
            sections = self._sections(ContextRequest(request, tokens))
            packed = pack(request, tokens=tokens, sections=sections, advice=advice, library=library)
            text = task_text(request, self.scanner.context(packed, log), work, advice.note)
            task.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise WorkspaceError(f"the copy for the agent cannot be written: {error}") from error
        started = time.monotonic()
        completed = self.sandbox.run(self._command(request, work, task, text))
        answer = self._heard(completed, log, time.monotonic() - started)
        most, ignored = self.options.max_changed_bytes, library.ignored
        edits, dropped = changes_of(copy, request, most_bytes=most, ignored=ignored)
        return self._proposal(edits, dropped, answer, log)

    def _command(self, request: ProposalRequest, work: Path, task: Path, text: str) -> Command:
        """The process: its words, its own folder and task, its installation, and what the blueprint names."""
        quiet = {"NO_COLOR": "1", "TERM": "dumb", "CI": "1"}  # for agents that would draw, ask or animate
        confined = self.sandbox.level != "trusted"
        words, named = words_of(
            self.agent, self.options, self.folder,
            work=work, file=task, text=text, targets=request.targets, confined=confined,
        )  # fmt: skip
        return Command(
            argv=words,
            cwd=work,
            env={**quiet, **self.agent.template.env, **self.options.env},
            timeout=self.options.timeout_seconds,
            writable=(work,),
            readable=(task.parent, *installation(self.agent.program), *named),
        )

    def _heard(self, completed: Completed, log: ProposalLog, seconds: float) -> AgentReport:
        """Put output, time and cost into the log."""
        secrets = self._secrets()  # twice: what is made plain may bring together what was apart
        answer = read_report(redacted(completed.output, *secrets))
        answer = replace(answer, summary=redacted(answer.summary, *secrets))
        text = redacted(kept(completed.output), *secrets)
        failure = self._failure(completed, text)
        call = Call(
            agent=self.agent.name,
            provider=PROVIDER,
            model=f"{self.agent.name}/{self.options.model}" if self.options.model else self.agent.name,
            kind="propose",
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            cached_tokens=answer.cached_tokens,
            cost=answer.cost,
            latency_ms=round(seconds * 1000),
            error=str(failure or ""),
        )
        log.add_calls([call])
        self._budget.count(call)
        if text:
            log.add_draft(self.agent.name, "reply", text)
        if failure is not None:
            raise failure
        self.scanner.reply(text, log)
        return answer

    def _failure(self, completed: Completed, text: str) -> ProposalError | ProviderError | None:
        """Why nothing of a session counts: it took more than it may (its fault), or could not work (not the idea's)."""
        name, options = self.agent.name, self.options
        if completed.interrupted:
            return ProviderError(f"{name} was interrupted", reason="interrupted")
        if completed.timed_out:
            said = f"{name} did not finish within {options.timeout_seconds:g} s and was ended"
            return ProposalError("timeout", f"{said}; raise proposer.timeout_seconds if it needs longer")
        if completed.flooded:
            return ProposalError("output_flood", f"{name} printed more than {options.output_mb:g} MB and was ended")
        if completed.returncode == 0:
            return None
        told = f": {one_line(last_line(text))}" if text else ""
        if completed.out_of_memory:
            return ProposalError("out_of_memory", f"{name} was killed, probably for what it used{told}")
        return ProviderError(f"{name} ended with {completed.ending}{told}")

    def _proposal(
        self, edits: Sequence[FileEdit], dropped: Sequence[str], answer: AgentReport, log: ProposalLog
    ) -> Proposal:
        """What is left of the changes within the bounds. Raises ProposalError when that is nothing, or too much."""
        if dropped:
            listed = redacted(", ".join(dropped[:MOST_NAMED]), *self._secrets())
            more = f" and {len(dropped) - MOST_NAMED} more" if len(dropped) > MOST_NAMED else ""
            said = f"changes outside the target files: {listed}{more}"
            log.add_draft("bounds", "finding", f"left out, {said}")
            if self.options.outside == "refuse" or not edits:
                raise ProposalError("out_of_bounds", f"{self.agent.name} made {said}")
        if not edits:
            raise ProposalError("no_effect", f"{self.agent.name} changed no file")
        self._keep_keys_in(edits)
        call = log.calls[-1]
        spent = {TOKENS: (call.prompt_tokens or 0) + (call.completion_tokens or 0), COST: call.cost or 0.0}
        return Proposal(
            summary=answer.summary or _described(edits),
            edits=tuple(edits),
            author=self.agent.name,
            origin=Origin(agent=self.agent.name, arm=self.options.model, operator=PROVIDER),
            data={DIGEST: edits_digest(edits), "left_out": len(dropped), **spent},
            drafts=log.drafts,
            calls=log.calls,
        )

    def _keep_keys_in(self, edits: Sequence[FileEdit]) -> None:
        """A key that the agent was given must not become part of a commit."""
        for secret in self._secrets():
            value = secret.reveal().encode("utf-8", "surrogateescape")
            for edit in edits:
                if len(value) >= 8 and value in edit.path.encode() + b"\0" + (edit.content or b""):
                    said = f"{one_line(edit.path)} would hold the value of {secret.origin}"
                    raise ProposalError("policy_objection", f"{said}, which was passed to {self.agent.name}")

    def _secrets(self) -> tuple[Secret, ...]:
        """The values of the variables that the agent is given from our environment."""
        return tuple(Secret(os.environ[name], name) for name in self.options.pass_env if os.environ.get(name))


def _described(edits: Sequence[FileEdit]) -> str:
    """A summary for an agent that gives none."""
    done = {"create": "creates", "modify": "changes", "delete": "deletes"}
    said = ", ".join(f"{done[edit.operation]} {one_line(edit.path, 80)}" for edit in edits[:3])
    return said + (f" and {len(edits) - 3} more files" if len(edits) > 3 else "")
