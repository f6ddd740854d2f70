"""What earlier experiments say to the next one: attempts as text, advice, and what would be a repetition. Pure."""

from maabarium.proposers.council.feedback.advice import DIGEST, Advice, AdviceScope, advice_on, edits_digest, was_tried
from maabarium.proposers.council.feedback.history import attempts_text

__all__ = ["DIGEST", "Advice", "AdviceScope", "advice_on", "attempts_text", "edits_digest", "was_tried"]
