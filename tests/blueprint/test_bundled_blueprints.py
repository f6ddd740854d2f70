from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from blueprint_samples import BUNDLED, FACTS, facts

from maabarium.blueprint.binding import Bound, bind, describe
from maabarium.blueprint.loading import load, parse
from maabarium.blueprint.rules import find_rules, rule_scores
from maabarium.errors import BlueprintError

# file: name, version, iterations, timeout, tests, min_improvement, council, rounds, agents, model, temperature,
#       tokens, requests per minute, assignment, metrics, template
AS_IN_THE_ORIGINAL = {
    "example": (
        "example-prompt-lab", "0.1.0", 10, 300, True, 0.01, 3, 2, ["strategist", "critic", "engineer"], "llama3", 0.7,
        2048, 60, "explicit", {"code_quality": 0.4, "performance": 0.3, "maintainability": 0.3}, None,
    ),
    "code-quality": (
        "code-quality", "1.0", 80, 240, True, 0.01, 3, 2, ["architect", "reviewer", "implementer"], "llama3", 0.4,
        2048, None, "explicit",
        {"correctness": 0.4, "readability": 0.3, "maintainability": 0.2, "performance": 0.1}, "code_quality",
    ),
    "prompt-improvement": (
        "prompt-improvement", "1.0", 60, 120, False, 0.02, 3, 2, ["strategist", "critic", "editor"], "qwen", 0.5,
        1536, None, "explicit",
        {"clarity": 0.3, "specificity": 0.3, "actionability": 0.2, "consistency": 0.2}, "prompt_optimization",
    ),
    "product-builder": (
        "product-builder", "1.0", 80, 600, True, 0.015, 4, 3,
        ["product_strategist", "systems_architect", "implementer", "reviewer"], "llama3", 0.55, 3072, 45, "explicit",
        {"correctness": 0.3, "product_coherence": 0.2, "maintainability": 0.2, "ux_quality": 0.15,
         "shipping_readiness": 0.15}, "product_builder",
    ),
    "general-research": (
        "general-research", "1.0", 40, 240, False, 0.02, 3, 2, ["researcher", "verifier", "synthesizer"], "llama3",
        0.35, 3072, 30, "explicit",
        {"factual_grounding": 0.3, "citation_coverage": 0.25, "source_quality": 0.25, "synthesis_quality": 0.2},
        "general_research",
    ),
    "lora-adapter": (
        "lora-adapter", "1.0", 50, 180, False, 0.02, 2, 1, ["adapter-builder", "adapter-auditor"], "llama3", 0.3,
        1024, None, "explicit", {"lora_quality": 0.5, "performance": 0.3, "safety": 0.2}, "lora_validation",
    ),
}  # fmt: skip
TODAY = ["example", "code-quality", "product-builder"]


def bound(name: str) -> Bound:
    loaded = load(BUNDLED / f"{name}.toml")
    rules = find_rules(BUNDLED, loaded.blueprint.evaluator.rules)
    assert rules.problems == ()
    return bind(loaded, facts(rule_scores=rule_scores(rules.paths)))


@pytest.mark.parametrize("path", sorted(BUNDLED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_bundled_blueprint_loads_without_a_warning(path):
    assert load(path).warnings == ()


@pytest.mark.parametrize("name", AS_IN_THE_ORIGINAL)
def test_the_six_have_what_they_had_in_the_original(name):
    it = load(BUNDLED / f"{name}.toml").blueprint
    assert it.agents is not None and it.models is not None and it.library is not None
    (model,) = it.models.models
    assert (
        it.name, it.blueprint.version, it.constraints.max_iterations, it.constraints.timeout_seconds,
        it.constraints.require_tests_pass, it.constraints.min_improvement, it.agents.council_size,
        it.agents.debate_rounds, [agent.name for agent in it.agents.agents], model.name, model.temperature,
        model.max_tokens, model.requests_per_minute, it.models.assignment,
        {metric.name: metric.weight for metric in it.metrics.metrics}, it.library.template,
    ) == AS_IN_THE_ORIGINAL[name]  # fmt: skip
    assert all(metric.direction == "maximize" for metric in it.metrics.metrics)
    assert (model.provider, model.endpoint) == ("ollama", "http://localhost:11434")
    assert it.library.setup_required == (name != "example")


@pytest.mark.parametrize("name", TODAY)
def test_three_run_today_without_a_model(name):
    found = bound(name)
    assert found.evaluators == ("pytest",)
    assert found.blueprint.proposer_kind == "mutate"
    assert {warning.where.partition("[")[0] for warning in found.warnings} <= {
        "domain.target_files",
        "domain.protected",
    }


@pytest.mark.parametrize("name", sorted(set(AS_IN_THE_ORIGINAL) - set(TODAY)))
def test_the_others_say_which_evaluator_they_wait_for(name):
    with pytest.raises(BlueprintError) as caught:
        bound(name)
    builtin = load(BUNDLED / f"{name}.toml").blueprint.evaluator.builtin
    assert any(f"needs the {builtin} evaluator" in problem.message for problem in caught.value.problems)


def test_they_bind_once_their_evaluators_and_the_council_are_there():
    judges = {**FACTS.sources, "prompt": frozenset({"*"}), "research": frozenset({"*"}), "lora": frozenset({"*"})}
    paths = ("prompts/a.md", "docs/b.md", "adapters/a.json")
    for name in set(AS_IN_THE_ORIGINAL) - set(TODAY):
        loaded = load(BUNDLED / f"{name}.toml")
        found = bind(loaded, facts(sources=judges, tree_paths=paths, proposers=frozenset({"council"})))
        assert all(binding.evaluator == found.evaluator for binding in found.metric_sources)


def test_the_product_rules_count_what_they_say(tmp_path):
    """Run by hand, with the `score` of the plug-in, on a product with half of everything."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text('__all__ = ["f", "gone"]\n\ndef f():\n    """Said."""\n\ndef g(): ...\n')
    (tmp_path / "src" / "b.py").write_text("# TODO: later\nraise SystemExit()\n")
    (tmp_path / "README.md").write_text("Only f is named here.\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
         "--rootdir=.", str(BUNDLED / "rules" / "product.py")],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": str(Path(sys.executable).parent)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "product_coherence = 0.5" in run.stdout
    assert "ux_quality = 0.25" in run.stdout
    assert "shipping_readiness = 0.25" in run.stdout


def test_the_smallest_blueprint_of_the_documentation_binds():
    page = (BUNDLED.parent / "docs" / "blueprint.md").read_text(encoding="utf-8")
    (text,) = (part.partition("```")[0] for part in page.split("```toml\n")[1:])
    assert describe(bind(parse(text, "smallest.toml"), FACTS)) == (
        "metrics    performance 1 <- tests.cpu, minimize, noisy",
    )
