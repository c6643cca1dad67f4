"""Every property of the suite with more examples, from a seed: the tests' own bounds are put aside."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.proofs.tier import Tier

FOLDERS = ("tests/domain", "tests/contract", "tests/simulation", "tests/log", "tests/exchange")


class Deeper:
    """A pytest plugin: keeps the hypothesis tests, and gives each `tier.count` examples from the run's seed, `tenfold` ones ten times."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        found = [item for item in items if is_hypothesis_test(getattr(item, "function", None))]
        config.hook.pytest_deselected(items=[item for item in items if item not in found])
        items[:] = found
        tenfold = {item.function for item in found if item.get_closest_marker("tenfold")}  # type: ignore[attr-defined]
        for test in {item.function for item in found}:  # type: ignore[attr-defined]
            self._deepen(test, self._tier.count * (10 if test in tenfold else 1))

    def _deepen(self, test: Any, count: int) -> None:
        # Hypothesis has no public way to change a test's settings after its decorator, which outranks every profile.
        own = test._hypothesis_internal_use_settings
        test._hypothesis_internal_use_settings = settings(own, max_examples=count, derandomize=False)
        test.hypothesis.inner_test = self._counted(test.hypothesis.inner_test)

    def _counted(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inner)
        def counted(*args: Any, **named: Any) -> Any:
            self._tier.details["examples"] = self._tier.details.get("examples", 0) + 1
            return inner(*args, **named)

        return counted


def arguments(seed: int) -> list[str]:
    """Of pytest."""
    return [*FOLDERS, f"--hypothesis-seed={seed}", "--timeout=0"]


def plugins(tier: Tier) -> list[object]:
    return [Deeper(tier)]
