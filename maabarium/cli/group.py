"""The command group: which commands there are, loading them when they are called, and how errors end.

Knows each command by name, module and one line only, so that `maabarium --help` imports none of them.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

import maabarium
from maabarium.errors import MaabariumError, UsageProblem
from maabarium.safe_text import plain
from maabarium.suggestions import suggestion

__all__ = ["COMMANDS", "LazyGroup", "main"]

COMMANDS = {
    "init": "Write a first blueprint for a project.",
    "validate": "Check blueprints and print every problem.",
    "run": "Run blueprints: python -m pytest --maabarium.",
    "resume": "Go on with a run that was interrupted.",
    "status": "List the latest runs.",
    "history": "List the experiments of a run.",
    "show": "Print a run, or one experiment in full.",
    "diff": "Print what a run, or one experiment, changed.",
    "apply": "Bring a run's result into the checked-out branch.",
    "export": "Write a run as JSON, CSV, patch or archive.",
    "report": "Write a run's report as HTML or Markdown.",
    "prune": "Remove old runs and what they left behind.",
    "doctor": "Try whether runs can work here.",
    "keys": "Store, find and remove the keys of models.",
    "plugins": "List everything that plug-ins contribute.",
    "schema": "Print the blueprint's JSON Schema.",
}
"""Commands in the order of `--help`: functions of these names."""
LIVES_IN = {
    "resume": "run",
    "history": "show",
    "diff": "show",
    "report": "show",
    "export": "apply",
    "schema": "validate",
}
"""The module of a command, where it is not one of the same name."""

USAGE, INTERRUPTED = 4, 2
"""Exit codes, the same as those of `pytest --maabarium`."""


class LazyGroup(click.Group):
    """Imports a command when it is called or its help is shown, and turns errors into one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names; imports nothing."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        if sys.platform == "win32":
            raise UsageProblem("maabarium does not run on Windows; use Linux, macOS or WSL")
        module = importlib.import_module(f"maabarium.cli.{LIVES_IN.get(cmd_name, cmd_name)}")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a name that is not known."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(f'no command named "{name}"{suggestion(name, COMMANDS)}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *positional: Any, **extra: Any) -> Any:
        """Run a command and exit. Errors that a person can act on are one sentence on stderr."""
        extra = {"prog_name": "maabarium", **extra, "standalone_mode": False}
        _print_anything()
        try:
            status = super().main(args, *positional, **extra)
        except MaabariumError as error:
            fail(str(error), USAGE if isinstance(error, UsageProblem) else 1)
        except click.UsageError as error:
            where = f"; see {error.ctx.command_path} --help" if error.ctx else ""
            fail(error.format_message().rstrip(".") + where, USAGE)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            fail("interrupted", INTERRUPTED)
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
        sys.exit(status if isinstance(status, int) else 0)


def _print_anything() -> None:
    """A terminal that is not UTF-8 shows what it lacks as escapes, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def fail(message: str, status: int) -> NoReturn:
    """Print `error: ...` on stderr and exit."""
    clean = plain(message).strip() or "something went wrong, and nobody said what"
    click.echo(f"{click.style('error:', fg='red', bold=True)} {clean}", err=True)
    sys.exit(status)


@click.command(
    "maabarium",
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(maabarium.__version__, prog_name="maabarium", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A keep-winner loop that improves a repository, graded by its tests.

    Start with `maabarium init`, then `pytest --maabarium maabarium.toml`. Data goes to stdout, all else to stderr.
    RUN is a run's id, the beginning of one, or "last".
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
