"""What a model is shown: the material of one experiment, chosen by evidence and packed into a number of tokens."""

from maabarium.proposers.context.library import Library
from maabarium.proposers.context.packer import LEAST, pack
from maabarium.proposers.context.part import Packed, Part
from maabarium.proposers.tokens import estimate_tokens

__all__ = ["LEAST", "Library", "Packed", "Part", "estimate_tokens", "pack"]
