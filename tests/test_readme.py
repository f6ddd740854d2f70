"""The README keeps its word: commands are run, snippets are files, links resolve, dependencies are listed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from maabarium.blueprint.rules import rule_scores
from maabarium.blueprint.schema import Blueprint

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "blueprints/README.md")
] + sorted((ROOT / "docs").glob("*.md"))

RUN_HERE = {
    "pytest --maabarium blueprints/quickstart.toml",
    "maabarium init",
    "maabarium validate --bind maabarium.toml",
    "pytest --maabarium maabarium.toml",
    "maabarium diff",
    "maabarium apply",
}
"""Commands that tests below run as they are written, with a bound on length added."""

RUN_ELSEWHERE = {
    "pip install -e .": ".ci/run",
    'pip install -e ".[test]"': ".ci/run",
    'pip install -e ".[local]"': "",
    "pytest --maabarium blueprints/local-llm.toml": "tests/host/test_host_local.py",
    "pytest": ".ci/run",
    "pip install maabarium": "tests/test_packaging.py",
    "pytest --maabarium maabarium.toml --maabarium-report report.md --junitxml loop.xml": "tests/host/test_host_run.py",
    'cat report.md >> "$GITHUB_STEP_SUMMARY"': "",
    "maabarium export --format patch -o winners.patch": "tests/cli/test_cli_reading.py",
}
"""Slow commands, or such as need a network, and what runs them or their like. Empty: not ours."""


def blocks(language: str) -> list[str]:
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every command that the README tells a reader to type, or a CI file to run."""
    lines = [line for language in ("bash", "console") for block in blocks(language) for line in block.splitlines()]
    lines += [line.removeprefix("- run: ") for block in blocks("yaml") for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.removeprefix("$ ").split("&&") if part.strip()]


def shell(command: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the README with this interpreter's scripts, its cache put aside."""
    scripts = str(Path(sys.executable).parent)
    env = dict(os.environ, XDG_CACHE_HOME=str(folder / ".cache-of-test"), COLUMNS="100")
    env["PATH"] = os.pathsep.join([scripts, env["PATH"]])
    env.pop("PYTEST_ADDOPTS", None)
    argv = [*shlex.split(command), *more]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def test_every_command_is_run_by_somebody() -> None:
    found = commands()
    assert found
    assert [c for c in found if c not in RUN_HERE and c not in RUN_ELSEWHERE] == []
    assert [c for c in (*RUN_HERE, *RUN_ELSEWHERE) if c not in found] == []
    assert [place for place in RUN_ELSEWHERE.values() if place and not (ROOT / place).is_file()] == []


def test_figures_name_a_benchmark() -> None:
    section = README.split("## How well it works")[1].split("\n## ")[0]
    rows = re.findall(r"^\| .+ \| .*\d.* \| (?:`(.+)`|same) \|$", section, flags=re.MULTILINE)
    assert rows[0]
    for command in filter(None, rows):
        program = command.split()[1:]
        place = program[1].replace(".", "/") if program[0] == "-m" else program[0]
        assert (ROOT / place).exists(), command


def test_the_quickstart_command_checks_out(tmp_path: Path) -> None:
    """As written, in this checkout; --collect-only binds everything and measures nothing."""
    before = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    database = ["--maabarium-db", str(tmp_path / "runs.db")]
    done = shell("pytest --maabarium blueprints/quickstart.toml", ROOT, "--collect-only", "-q", *database)
    after = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    assert done.returncode == 0, done.stdout + done.stderr
    assert "experiment[1]" in done.stdout
    assert "quickstart.toml" not in set(after.splitlines()) - set(before.splitlines())
    assert not (tmp_path / "runs.db").exists()


def test_the_commands_for_your_own_project(tmp_path: Path) -> None:
    """One after the other, in a small repository."""
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "pyproject.toml").write_text('[project]\nname = "sums"\nversion = "1"\n')
    (project / "conftest.py").write_text("")
    (project / "sums.py").write_text(
        'def total(rows):\n    found = []\n    for row in rows:\n        if row in ["a", "b"]:\n'
        "            found.append(row)\n    return len(found)\n"
    )
    (project / "tests" / "test_sums.py").write_text(
        "from sums import total\n\n\ndef test_total():\n    assert total('abcab' * 1000) == 4000\n"
    )
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for argv in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run([*git, *argv], cwd=project, check=True)
    steps = [c for block in blocks("bash") if "maabarium init" in block for c in block.splitlines()]
    assert [step.split(" ")[0] for step in steps] == ["maabarium", "maabarium", "pytest", "maabarium", "maabarium"]
    said = {}
    for step in steps:
        more = ["--maabarium-iterations", "1"] if step.startswith("pytest") else []
        done = shell(step, project, *more)
        if step == "maabarium init":  # as drafted, but for the length of a confirmation
            drafted = project / "maabarium.toml"
            assert "\n[acceptance]" not in drafted.read_text()
            drafted.write_text(drafted.read_text() + "\n[acceptance]\nmax_pairs = 8\n")
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"
        said[step] = done.stdout + done.stderr
    assert "1 baseline" in said["pytest --maabarium maabarium.toml"]


@pytest.mark.parametrize("named", re.findall(r"<!-- file: (\S+) -->", README))
def test_snippets_are_files(named: str) -> None:
    shown = re.search(rf"<!-- file: {re.escape(named)} -->\n```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert shown is not None
    assert shown.group(1) == (ROOT / named).read_text(encoding="utf-8")


def test_every_python_snippet_is_a_file() -> None:
    assert len(blocks("python")) == len(re.findall(r"<!-- file: \S+\.py -->", README)) > 0


def test_the_entry_point_is_that_of_the_example() -> None:
    shown = tomllib.loads(blocks("toml")[0])
    real = tomllib.loads((ROOT / "examples/plugins/wheel-size/pyproject.toml").read_text())
    assert shown["project"]["entry-points"] == real["project"]["entry-points"]


def test_the_rules_example_runs_by_hand_and_measures_what_the_readme_says() -> None:
    rules = ROOT / "examples" / "rules" / "test_words.py"
    done = shell(f"pytest -q -n 0 -p no:cacheprovider {rules.relative_to(ROOT)}", ROOT)
    assert done.returncode == 0, done.stdout
    assert "words_per_s = " in done.stdout
    assert "manners = 2 of 2" in done.stdout
    assert rule_scores((rules,)) == {"words_per_s", "manners"}
    assert 'source = "score:words_per_s"' in README


def anchors(page: str) -> set[str]:
    """Fragments of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, fragment = link.partition("#")
        place = page.parent / path if path else page
        if not place.exists() or (fragment and fragment not in anchors(place.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == pages


def requirement_names(requirements: list[str]) -> list[str]:
    return [re.split(r"[<>=!~\[; ]", requirement)[0] for requirement in requirements]


def test_the_dependency_table_is_complete() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    section = README.split("## What it depends on")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, flags=re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(requirement_names(project["dependencies"]))
    assert all(why.strip() for _, why in rows)
    for extra in project["optional-dependencies"]:
        assert f"`{extra}`" in section


def test_the_blueprint_table_names_real_sections() -> None:
    section = README.split("## The blueprint")[1].split("\n## ")[0]
    named = set(re.findall(r"`\[+([a-z]+)[.\]]", section))
    assert named
    assert named <= set(Blueprint.model_fields)


def test_the_transcript_is_of_the_quickstart() -> None:
    (transcript,) = re.findall(r"<!-- transcript -->\n```\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert transcript.startswith("$ pytest --maabarium blueprints/quickstart.toml\n")
    assert "maabarium summary" in transcript
    counts = re.search(r"(\d+) baseline, (\d+) promoted", transcript)
    assert counts is not None
    assert len(re.findall(r"^  \+ #\d+", transcript, re.MULTILINE)) == int(counts[2])


def test_no_page_names_a_machine() -> None:
    """Pages are for readers elsewhere."""
    for page in PAGES:
        assert str(ROOT) not in page.read_text(encoding="utf-8"), page
