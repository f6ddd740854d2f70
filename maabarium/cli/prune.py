"""`maabarium prune`: list, and with `--yes` remove, old runs and what they left behind."""

from __future__ import annotations

from pathlib import Path

import click

from maabarium.cli.ages import days_of
from maabarium.cli.pruning import Plan, carry_out, make_plan
from maabarium.cli.stored import cache_of, database_option, json_option, open_store
from maabarium.cli.terminal import note, print_json, print_table

__all__ = ["command"]


@click.command("prune")
@click.option(
    "--older-than", "days", callback=days_of, default="90d", show_default=True, metavar="AGE",
    help="12h, 90d, 8w, 3m(onths) or 1y.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do it; without, only list.")
@click.option("--keep-branches", is_flag=True, help="Leave all branches alone.")
@click.option("--force", is_flag=True, help="Also remove winners that nobody merged or applied.")
@database_option
@json_option
def command(days: float, yes: bool, keep_branches: bool, force: bool, database: Path | None, as_json: bool) -> None:
    """Remove runs whose last event is older than an age, and what is left of them.

    That is: their rows, their branches maabarium/* that are merged and that no younger run uses, their pins
    refs/maabarium/*, the snapshots of plain folders, and folders of dead runs in the cache. A checked-out branch, and
    a running run, always stay; winners that are not merged or applied stay without --force.
    """
    cache = cache_of(database)
    with open_store(database, readonly=not yes) as store:
        plan = make_plan(store, cache, days, keep_branches=keep_branches, force=force)
        if yes:
            carry_out(plan, store, cache)
    if as_json:
        print_json({"done": yes, "remove": [vars(item) for item in plan.items], "keep": [vars(i) for i in plan.kept]})
    else:
        _print(plan, yes)


def _print(plan: Plan, done: bool) -> None:
    if plan.items:
        print_table(("what", "name", "run", "why"), [(i.kind, i.name, i.run_id, i.why) for i in plan.items])
    for item in plan.kept:
        note(f"kept {item.kind} {item.name}: {item.why}")
    if not plan.items:
        note("there is nothing to remove")
    elif done:
        note("all of this was removed")
    else:
        note("nothing was removed yet: do it with --yes")
