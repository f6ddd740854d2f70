"""The council: agents that propose, debate and vote."""

from maabarium.proposers.council.council import Council

__all__ = ["Council"]
