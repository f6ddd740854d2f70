"""Who grades: the primary evaluator of a blueprint, by the original's precedence.

Explicit process, then explicit built-in (or any name in `kind`), then the library template, then heuristics over
names. Pure: whether that evaluator exists is found out by `binding`.
"""

from __future__ import annotations

from dataclasses import dataclass

from maabarium.blueprint.schema import Blueprint

__all__ = ["LATER", "Selection", "select_evaluator"]

LATER = {
    "prompt": "judges prose with a model",
    "research": "checks citations and sources",
    "lora": "checks adapter artefacts",
    "process": "asks a program of yours",
    "wasm": "runs a WebAssembly module of yours",
}
"""Evaluators that a blueprint may ask for and that an installation may lack, with what each does."""

_BUILTIN = {"code": "pytest", "prompt": "prompt", "research": "research", "lora": "lora"}
_TEMPLATES = {
    "prompt_optimization": "prompt",
    "general_research": "research",
    "lora_validation": "lora",
    "code_quality": "pytest",
    "product_builder": "pytest",
}
_CODE = frozenset({"python", "rust", "code", "application"})


@dataclass(frozen=True)
class Selection:
    """The primary evaluator's name, the key that decided, and a doubt worth printing (or nothing)."""

    name: str
    where: str
    doubt: str = ""


def select_evaluator(blueprint: Blueprint) -> Selection:
    """Find the primary evaluator. `builtin = "code"` means `pytest`."""
    options = blueprint.evaluator
    if options.kind == "builtin" and options.builtin is not None:
        return Selection(_BUILTIN[options.builtin], "evaluator.builtin")
    if options.kind != "auto":
        return Selection(options.kind, "evaluator.kind")
    template = blueprint.library.template if blueprint.library else None
    if template in _TEMPLATES:
        return Selection(_TEMPLATES[template], "library.template")
    return _guess(blueprint)


def _guess(blueprint: Blueprint) -> Selection:
    """The original's heuristics, but a language of code is stronger evidence than a word in a name."""
    language, name = blueprint.domain.language.strip().casefold(), blueprint.name.casefold()
    targets = [target.casefold() for target in blueprint.domain.target_files]
    metrics = [metric.name.casefold() for metric in blueprint.metrics.metrics]
    artefacts = [target for target in targets if target.endswith(".safetensors")]
    signs = {
        "lora": artefacts or _any_word(targets, "adapter", "lora-run"),
        "research": _any_word(metrics, "citation", "source", "grounding", "factual"),
        "prompt": _any_word(targets, "prompt"),
    }
    guess = next((one for one, sign in signs.items() if one in name or language == one or sign), "pytest")
    if guess != "pytest" and language in _CODE:
        doubt = (
            f'grades by pytest because the language is "{language}"; the original would have chosen {guess} by a name. '
            "[evaluator] kind says it for certain"
        )
        return Selection("pytest", "evaluator", doubt)
    return Selection(guess, "evaluator")


def _any_word(texts: list[str], *words: str) -> bool:
    return any(word in text for text in texts for word in words)
