"""What earlier experiments say to the next one: attempts as text, advice, and what would be a repetition. Pure."""

from maabarium.proposers.council.feedback.advice import Advice, AdviceScope, advice_on
from maabarium.proposers.council.feedback.history import attempts_text
from maabarium.proposers.council.feedback.repetition import DIGEST, edits_digest, was_tried

__all__ = ["DIGEST", "Advice", "AdviceScope", "advice_on", "attempts_text", "edits_digest", "was_tried"]
