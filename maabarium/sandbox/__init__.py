"""The one place where a process of a target is started; backends are plug-ins, ours is `subprocess` and three more."""

from maabarium.sandbox.backends import SANDBOXES, subprocess_sandbox

__all__ = ["SANDBOXES", "subprocess_sandbox"]
