"""
What the soak is made of: kills and rebalances on the real stack, seeded sessions in memory, alterations that a replay must find, and
days of a live exchange that fails a hundred times.
"""

from typing import NamedTuple

import pytest

from tests.kafka.story import PARTS, PROCESSES
from tests.proofs.tier import Tier

# How many of each; a session of kills or of three workers takes most of a minute, the others seconds.
KILLS, WORKERS, SIMULATIONS, ALTERATIONS, DAYS = 10, 50, 50, 200, 1

# Who is killed in one session, each at a moment of its own.
VICTIMS = {"processes": PROCESSES, "parts": PARTS}


class Case(NamedTuple):
    """`test`: the function that takes it; `subject`: whom it kills (of `VICTIMS`), else empty; `number`: counts those of a kind from 0."""

    test: str
    subject: str
    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.subject}-{self.number}" if self.subject else str(self.number)


def all_cases() -> list[Case]:
    """Mixed, so that any number of them from the first on holds each kind in its share."""
    found = [Case("kills", subject, number, KILLS) for subject in VICTIMS for number in range(KILLS)]
    found += [Case("workers", "", number, WORKERS) for number in range(WORKERS)]
    found += [Case("simulation", "", number, SIMULATIONS) for number in range(SIMULATIONS)]
    found += [Case("alteration", "", number, ALTERATIONS) for number in range(ALTERATIONS)]
    found.append(Case("outage", "", 0, 1))
    found += [Case("exchange", "", number, DAYS) for number in range(DAYS)]
    return sorted(found, key=lambda case: ((case.number + 0.5) / case.of, case))


CASES = len(all_cases())


class Soak:
    """A pytest plugin that gives the tests of `soak_cases` their cases."""

    def __init__(self, tier: Tier) -> None:
        self._seed, self._count = tier.seed, tier.count
        self._places = {case: place for place, case in enumerate(all_cases())}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "case" not in metafunc.fixturenames:
            return
        own = [case for case in self._places if metafunc.function.__name__.startswith(f"test_{case.test}_")]
        metafunc.parametrize("case", own, ids=str)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The first ones of those that are left; each kind together, as its fixtures want it."""
        first = sorted(items, key=self._place)[: self._count]
        items[:] = [item for item in items if item in first]

    def _place(self, item: pytest.Item) -> int:
        return self._places[item.callspec.params["case"]]  # type: ignore[attr-defined]

    @pytest.fixture(scope="session")
    def seed(self) -> int:
        """Of the whole soak; each case mixes its own name in."""
        return self._seed


def arguments(seed: int) -> list[str]:
    """Of pytest."""
    return ["tests/proofs/soak_cases.py", "--timeout=900"]


def plugins(tier: Tier) -> list[object]:
    return [Soak(tier)]
