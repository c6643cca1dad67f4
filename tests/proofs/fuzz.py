"""
Every property of the suite with more examples, from a seed: the tests' own bounds and deadlines are put aside.

The count is what each property of the domain gets, and each kind of record on its way through fastavro, Java and Postgres. Where one
example costs a hundred times that, `SHARES` says which part of the count is enough. So 10,000 take about an hour on one core.
"""

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.contract.strategies import VALUES, ValuesAsked
from tests.proofs.tier import Tier

COUNT = 10_000
PLACES = (
    "tests/domain", "tests/contract", "tests/simulation", "tests/log", "tests/exchange", "tests/report/test_series.py",
    "tests/operate/test_reconcile.py",
)  # fmt: skip
# By the beginning of a test's id; everything else gets the whole count.
SHARES = {
    "tests/simulation/": Fraction(1, 200),  # whole sessions, a second or two each
    "tests/operate/test_reconcile.py::": Fraction(1, 100),  # a reconciliation with Postgres each
    "tests/contract/test_compiled.py::": Fraction(1, 10),  # the codec's properties once more, on damaged bytes and against fastavro
    # As `test_any_values.py`, one by one, for records that break rules as well.
    "tests/contract/test_postgres.py::test_no_record_at_all": Fraction(1, 10),
    "tests/contract/test_converter.py::test_any_record": Fraction(1, 10),
}


def examples(test: str, count: int, own: int) -> int:
    """How many a property gets of `count`; never fewer than its `own`, where the count allows that."""
    share = next((share for place, share in SHARES.items() if test.startswith(place)), Fraction(1))
    return min(count, max(own, math.ceil(count * share)))


class Deeper:
    """
    A pytest plugin: keeps the hypothesis tests, and gives each its `examples` from the run's seed; keeps those marked `values` as well,
    which draw the whole count of each record themselves, and counts what they say of it.
    """

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        properties = [item for item in items if is_hypothesis_test(getattr(item, "function", None))]
        found = [item for item in items if item in properties or item.get_closest_marker("values")]
        config.hook.pytest_deselected(items=[item for item in items if item not in found])
        items[:] = found
        config.stash[VALUES] = ValuesAsked(self._tier.count, self._tier.seed)
        for test, name in {item.function: item.nodeid for item in properties}.items():  # type: ignore[attr-defined]
            self._deepen(test, name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts what a test says of itself."""
        if report.when == "call" and report.passed:
            for name, value in report.user_properties:
                self._tier.details[name] = self._tier.details.get(name, 0) + int(str(value))

    def _deepen(self, test: Any, name: str) -> None:
        # Hypothesis has no public way to change a test's settings after its decorator, which outranks every profile.
        own = test._hypothesis_internal_use_settings
        test._hypothesis_internal_use_settings = settings(
            own, max_examples=examples(name, self._tier.count, own.max_examples), derandomize=False, deadline=None,
            suppress_health_check=[*own.suppress_health_check, HealthCheck.too_slow],
        )  # fmt: skip
        test.hypothesis.inner_test = self._counted(test.hypothesis.inner_test)

    def _counted(self, inner: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inner)
        def counted(*args: Any, **named: Any) -> Any:
            self._tier.details["examples"] = self._tier.details.get("examples", 0) + 1
            return inner(*args, **named)

        return counted


def arguments(seed: int) -> list[str]:
    """Of pytest."""
    return [*PLACES, f"--hypothesis-seed={seed}", "--timeout=0"]


def plugins(tier: Tier) -> list[object]:
    return [Deeper(tier)]
