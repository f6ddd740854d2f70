"""How well-known coding agents are started without a person: data, after their public documentation of 2026.

None of them is installed where this was written, so none of these lines was tried: they are examples. Flags change;
`command` in the blueprint says it in your own words. What a template never grants: network and keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["TEMPLATES", "Template"]


@dataclass(frozen=True)
class Template:
    """Words of a command with placeholders, see `docs/agents.md`."""

    command: tuple[str, ...]
    model: tuple[str, ...] = ()
    """Words that stand for `{model_words}` when a model is named."""
    caged: tuple[str, ...] = ()
    """Words that stand for `{permissions}` where our sandbox confines: the agent need not ask for anything."""
    free: tuple[str, ...] = ()
    """The same at the level `trusted`: the agent's own restraint is all there is."""
    stdin: bool = False
    """Whether it reads its task from standard input."""
    env: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    """Environment variables of which it needs one; for a sentence only, they are passed when the blueprint says so."""


TEMPLATES: dict[str, Template] = {
    # docs.claude.com, "Headless mode" and "CLI reference". As root it refuses to skip permissions outside a sandbox.
    "claude": Template(
        ("claude", "-p", "--output-format", "json", "{model_words}", "{permissions}"),
        model=("--model", "{model}"),
        caged=("--dangerously-skip-permissions",),
        free=("--permission-mode", "acceptEdits"),
        stdin=True,
        env={"IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        keys=("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    ),
    # developers.openai.com/codex, "Non-interactive mode". `--full-auto` is deprecated there.
    "codex": Template(
        ("codex", "exec", "--json", "--skip-git-repo-check", "{model_words}", "{permissions}", "-"),
        model=("--model", "{model}"),
        caged=("--dangerously-bypass-approvals-and-sandbox",),
        free=("--sandbox", "workspace-write"),
        stdin=True,
        keys=("CODEX_API_KEY",),
    ),
    # opencode.ai/docs, "CLI" and "Permissions".
    "opencode": Template(
        ("opencode", "run", "--format", "json", "{model_words}", "{prompt}"),
        model=("--model", "{model}"),
        env={
            "OPENCODE_PERMISSION": '{"edit": "allow", "bash": "allow", "webfetch": "deny"}',
            "OPENCODE_DISABLE_AUTOUPDATE": "true",
        },
        keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    ),
    # aider.chat/docs, "Scripting" and "Options". Without a git repository it edits the files that it is given.
    "aider": Template(
        ("aider", "--yes-always", "--no-git", "--no-check-update", "--no-show-release-notes", "--analytics-disable",
         "--no-pretty", "--no-stream", "{model_words}", "--message-file", "{prompt_file}", "{targets}"),
        model=("--model", "{model}"),
        keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    ),
    # mini-swe-agent.com, "mini".
    "mini-swe-agent": Template(
        ("mini", "--yolo", "--exit-immediately", "{model_words}", "-t", "{prompt}"),
        model=("-m", "{model}"),
        env={"MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "true"},
        keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    ),
}  # fmt: skip
