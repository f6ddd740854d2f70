"""What a model is shown: the material of one experiment, chosen by evidence and packed into a number of tokens."""

from maabarium.proposers.council.context.excerpts import Packed, PromptPart
from maabarium.proposers.council.context.guidance import objective_lines
from maabarium.proposers.council.context.packer import LEAST, pack
from maabarium.proposers.council.context.source_files import SourceFiles
from maabarium.proposers.tokens import estimate_tokens

__all__ = ["LEAST", "Packed", "PromptPart", "SourceFiles", "estimate_tokens", "objective_lines", "pack"]
