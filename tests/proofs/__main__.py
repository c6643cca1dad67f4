"""`python -m tests.proofs soak|fuzz|mutants`: the longer proofs. Exit code 0: all that was asked ran and held."""

import json
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, NamedTuple

import pytest
import typer
from rich.console import Console
from rich.markup import escape

from tests.proofs import fuzz, mutants, soak
from tests.proofs.tier import Tier


class Kind(StrEnum):
    SOAK = "soak"
    FUZZ = "fuzz"
    MUTANTS = "mutants"


class Recipe(NamedTuple):
    """How a tier runs, and its count where none is asked for."""

    count: int
    arguments: Callable[[int], list[str]]
    plugins: Callable[[Tier], list[object]]


RECIPES = {
    Kind.SOAK: Recipe(soak.CASES, soak.arguments, soak.plugins),
    Kind.FUZZ: Recipe(fuzz.COUNT, fuzz.arguments, fuzz.plugins),
    Kind.MUTANTS: Recipe(mutants.COUNT, mutants.arguments, mutants.plugins),
}


def main(
    kind: Annotated[
        Kind, typer.Argument(help="soak: kills, seeded sessions, alterations; fuzz: the suite's properties; mutants: bugs put in.")
    ],
    seed: Annotated[int, typer.Option(help="Where all randomness comes from.")] = 1,
    count: Annotated[
        int | None, typer.Option(min=1, help="At most so many cases (soak, mutants), examples of each property (fuzz).")
    ] = None,
    only: Annotated[str, typer.Option(metavar="TEXT", help="Only the cases whose names hold it, as pytest's -k takes it.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="How many mutants run at once.")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome on standard output.")] = False,
) -> None:
    """A proof that was interrupted goes on where it was, as long as seed, count, choice and commit are the same."""
    recipe = RECIPES[kind]
    with Tier(kind.value, seed=seed, count=count or recipe.count, only=only, jobs=jobs) as tier:
        # Without pytest's own terminal, the bar is all there is to see.
        common = ["-p", "no:terminal", "-p", "no:cacheprovider", "-k", only]
        pytest.main([*recipe.arguments(seed), *common], plugins=[*recipe.plugins(tier), tier])
    code = tier.finish()
    if as_json:
        print(json.dumps(tier.document(), indent=2))
    else:
        _tell(tier)
    raise typer.Exit(code)


def _tell(tier: Tier) -> None:
    console = Console(stderr=True)
    for case, text in tier.failures.items():
        console.print(f"[red]failed:[/] {escape(case)}\n{escape(text)}", highlight=False)
    held = tier.run - len(tier.failures)
    console.print(f"{tier.name}: {held} of {tier.asked} cases held, seed {tier.seed}", highlight=False)


if __name__ == "__main__":
    sys.exit(typer.run(main))
