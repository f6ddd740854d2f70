from __future__ import annotations

import pytest
from blueprint_samples import HEAD, METRIC, SAMPLE, sample

from maabarium.blueprint.selection import select_evaluator


def selected(extra: str = "", text: str = SAMPLE) -> tuple[str, str]:
    selection = select_evaluator(sample(text + extra).blueprint)
    return selection.name, selection.where


@pytest.mark.parametrize(
    ("extra", "answer"),
    [
        ("", ("pytest", "evaluator")),
        ('[evaluator]\nkind = "builtin"\nbuiltin = "code"\n', ("pytest", "evaluator.builtin")),
        ('[evaluator]\nkind = "builtin"\nbuiltin = "prompt"\n', ("prompt", "evaluator.builtin")),
        ('[evaluator]\nkind = "process"\nmanifest_path = "p.toml"\n', ("process", "evaluator.kind")),
        ('[evaluator]\nkind = "pytest"\n', ("pytest", "evaluator.kind")),
        ('[evaluator]\nkind = "wheel-size"\n', ("wheel-size", "evaluator.kind")),
        ('[library]\ntemplate = "general_research"\n', ("research", "library.template")),
        ('[library]\ntemplate = "product_builder"\n', ("pytest", "library.template")),
        ('[library]\ntemplate = "custom"\n', ("pytest", "evaluator")),
        (
            '[evaluator]\nkind = "builtin"\nbuiltin = "code"\n[library]\ntemplate = "lora_validation"\n',
            ("pytest", "evaluator.builtin"),
        ),
    ],
)
def test_what_is_explicit_goes_before_the_template_and_that_before_guesses(extra, answer):
    assert selected(extra) == answer


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('name = "sample"', 'name = "my-lora"', "lora"),
        ('"src/**/*.py"', '"adapters/x.json"', "lora"),
        ('"src/**/*.py"', '"a/b.safetensors"', "lora"),
        ('name = "sample"', 'name = "Research notes"', "research"),
        ('name = "speed"', 'name = "citation_share"', "research"),
        ('name = "sample"', 'name = "prompt-lab"', "prompt"),
        ('"src/**/*.py"', '"prompts/a.md"', "prompt"),
        ('name = "sample"', 'name = "notes"', "pytest"),
    ],
)
def test_names_are_the_last_resort(old, new, name):
    text = (HEAD + METRIC).replace(old, new)
    assert selected(text=text.replace('language = "python"', 'language = "markdown"'))[0] == name


@pytest.mark.parametrize("language", ["lora", "research", "prompt"])
def test_a_language_of_an_evaluator_selects_it(language):
    assert selected(text=SAMPLE.replace('"python"', f'"{language.title()}"'))[0] == language


def test_a_language_of_code_is_stronger_than_a_word_in_a_name_and_says_so():
    selection = select_evaluator(sample(SAMPLE.replace('"sample"', '"example-prompt-lab"')).blueprint)
    assert selection.name == "pytest"
    assert "would have chosen prompt" in selection.doubt
