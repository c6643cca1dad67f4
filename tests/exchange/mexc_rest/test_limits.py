"""MEXC's limits, kept by all processes of a machine together."""

import subprocess
import sys
from pathlib import Path

from streams.exchange.mexc.events import Market
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.rest.routes import Route

NOW = 1_700_000_000_000


def test_no_window_of_ten_seconds_holds_more_weight_than_its_endpoint_may(tmp_path: Path) -> None:
    """exchangeInfo weighs 10 of 500: fifty may go; the next when the first is ten seconds old."""
    with SharedLimits(tmp_path / "limits") as limits:
        assert [limits.take(Route.EXCHANGE_INFO, NOW + n) for n in range(50)] == [0] * 50
        assert 0 < limits.take(Route.EXCHANGE_INFO, NOW + 60) <= 1000
        # Each endpoint has a limit of its own.
        assert limits.take(Route.DEPTH, NOW + 60) == 0
        assert limits.take(Route.EXCHANGE_INFO, NOW + 9_000) > 0
        assert limits.take(Route.EXCHANGE_INFO, NOW + 10_001) == 0


def test_share_is_what_of_a_limit_is_used_but_one_request_always_fits(tmp_path: Path) -> None:
    with SharedLimits(tmp_path / "limits", share=0.5) as limits:
        assert [limits.take(Route.CONTRACT_DEPTH, NOW) == 0 for _ in range(12)] == [True] * 10 + [False] * 2
        assert limits.take(Route.CONTRACT_DETAIL, NOW) == 0
        assert limits.take(Route.CONTRACT_DETAIL, NOW + 4_999) > 0
        assert limits.take(Route.CONTRACT_DETAIL, NOW + 5_001) == 0


_OTHER = """
import sys
from pathlib import Path
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.rest.routes import Route
with SharedLimits(Path(sys.argv[1])) as limits:
    print(sum(limits.take(Route.CONTRACT_DEPTH, int(sys.argv[2])) == 0 for _ in range(15)))
"""


def test_processes_of_a_machine_share_one_limit(tmp_path: Path) -> None:
    """Three that want 15 each are given 20 together."""
    others = [
        subprocess.Popen([sys.executable, "-c", _OTHER, str(tmp_path / "limits"), str(NOW)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert sum(int(one.communicate(timeout=60)[0]) for one in others) == 20


def test_market_that_was_told_to_keep_still_is_held_for_all_and_the_later_moment_counts(tmp_path: Path) -> None:
    with SharedLimits(tmp_path / "limits") as one, SharedLimits(tmp_path / "limits") as other:
        one.hold(Market.SPOT, NOW + 5_000)
        other.hold(Market.SPOT, NOW + 2_000)
        assert other.held(Market.SPOT) == NOW + 5_000
        assert other.take(Route.DEPTH, NOW) == 1000
        assert other.take(Route.DEPTH, NOW + 4_900) == 100
        assert other.take(Route.DEPTH, NOW + 5_000) == 0
        assert other.take(Route.CONTRACT_DEPTH, NOW) == 0
