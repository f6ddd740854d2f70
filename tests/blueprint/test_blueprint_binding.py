from __future__ import annotations

import dataclasses

import pytest
from blueprint_samples import FACTS, FULL, HEAD, SAMPLE, facts, metrics, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from maabarium.blueprint.binding import BindFacts, Bound, bind, describe, needed_sources
from maabarium.errors import BlueprintError, Problem

WHEEL = {**FACTS.sources, "wheel-size": frozenset({"wheel_kb"})}
JUDGES = {**FACTS.sources, "prompt": frozenset({"*"}), "research": frozenset({"*"}), "lora": frozenset({"*"})}


def bound(text: str, **changes: object) -> Bound:
    return bind(sample(text), facts(**changes))


def problems(text: str, **changes: object) -> dict[str, str]:
    with pytest.raises(BlueprintError) as caught:
        bound(text, **changes)
    return {problem.where: problem.message for problem in caught.value.problems}


def one(name: str, direction: str = "maximize", **more: object) -> str:
    return HEAD + metrics({"name": name, "weight": 1.0, "direction": direction, **more})


def sources(found: Bound) -> list[tuple[str | None, str]]:
    return [(binding.metric.source, binding.metric.direction) for binding in found.metric_sources]


# --- sources -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "direction", "source", "final"),
    [
        ("correctness", "maximize", "tests.passed", "maximize"),
        ("performance", "maximize", "tests.cpu", "minimize"),
        ("latency", "minimize", "tests.cpu", "minimize"),
        ("parser_latency", "minimize", "tests.cpu", "minimize"),
        ("Response-Time", "minimize", "tests.cpu", "minimize"),
        ("readability", "maximize", "complexity", "minimize"),
        ("complexity", "minimize", "complexity", "minimize"),
        ("code_quality", "maximize", "maintainability", "maximize"),
        ("test coverage", "maximize", "coverage", "maximize"),
        ("brevity", "maximize", "size", "minimize"),
        ("failing_tests", "minimize", "tests.passed", "maximize"),
    ],
)
def test_a_metric_without_a_source_goes_by_its_family(name, direction, source, final):
    found = bound(one(name, direction))
    assert sources(found) == [(source, final)]
    assert found.blueprint.metrics.metrics[0].source == source
    assert found.warnings == ()


def test_binding_leaves_the_loaded_blueprint_alone():
    loaded = sample(one("performance"))
    assert bind(loaded, FACTS).blueprint != loaded.blueprint
    assert loaded.blueprint.metrics.metrics[0].source is None


def test_a_score_of_the_same_name_wins_over_the_family():
    found = bound(one("throughput"), rule_scores=frozenset({"throughput"}))
    assert sources(found) == [("score:throughput", "maximize")]


def test_a_source_as_written_keeps_its_direction():
    assert sources(bound(one("speed", "minimize", source="tests.cpu"))) == [("tests.cpu", "minimize")]
    assert sources(bound(one("x", source="benchmark:test_parse")))[0][0] == "benchmark:test_parse"


def test_wanting_more_of_what_is_better_when_less_is_a_warning():
    (warning,) = bound(one("speed", "maximize", source="tests.cpu")).warnings
    assert warning.where == "metrics.metrics[0].direction"
    (warning,) = bound(one("performance", "minimize")).warnings
    assert "tests.cpu" in warning.message


def test_the_pytest_evaluator_may_be_named_and_is_bare_when_bound():
    assert sources(bound(one("x", "minimize", source="pytest:tests.cpu"))) == [("tests.cpu", "minimize")]


def test_naming_a_source_of_a_plug_in_adds_its_evaluator():
    text = HEAD + metrics(
        {"name": "speed", "weight": 0.5, "direction": "minimize", "source": "tests.cpu"},
        {"name": "wheel", "weight": 0.5, "direction": "minimize", "source": "wheel-size:wheel_kb"},
    )
    found = bound(text, sources=WHEEL)
    assert found.evaluator == "pytest"
    assert found.evaluators == ("pytest", "wheel-size")
    needed = {(binding.evaluator, binding.source) for binding in found.metric_sources}
    assert needed == {("wheel-size", "wheel_kb"), ("pytest", "tests.cpu")}


def test_a_plug_in_may_be_the_primary_evaluator():
    text = one("wheel_kb", "minimize") + '[evaluator]\nkind = "wheel-size"\n'
    found = bound(text, sources=WHEEL)
    assert found.evaluator == "wheel-size"
    assert sources(found) == [("wheel-size:wheel_kb", "minimize")]
    assert bound(text.replace('"wheel_kb"', '"k"\nsource = "wheel_kb"'), sources=WHEEL).evaluators == ("wheel-size",)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("test.cpu", 'nothing measures "test.cpu"; did you mean "tests.cpu"?'),
        ("zzz", "sources here: benchmark:<name>, complexity"),
        ("score:", "nothing measures"),
        ("wheel-size:wheel_mb", 'the evaluator wheel-size does not measure "wheel_mb"; it measures: wheel_kb'),
        ("prompt:clarity", "the prompt evaluator (judges prose with a model) is not installed here"),
    ],
)
def test_an_unknown_source_is_a_problem_that_helps(source, words):
    assert words in problems(one("x", source=source), sources=WHEEL)["metrics.metrics[0].source"]


def test_a_name_of_no_family_lists_the_sources():
    message = problems(one("zeitgeist"))["metrics.metrics[0].name"]
    assert (
        'nothing says how "zeitgeist" is measured' in message and "tests.cpu" in message and "score:<name>" in message
    )


def test_a_judged_name_says_which_evaluator_is_missing():
    message = problems(one("safety"))["metrics.metrics[0].name"]
    assert "needs the prompt evaluator" in message and 'score.measure("safety"' in message


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (frozenset(), "needs a rules file"),
        (frozenset({"lines_per_s"}), 'did you mean "score:lines_per_s"?'),
        (frozenset({"z"}), "they measure: z"),
    ],
)
def test_a_score_that_no_rules_file_gives_is_a_problem(known, words):
    assert words in problems(one("x", source="score:line_per_s"), rule_scores=known)["metrics.metrics[0].source"]


@pytest.mark.parametrize("known", [None, frozenset({"*"}), frozenset({"line_per_s"})])
def test_a_score_is_believed_when_nobody_looked_or_names_are_computed(known):
    assert sources(bound(one("x", source="score:line_per_s"), rule_scores=known))[0][0] == "score:line_per_s"


def test_minimising_a_timer_is_refused_because_its_value_is_a_rate():
    timed = {"rule_scores": frozenset({"latency"}), "timed_scores": frozenset({"latency"})}
    assert "work per second" in problems(one("latency", "minimize"), **timed)["metrics.metrics[0].direction"]
    assert sources(bound(one("latency", "maximize"), **timed)) == [("score:latency", "maximize")]


# --- evaluators ----------------------------------------------------------------------------------------------------


def test_a_judging_evaluator_measures_every_name_once_it_is_there():
    text = one("performance") + '[evaluator]\nkind = "builtin"\nbuiltin = "lora"\n'
    assert sources(bound(text, sources=JUDGES)) == [("lora:performance", "maximize")]


def test_a_missing_primary_evaluator_is_one_problem_not_one_for_each_metric():
    text = HEAD + metrics(
        {"name": "clarity", "weight": 0.5, "direction": "maximize"},
        {"name": "charm", "weight": 0.5, "direction": "maximize"},
    )
    found = problems(text + '[library]\ntemplate = "prompt_optimization"\n')
    assert list(found) == ["library.template"]
    assert '"clarity", "charm"' in found["library.template"] and "tests.cpu" in found["library.template"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("wheel-siz", 'did you mean "wheel-size"?'), ("code", 'write kind = "pytest"'), ("wasm", "wasm evaluator")],
)
def test_an_unknown_kind_is_a_problem_that_helps(kind, words):
    assert words in problems(f'{SAMPLE}[evaluator]\nkind = "{kind}"\n', sources=WHEEL)["evaluator.kind"]


def test_options_of_an_evaluator_that_is_not_there_are_a_problem():
    found = problems(SAMPLE + "[evaluator.options.weel-size]\nx = 1\n", sources=WHEEL)
    assert 'did you mean "wheel-size"?' in found["evaluator.options.weel-size"]


# --- targets, names, keys ------------------------------------------------------------------------------------------


def targets(*patterns: str) -> str:
    listed = ", ".join(f"'{pattern}'" for pattern in patterns)
    return SAMPLE.replace('target_files = ["src/**/*.py"]', f"target_files = [{listed}]")


def test_a_glob_that_matches_nothing_is_a_problem_with_the_near_folder():
    assert problems(targets("srcs/**/*.py")) == {
        "domain.target_files[0]": '"srcs/**/*.py" matches no file of somewhere/pkg; did you mean "src/**/*.py"?'
    }


def test_an_exact_path_may_have_to_be_created():
    assert bound(targets("docs/release-plan.md")).warnings == ()


def test_one_glob_of_several_may_match_nothing_with_a_warning():
    assert [warning.where for warning in bound(targets("crates/**/*", "src/**/*")).warnings] == [
        "domain.target_files[0]"
    ]
    assert list(problems(targets("crates/**/*", "apps/**/*"))) == ["domain.target_files[0]", "domain.target_files[1]"]


@pytest.mark.parametrize("pattern", ["../other/**", "src/../../x.py"])
def test_a_target_stays_inside(pattern):
    assert "stay inside" in problems(targets(pattern))["domain.target_files[0]"]


def test_a_leading_slash_anchors_and_an_absolute_path_matches_nothing():
    assert bound(targets("/README.md")).warnings == ()
    assert "matches no file" in problems(targets("/home/me/pkg/core.py"))["domain.target_files[0]"]


def test_an_exclamation_mark_takes_back():
    assert bound(targets("src/**/*.py", "!src/pkg/core.py")).warnings == ()
    assert "takes back" in problems(targets("src/**/*.py", "!src/**"))["domain.target_files"]
    assert list(problems(targets("!crates/**"))) == ["domain.target_files[0]"]


def test_no_target_at_all_is_a_problem():
    assert "nothing may change" in problems(targets())["domain.target_files"]


def test_a_protected_glob_that_protects_nothing_is_a_warning():
    text = SAMPLE.replace('language = "python"', 'language = "python"\nprotected = ["tets/**", "tests/**"]')
    assert [warning.where for warning in bound(text).warnings] == ["domain.protected[0]"]


def test_what_is_no_pattern_is_a_problem():
    text = targets("src/**", "!").replace('language = "python"', 'language = "python"\nprotected = ["!"]')
    assert list(problems(text)) == ["domain.target_files[1]", "domain.protected[0]"]


def test_a_council_that_is_not_installed_says_what_needs_no_model():
    message = problems(FULL)["proposer.kind"]
    assert "[agents] and [models] ask for it" in message and "mutate" in message
    assert bound(FULL + '[proposer]\nkind = "mutate"\n').blueprint.proposer_kind == "mutate"


def test_unknown_proposers_and_executors_are_suggested():
    found = problems(SAMPLE + '[proposer]\nkind = "mutat"\n[execution]\nexecutor = "thread"\n')
    assert 'did you mean "mutate"?' in found["proposer.kind"]
    assert 'did you mean "threads"?' in found["execution.executor"]


def test_problems_found_by_others_are_reported_together_with_ours():
    package = Problem("metrics.metrics[0].source", "coverage is not installed there: pip install coverage")
    plugin = Problem("blueprint.name", "is too short")
    found = problems(targets("srcs/**/*.py"), further=(package, plugin))
    assert list(found) == ["domain.target_files[0]", "metrics.metrics[0].source", "blueprint.name"]


def test_needed_sources_are_told_before_binding_and_never_raise():
    text = HEAD + metrics(
        {"name": "coverage", "weight": 0.5, "direction": "maximize"},
        {"name": "zeitgeist", "weight": 0.5, "direction": "maximize"},
    )
    assert needed_sources(sample(text), FACTS) == {"pytest": frozenset({"coverage"})}


# --- the header ----------------------------------------------------------------------------------------------------


def test_the_header_says_what_is_measured_and_how():
    text = HEAD + metrics(
        {"name": "throughput", "weight": 0.8, "direction": "maximize", "source": "score:lines_per_s"},
        {"name": "readability", "weight": 0.2, "direction": "maximize"},
        {"name": "size", "role": "guard", "direction": "minimize", "tolerance": 0.05},
    )
    assert describe(bound(text, timed_scores=frozenset({"lines_per_s"}))) == (
        "metrics    throughput 0.8 <- score:lines_per_s, maximize, noisy",
        "           readability 0.2 <- complexity, minimize",
        "           size guard <- size, minimize, tolerance 5 %",
    )


def test_a_metric_may_say_itself_whether_it_is_noisy():
    assert describe(bound(one("x", "minimize", source="tests.cpu")))[0].endswith("noisy")
    quiet = SAMPLE.replace('description = ""', 'source = "tests.passed"\nnoisy = true')
    assert describe(bound(quiet))[0].endswith("noisy")


# --- rules that hold for everything --------------------------------------------------------------------------------

words = st.text(st.sampled_from("abz*?[]!/.\\ _:-é"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    patterns=st.lists(words, max_size=3),
    source=st.none() | words | st.sampled_from(["score:x", "prompt:x", "tests.cpu"]),
    paths=st.lists(words, max_size=3),
    kind=st.sampled_from(["auto", "pytest", "prompt", "zzz", "*"]),
    scores=st.none() | st.frozensets(words, max_size=2),
)
def test_any_facts_bind_or_say_why(patterns, source, paths, kind, scores):
    loaded = sample(SAMPLE)
    metric = loaded.blueprint.metrics.metrics[0].model_copy(update={"source": source})
    blueprint = loaded.blueprint.model_copy(
        update={
            "domain": loaded.blueprint.domain.model_copy(update={"target_files": tuple(patterns)}),
            "metrics": loaded.blueprint.metrics.model_copy(update={"metrics": (metric,)}),
            "evaluator": loaded.blueprint.evaluator.model_copy(update={"kind": kind}),
        }
    )
    given_facts: BindFacts = facts(tree_paths=tuple(paths), rule_scores=scores)
    try:
        found = bind(dataclasses.replace(loaded, blueprint=blueprint), given_facts)
    except BlueprintError as error:
        assert error.problems and all(problem.where and problem.message for problem in error.problems)
    else:
        assert all(metric.source for metric in found.blueprint.metrics.metrics)
        assert set(found.evaluators) <= set(given_facts.sources)
        assert len(describe(found)) == len(found.metric_sources)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ('[integrity]\nequivalence = "recorded"', "integrity.equivalence"),
        ("[integrity]\nsplit = true", "integrity.split"),
    ],
)
def test_what_nobody_enforces_is_refused_not_ignored(section, key):
    found = problems(one("correctness") + "\n" + section + "\n")
    assert found == {key: "is not enforced by this version; remove it"}
