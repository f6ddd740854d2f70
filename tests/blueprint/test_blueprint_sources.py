from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maabarium.blueprint.sources import FAMILIES, best_direction, family_of

ORIGINAL = {
    "example": ["code_quality", "performance", "maintainability"],
    "code-quality": ["correctness", "readability", "maintainability", "performance"],
    "prompt-improvement": ["clarity", "specificity", "actionability", "consistency"],
    "product-builder": ["correctness", "product_coherence", "maintainability", "ux_quality", "shipping_readiness"],
    "general-research": ["factual_grounding", "citation_coverage", "source_quality", "synthesis_quality"],
    "lora-adapter": ["lora_quality", "performance", "safety"],
    "wizard, code": ["code_quality", "performance", "maintainability"],
    "wizard, prompt": ["actionability", "specificity", "revenue_signal", "brevity"],
    "wizard, lora": ["artifact_completeness", "metadata_hygiene", "reproducibility"],
    "wizard, custom": ["quality", "impact", "safety"],
}


@pytest.mark.parametrize(("origin", "name"), [(origin, name) for origin, names in ORIGINAL.items() for name in names])
def test_every_metric_name_of_the_original_has_a_family(origin, name):
    assert family_of(name) is not None, origin


def test_readiness_is_not_readability_and_lora_quality_is_not_code_quality():
    assert family_of("shipping_readiness").source == "prompt:{name}"
    assert family_of("lora_quality").source == "lora:{name}"


def test_the_longest_word_in_a_name_decides():
    assert family_of("parser code_quality").source == "maintainability"
    assert family_of("import-latency").source == "tests.cpu"
    assert family_of("citation_coverage_share").source == "research:{name}"
    assert family_of("zeitgeist") is None
    assert family_of("") is None


def test_no_name_stands_in_two_families():
    names = [name for family in FAMILIES for name in {*family.names, *family.words}]
    assert sorted(names) == sorted(set(names))


def test_only_a_source_with_a_known_better_direction_can_be_turned_round():
    turned_round = [family for family in FAMILIES if family.opposite]
    assert len(turned_round) >= 5
    assert all(best_direction(family.source) is not None for family in turned_round)


@given(st.text(max_size=30))
def test_any_name_has_an_answer(name):
    assert family_of(name) is None or family_of(name) in FAMILIES


def families_table() -> str:
    """The table as Markdown, for the documentation."""
    lines = ["| family | whole names | words in a name | source | direction |", "|---|---|---|---|---|"]
    for family in FAMILIES:
        names, words = (", ".join(f"`{name}`" for name in group) or "–" for group in (family.names, family.words))
        source = family.source.replace("{name}", "<name>")
        direction = "turned round" if family.opposite else "as written"
        lines.append(f"| {family.title} | {names} | {words} | `{source}` | {direction} |")
    return "\n".join(lines)


def test_the_documentation_prints_the_table():
    assert families_table() in (Path(__file__).parents[2] / "docs" / "blueprint.md").read_text()
