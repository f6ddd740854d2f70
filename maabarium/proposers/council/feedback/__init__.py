"""What earlier experiments say to the next one: attempts as text, advice, and a guard against repetition. Pure."""

from maabarium.proposers.council.feedback.history import attempts_text
from maabarium.proposers.council.feedback.loop_guard import DIGEST, LoopGuard, Repetition, edits_digest
from maabarium.proposers.council.feedback.plateau import Advice, advice_on

__all__ = ["DIGEST", "Advice", "LoopGuard", "Repetition", "advice_on", "attempts_text", "edits_digest"]
