"""What earlier experiments say to the next one: attempts as text, a stance, and a guard against repetition. Pure."""

from maabarium.proposers.council.feedback.history import attempts_text
from maabarium.proposers.council.feedback.loop_guard import DIGEST, LoopGuard, Repetition, edits_digest
from maabarium.proposers.council.feedback.plateau import Stance, stance_of

__all__ = ["DIGEST", "LoopGuard", "Repetition", "Stance", "attempts_text", "edits_digest", "stance_of"]
