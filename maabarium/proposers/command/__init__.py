"""The `command` proposer: an external coding agent works on a copy of the champion, and its changes are proposed."""

from maabarium.proposers.command.proposer import CommandProposer

__all__ = ["CommandProposer"]
