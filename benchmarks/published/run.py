"""Three published packages with one throughput rule each: what a run keeps, and whether it is real outside of it.

    python benchmarks/published/run.py [--packages sqlparse,mistune,humanize] [--seconds 300] [--pairs 25]

Each package is the source release of today's pins with its own test suite; `rules/NAME.py` is all that is added. A run
of `pytest --maabarium` proposes without a model. Then each kept change is compared with the champion before it by
`alternating`: fresh processes, outside Maabarium. Is its gain real, and its size within the interval that the run gave?
humanize's tests need freezegun (extra `bench`).
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.path.insert(0, str(Path(__file__).parents[1]))

from alternating import compare
from fetching import unpack

from maabarium.records import Outcome
from maabarium.store import Store

BLUEPRINT = """
[blueprint]
name = "{name}"
version = "1.0.0"
description = "faster, with every test as green as before"
[domain]
repo_path = "target"
target_files = ["{folder}/{name}/**/*.py"]
language = "python"
[constraints]
max_iterations = 1000
timeout_seconds = 120
require_tests_pass = true
min_improvement = 0.0
[metrics]
metrics = [{{ name = "speed", weight = 1.0, direction = "maximize", source = "score:speed" }}]
[evaluator]
kind = "pytest"
rules = ["test_speed.py"]
args = {args}
[proposer]
kind = "mutate"
[budget]
wall_seconds = {seconds}
"""
RULES = Path(__file__).parent / "rules"


@dataclass(frozen=True)
class Package:
    """A release, the folder from which it is imported, and arguments for its tests."""

    requirement: str
    folder: str
    args: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.requirement.partition("==")[0]


PACKAGES = (
    Package("sqlparse==0.6.1", "."),
    Package("mistune==3.4.0", "src", ("-k", "not near_linear")),  # they compare times, which a busy machine fails
    Package("humanize==4.17.0", "src"),
)


def main() -> None:
    """Fetch, run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", default=",".join(package.name for package in PACKAGES), metavar="NAME,…")
    parser.add_argument("--seconds", type=int, default=300, help="of each run (default 300)")
    parser.add_argument("--pairs", type=int, default=25, help="of fresh processes for each kept change (default 25)")
    options = parser.parse_args()
    chosen = [package for package in PACKAGES if package.name in options.packages.split(",")]
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for package in chosen:
        with tempfile.TemporaryDirectory() as folder:
            tried(package, Path(folder), options.seconds, options.pairs)


def tried(package: Package, folder: Path, seconds: int, pairs: int) -> None:
    """One package: a run, then every kept change compared outside of it."""
    print(f"\n{package.requirement}, {seconds} s, load {os.getloadavg()[0]:.1f} before", flush=True)
    target = folder / "target"
    problem = unpack(package.requirement, target)
    if problem:
        print(f"  {problem}")
        return
    committed(target)
    rule = folder / "test_speed.py"
    rule.write_text((RULES / f"{package.name}.py").read_text(encoding="utf-8"), encoding="utf-8")
    args = "[" + ", ".join(f'"{word}"' for word in package.args) + "]"
    facts = {"name": package.name, "folder": package.folder, "args": args, "seconds": seconds}
    (folder / "blueprint.toml").write_text(BLUEPRINT.format(**facts).replace("./", ""), encoding="utf-8")
    outcomes = ran(folder)
    kept = [outcome for outcome in outcomes if outcome.verdict == "promoted"]
    print(f"  kept {len(kept)} of {len(outcomes) - 1}, load {os.getloadavg()[0]:.1f} after")
    before = "HEAD"
    for outcome in kept:
        print(f"  #{outcome.number} {outcome.summary}")
        print(f"     {compared(package, folder, before, outcome, pairs)}", flush=True)
        before = outcome.commit
    if len(kept) > 1:
        print(f"  all together: {whole(package, folder, before, pairs)}")


def ran(folder: Path) -> list[Outcome]:
    """The outcomes of a run of the blueprint; what it says at its end is printed."""
    words = [sys.executable, "-m", "pytest", "--maabarium", "blueprint.toml", "--maabarium-db", "runs.db"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    env |= {"XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    (folder / "terminal.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    wanted = ("instrument:", "sessions:", "grader:")
    print("\n".join(f"  {line.strip()}" for line in done.stdout.splitlines() if line.strip().startswith(wanted)))
    if done.returncode not in (0, 5):
        print(done.stdout[-3000:] + done.stderr[-2000:])
        raise SystemExit(f"the run ended with {done.returncode}")
    with Store.open(folder / "runs.db", readonly=True) as store:
        (run,) = store.runs(1)
        return list(store.view(run.run_id).outcomes)


def compared(package: Package, folder: Path, before: str, outcome: Outcome, pairs: int) -> str:
    """What the run said of a kept change, and what fresh processes say."""
    low, high = outcome.interval or (float("nan"), float("nan"))
    seen = compare(*checkouts(package, folder, before, outcome.commit), folder / "test_speed.py", pairs, outcome.number)
    within = "within" if low <= seen.factor <= high else "OUTSIDE"
    return (
        f"run: x{outcome.effect:.3f} ({low:.3f} to {high:.3f}, {outcome.pairs} pairs); outside: x{seen.factor:.3f} "
        f"(± {seen.error:.1%}), faster in {seen.won} of {seen.pairs}; {within} the run's interval"
    )


def whole(package: Package, folder: Path, last: str, pairs: int) -> str:
    """The last champion beside the start."""
    seen = compare(*checkouts(package, folder, "HEAD", last), folder / "test_speed.py", pairs, 0)
    return f"x{seen.factor:.3f} (± {seen.error:.1%}), faster in {seen.won} of {seen.pairs}"


def checkouts(package: Package, folder: Path, *commits: str) -> list[Path]:
    """The folders from which the package of each commit is imported."""
    places = []
    for commit in commits:
        place = folder / f"tree-{commit[:12]}"
        if not place.exists():
            git(folder / "target", "worktree", "add", "-q", "--detach", str(place), commit)
        places.append(place / package.folder)
    return places


def committed(target: Path) -> None:
    """Make a repository of the whole release, also of what its own `.gitignore` names (a version that was written)."""
    git(target, "init", "-q")
    git(target, "add", "-A", "--force")
    git(target, "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "-qm", "release")


def git(repository: Path, *words: str) -> None:
    """Run git there; it must work."""
    subprocess.run(["git", "-C", str(repository), *words], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
