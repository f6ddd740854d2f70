from __future__ import annotations

import os
from pathlib import Path

import pytest
from blueprint_samples import COUNCIL, FULL, HEAD, METRIC, SAMPLE, metrics, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.blueprint.loading import MAX_BYTES, Loaded, load, mended, parse
from maabarium.errors import BlueprintError


def problems(text: str) -> dict[str, str]:
    """Messages by key path."""
    with pytest.raises(BlueprintError) as caught:
        sample(text)
    return {problem.where: problem.message for problem in caught.value.problems}


def refused(path: Path) -> str:
    with pytest.raises(BlueprintError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    return str(caught.value)


# --- what is accepted ----------------------------------------------------------------------------------------------


def test_a_blueprint_without_agents_and_models_proposes_by_mutation():
    loaded = sample()
    assert loaded.blueprint.proposer_kind == "mutate"
    assert loaded.warnings == ()
    assert loaded.text == SAMPLE


def test_agents_and_models_make_a_council():
    blueprint = sample(FULL).blueprint
    assert blueprint.proposer_kind == "council"
    assert blueprint.models is not None and blueprint.models.models[0].temperature == 0.0


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    file = tmp_path / "b.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())
    assert load(file).blueprint.name == "sample"


def test_a_negative_min_improvement_is_accepted_with_a_warning():
    loaded = sample(SAMPLE.replace("min_improvement = 0.0", "min_improvement = -0.5"))
    assert loaded.blueprint.constraints.min_improvement == -0.5
    assert [warning.where for warning in loaded.warnings] == ["constraints.min_improvement"]


def test_weights_may_be_off_by_a_hundredth_as_in_the_original():
    rows = (
        {"name": "a", "weight": 0.5, "direction": "maximize"},
        {"name": "b", "weight": 0.51, "direction": "maximize"},
    )
    assert len(sample(HEAD + metrics(*rows)).blueprint.objectives) == 2


def test_a_guard_needs_no_weight():
    guard = {"name": "size", "role": "guard", "direction": "minimize", "tolerance": 0.05}
    (found,) = sample(SAMPLE + metrics(guard)).blueprint.guards
    assert found.weight == 0.0


def test_a_council_larger_than_its_list_is_a_warning():
    loaded = sample(FULL.replace("council_size = 1", "council_size = 4"))
    assert [warning.where for warning in loaded.warnings] == ["agents.council_size"]


def test_round_robin_ignores_which_model_an_agent_names():
    text = FULL.replace("[models]\n", '[models]\nassignment = "round_robin"\n').replace(
        'model = "llama3"', 'model = "x"'
    )
    assert [warning.where for warning in sample(text).warnings] == ["agents.agents[0].model"]


def test_options_of_proposers_and_evaluators_are_kept_as_they_were_written():
    text = SAMPLE + '[proposer]\nkind = "mutate"\ndepth = [1, 2]\n[evaluator.options.wheel-size]\nlevels = [[1]]\n'
    blueprint = sample(text).blueprint
    assert blueprint.proposer.own == {"depth": [1, 2]}
    assert blueprint.evaluator.options == {"wheel-size": {"levels": [[1]]}}


# --- unknown keys --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        (
            SAMPLE.replace('language = "python"', 'language = "python"\ntarget_flies = []'),
            "domain.target_flies",
            "target_files",
        ),
        (SAMPLE.replace('description = ""', 'descripton = ""'), "metrics.metrics[0].descripton", "description"),
        (SAMPLE + "[evaluator]\nrule = []\n", "evaluator.rule", "rules"),
        (SAMPLE + "[acceptence]\nalpha = 9\n", "acceptence", "acceptance"),
        (FULL.replace('role = "critic"', 'role = "critic"\nrolle = ""'), "agents.agents[0].rolle", "role"),
    ],
)
def test_unknown_keys_of_the_original_are_warnings_with_a_suggestion(text, where, hint):
    (warning,) = sample(text).warnings
    assert warning.where == where
    assert "is ignored" in warning.message and f'did you mean "{hint}"?' in warning.message


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[acceptance]\nalpah = 0.1\n", "acceptance.alpah"),
        ("[budget]\npatince = 1\n", "budget.patince"),
        ("[sandbox]\nlvel = 1\n", "sandbox.lvel"),
        ('[[policy]]\npath = "a"\npth = "b"\n', "policy[0].pth"),
    ],
)
def test_unknown_keys_of_our_sections_are_errors_with_a_suggestion(text, where):
    assert "did you mean" in problems(SAMPLE + text)[where]


def test_a_missing_key_names_the_misspelling_that_may_be_it():
    found = problems(SAMPLE.replace("max_iterations", "max_iteration"))
    assert found == {"constraints.max_iterations": 'is missing; is "max_iteration" a misspelling of it?'}


# --- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        (
            '"maximize"',
            '"maximise"',
            "metrics.metrics[0].direction",
            '"maximise" is not a direction; did you mean "maximize"?',
        ),
        ('"maximize"', '"up"', "metrics.metrics[0].direction", '"up" is not a direction; there is: maximize, minimize'),
        ('version = "1"', "version = 1", "blueprint.version", "must be text in quotes, not the number 1"),
        ("true", '"true"', "constraints.require_tests_pass", 'must be true or false, not the text "true"'),
        (
            "max_iterations = 3",
            "max_iterations = 3.0",
            "constraints.max_iterations",
            "must be a whole number, not the number 3.0",
        ),
        (
            "max_iterations = 3",
            "max_iterations = true",
            "constraints.max_iterations",
            "must be a whole number, not the truth value true",
        ),
        ("max_iterations = 3", "max_iterations = 0", "constraints.max_iterations", "must be at least 1, not 0"),
        (
            "max_iterations = 3",
            "max_iterations = 99999999999999999999",
            "constraints.max_iterations",
            "is a number of more than 64 bits",
        ),
        ("timeout_seconds = 10", "timeout_seconds = 0", "constraints.timeout_seconds", "must be at least 1, not 0"),
        ("min_improvement = 0.0", "min_improvement = nan", "constraints.min_improvement", "must be a finite number"),
        ("weight = 1.0", "weight = 0.4", "metrics.metrics", "the weights sum to 0.4; they must sum to 1 (within 0.01)"),
        ("weight = 1.0", "weight = -1.0", "metrics.metrics[0].weight", "must be at least 0, not -1.0"),
        ("weight = 1.0\n", "", "metrics.metrics[0].weight", "is missing"),
        ('name = "sample"', 'name = "  "', "blueprint.name", "must not be blank"),
        ('name = "sample"', 'name = ""', "blueprint.name", "must not be empty"),
        (
            '["src/**/*.py"]',
            '"src/**/*.py"',
            "domain.target_files",
            'must be a list in brackets, not the text "src/**/*.py"',
        ),
        ('["src/**/*.py"]', "[1]", "domain.target_files[0]", "must be text in quotes, not the number 1"),
        (
            'version = "1"',
            "version = 2020-01-01",
            "blueprint.version",
            "must be text in quotes, not the date or time 2020-01-01",
        ),
        ('description = ""', "range = [2, 1]", "metrics.metrics[0].range", "must rise: 2 is not below 1"),
        (
            'description = ""',
            'source = " "',
            "metrics.metrics[0].source",
            "must not be blank; leave it out to bind the metric by its name",
        ),
        ('description = ""', "range = [1]", "metrics.metrics[0].range[1]", "is missing"),
    ],
)
def test_a_bad_value_is_said_in_a_sentence(old, new, where, message):
    assert old in SAMPLE
    assert problems(SAMPLE.replace(old, new)) == {where: message}


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("council_size = 1", "council_size = 0", "agents.council_size", "at least 1"),
        ('model = "llama3"', 'model = "lama3"', "agents.agents[0].model", 'no model named "lama3"; there is: llama3'),
        (
            "max_tokens = 100",
            "max_tokens = 100\nrequests_per_minute = 0",
            "models.models[0].requests_per_minute",
            "at least 1",
        ),
        ("[models]", '[models]\nassignment = "explict"', "models.assignment", 'did you mean "explicit"?'),
        ('provider = "ollama"\n', "", "models.models[0].provider", "is missing"),
    ],
)
def test_a_bad_council_is_said_in_a_sentence(old, new, where, words):
    found = problems(FULL.replace(old, new))
    assert list(found) == [where] and words in found[where]


def test_an_empty_list_of_agents_is_refused():
    text = (
        SAMPLE + "[agents]\ncouncil_size = 1\ndebate_rounds = 0\nagents = []\n[models]" + FULL.partition("[models]")[2]
    )
    assert problems(text) == {"agents.agents": "must have at least 1 entry"}


def test_whole_numbers_serve_as_numbers_as_in_the_original():
    assert sample(SAMPLE.replace("weight = 1.0", "weight = 1")).blueprint.metrics.metrics[0].weight == 1.0


def test_agents_without_models_are_refused():
    assert problems(SAMPLE + COUNCIL.partition("[models]")[0]) == {
        "models": "is missing: the agents of [agents] name models"
    }


@pytest.mark.parametrize("section", ["metrics", "agents", "models"])
def test_names_are_unique_within_a_section(section):
    rows = FULL.split(f"[[{section}.{section}]]")
    row = rows[1].partition("[")[0]
    found = problems(FULL + f"[[{section}.{section}]]" + row.replace("weight = 1.0", "weight = 0.0"))
    assert list(found) == [f"{section}.{section}[1].name"]
    assert f"is also the name of {section}.{section}[0]" in found[f"{section}.{section}[1].name"]


def test_a_guard_with_a_weight_and_a_blueprint_of_guards_alone_are_refused():
    guard = {"name": "size", "role": "guard", "weight": 0.5, "direction": "minimize"}
    assert list(problems(SAMPLE + metrics(guard))) == ["metrics.metrics[1].weight"]
    assert (
        "at least one metric must be an objective" in problems(HEAD + metrics(guard | {"weight": 0}))["metrics.metrics"]
    )


def test_sections_written_as_lists_get_the_spelling_that_works():
    found = problems(HEAD + METRIC.replace("[[metrics.metrics]]", "[[metrics]]"))
    assert found == {"metrics": "must be a table, not a list; write each entry as [[metrics.metrics]]"}


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ('kind = "builtin"', "evaluator.builtin"),
        ('kind = "builtin"\nbuiltin = "cod"', "evaluator.builtin"),
        ('kind = "process"', "evaluator.manifest_path"),
        ('kind = "process"\nmanifest_path = " "', "evaluator.manifest_path"),
        ('builtin = "code"', "evaluator.builtin"),
        ('kind = "pytest"\nbuiltin = "code"', "evaluator.builtin"),
        ('kind = ""', "evaluator.kind"),
    ],
)
def test_kind_builtin_and_manifest_have_to_agree(options, where):
    assert list(problems(f"{SAMPLE}[evaluator]\n{options}\n")) == [where]


def test_a_manifest_may_stand_among_the_evaluators_own_options():
    own = '[evaluator]\nkind = "process"\n[evaluator.options.process]\nmanifest_path = "plugin.toml"\n'
    assert sample(SAMPLE + own).warnings == ()


def test_autonomy_three_names_its_branch():
    assert list(problems(SAMPLE + "[promotion]\nautonomy = 3\n")) == ["promotion.branch"]
    assert sample(SAMPLE + '[promotion]\nautonomy = 3\nbranch = "main"\n').warnings == ()


def test_all_problems_come_at_once_in_the_order_of_the_file():
    text = FULL.replace("maximize", "maximise").replace('model = "llama3"', 'model = "lama3"').replace("= 1.0", "= 0.7")
    found = problems(text.replace('version = "1"\n', "") + "[budget]\npatience = 0\n")
    assert list(found) == [
        "blueprint.version",
        "metrics.metrics[0].direction",
        "metrics.metrics",
        "agents.agents[0].model",
        "budget.patience",
    ]


def test_the_error_prints_as_the_architecture_shows():
    with pytest.raises(BlueprintError) as caught:
        sample(SAMPLE.replace("maximize", "maximise").replace('version = "1"\n', ""))
    assert str(caught.value) == (
        "sample.toml has 2 problems\n"
        "  blueprint.version             is missing\n"
        '  metrics.metrics[0].direction  "maximise" is not a direction; did you mean "maximize"?'
    )


def test_values_are_quoted_without_control_characters():
    found = problems(SAMPLE.replace('"maximize"', '"\\u001b[31mred\\nline"'))
    assert "\x1b" not in found["metrics.metrics[0].direction"]
    assert "\n" not in found["metrics.metrics[0].direction"]


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = \n", "line 1, column 5: invalid value"),
        ("[blueprint]\nname = 'x\n", "line 3, where the file ends: expected"),
        ("[blueprint]\na = [", "line 2, where the file ends"),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value"),
        ("a = " + "[" * 100_000, "nested too deep"),
        ("a = " + "1" * 10_000, "a number that is too long"),
    ],
    ids=["no value", "open text", "open list", "twice", "deep", "long number"],
)
def test_broken_toml_is_named_with_its_place(text, words):
    (message,) = problems(text).values()
    assert words in message


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path):
    file = tmp_path / "latin.toml"
    file.write_bytes(b'[blueprint]\nname = "caf\xe9"\n')
    assert "line 2  is not UTF-8 text (byte 23)" in refused(file)


def test_an_absent_file_suggests_one_near_it(tmp_path):
    (tmp_path / "blueprints").mkdir()
    (tmp_path / "blueprints" / "speed.toml").write_text(SAMPLE)
    assert "did you mean" in refused(tmp_path / "blueprints" / "sped.toml")
    assert str(tmp_path / "blueprints" / "speed.toml") in refused(tmp_path / "speed")
    assert "did you mean" not in refused(tmp_path / "blueprints" / "zzz.toml")
    assert f"; there is {tmp_path / 'blueprints' / 'speed.toml'}" in refused(tmp_path / "blueprints" / "zzz.toml")
    assert f"(nor a folder {tmp_path / 'nix'})" in refused(tmp_path / "nix" / "b.toml")


def test_only_blueprints_are_suggested(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "broken.toml").write_text("[blueprint\n")
    assert refused(tmp_path / "pyprojekt.toml").endswith("there is no such file; `maabarium init` writes one")
    (tmp_path / "maabarium.toml").write_text("[blueprint]\n")  # one that still has problems is meant all the same
    assert refused(tmp_path / "nope.toml").endswith(f"there is no such file; there is {tmp_path / 'maabarium.toml'}")
    assert refused(tmp_path / "maabarium.tml").endswith(f"did you mean {tmp_path / 'maabarium.toml'}?")
    (tmp_path / "maabarion.toml").write_text(SAMPLE)
    assert f"did you mean {tmp_path / 'maabarium.toml'}?" in refused(tmp_path / "mabarium.toml")
    assert f"there are {tmp_path / 'maabarion.toml'}, {tmp_path / 'maabarium.toml'}" in refused(tmp_path / "zzz.toml")
    assert refused(tmp_path).endswith("is a folder, not a blueprint; it holds maabarion.toml, maabarium.toml")


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n[tool.pytest.ini_options]\naddopts = ''\n"])
def test_another_file_is_no_blueprint(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(BlueprintError) as caught:
        load(tmp_path / "pyproject.toml")
    assert [str(problem) for problem in caught.value.problems] == ["this is no blueprint: it has no [blueprint] table"]
    assert mended(tmp_path / "pyproject.toml") is None


@pytest.mark.parametrize("text", ['[domain]\nrepo_path = "."\n', '[bluprint]\nname = "x"\n'])
def test_a_blueprint_without_its_first_table_still_names_what_is_missing(text):
    with pytest.raises(BlueprintError) as caught:
        parse(text, "bare.toml")
    assert {"blueprint", "metrics"} <= {problem.where for problem in caught.value.problems}


def test_a_folder_lists_the_blueprints_in_it(tmp_path):
    (tmp_path / "speed.toml").write_text(SAMPLE)
    assert "is a folder, not a blueprint; it holds speed.toml" in refused(tmp_path)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    assert "is not a regular file" in refused(tmp_path / "pipe.toml")


def test_a_huge_file_is_refused_without_reading_it_whole(tmp_path):
    file = tmp_path / "huge.toml"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES * 1000)
    assert "is larger than 1 MB" in refused(file)


@pytest.mark.usefixtures("obeys_permissions")
def test_an_unreadable_file_says_why(tmp_path):
    file = tmp_path / "secret.toml"
    file.write_text(SAMPLE)
    file.chmod(0)
    assert "cannot be read: Permission denied" in refused(file)


def test_a_name_that_no_file_can_have_says_why(tmp_path):
    assert "cannot be read" in refused(tmp_path / "a\0b.toml")
    assert "cannot be read" in refused(tmp_path / ("x" * 5000))
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    assert "cannot be read" in refused(tmp_path / "loop.toml")


# --- nothing else than a blueprint or its problems ------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
leaves = st.one_of(st.integers(), st.floats(), st.booleans(), names, st.dates(), st.none())


def written(value: object) -> str:
    """A value as TOML; None is an empty table."""
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)} = {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return "{}" if value is None else str(value)


values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
sections = st.sampled_from(
    ["blueprint", "domain", "constraints", "metrics", "agents", "models", "evaluator", "library", "proposer",
     "acceptance", "integrity", "budget", "promotion", "sandbox", "policy", "execution", "other"]
)  # fmt: skip
keys = st.sampled_from(
    ["name", "metrics", "agents", "models", "weight", "direction", "kind", "builtin", "range", "role", "source",
     "options", "target_files", "copy", "min_improvement", "council_size", "model", "branch", "autonomy", "path"]
)  # fmt: skip


def loads_or_says_why(text: str) -> None:
    try:
        loaded = parse(text, "any.toml")
    except BlueprintError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
        assert "\x1b" not in str(error)
    else:
        assert isinstance(loaded, Loaded)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(sections | names, values | st.dictionaries(keys, values, max_size=4), max_size=5))
def test_any_document_loads_or_says_why(document):
    loads_or_says_why("\n".join(f"{written(key)} = {written(value)}" for key, value in document.items()))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_mutation_of_a_blueprint_loads_or_says_why(data):
    lines = (FULL + "[evaluator]\nkind = 'auto'\n[promotion]\nautonomy = 2\n").splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        key = lines[index].partition(" = ")[0]
        change = data.draw(st.sampled_from(["value", "drop", "twice", "cut"]))
        if change == "value" and not key.startswith("["):
            lines[index] = f"{key} = {written(data.draw(values))}"
        elif change == "drop":
            lines[index] = ""
        elif change == "twice":
            lines.insert(index, lines[index])
        else:
            lines[index] = lines[index][: data.draw(st.integers(0, len(lines[index])))]
    loads_or_says_why("\n".join(lines))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_loads_or_says_why(text):
    loads_or_says_why(text)
