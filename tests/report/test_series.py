"""Curves and bars made smaller without losing what they are looked at for."""

from hypothesis import given
from hypothesis import strategies as st

from streams.report.series import BarBuilder, Curve, histogram, thinned

VALUES = st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=1, max_size=400)


@given(VALUES, st.integers(min_value=4, max_value=100))
def test_thinned_curve_is_bounded_and_keeps_first_last_highest_and_lowest(values: list[float], points_max: int) -> None:
    curve = Curve(range(len(values)), values)
    found = thinned(curve, points_max)
    assert len(found.times) <= points_max or len(values) <= points_max
    assert list(found.times) == sorted(set(found.times)) and all(values[time] == value for time, value in zip(*found, strict=True))
    assert (found.times[0], found.times[-1]) == (0, len(values) - 1)
    assert (min(found.values), max(found.values)) == (min(values), max(values))


@given(VALUES, st.integers(min_value=1, max_value=20))
def test_merged_bars_are_bounded_and_keep_open_high_low_and_close(values: list[float], bars_max: int) -> None:
    builder = BarBuilder(10)
    for time, value in enumerate(values):
        builder.add(time * 3, value)
    merged = builder.bars.merged(bars_max)
    assert len(merged.times) <= bars_max
    assert (merged.opens[0], merged.closes[-1]) == (values[0], values[-1])
    assert (max(merged.highs), min(merged.lows)) == (max(values), min(values))


def test_prices_become_bars_of_their_second() -> None:
    builder = BarBuilder(1000)
    for time, price in ((100, 5.0), (900, 7.0), (1500, 4.0), (3200, 6.0)):
        builder.add(time, price)
    assert builder.bars == ([0, 1000, 3000], [5.0, 4.0, 6.0], [7.0, 4.0, 6.0], [5.0, 4.0, 6.0], [7.0, 4.0, 6.0])
    # What was the price at 1,200? The bar that holds it, and those up to the end asked for.
    assert builder.bars.between(1200, 2000).times == [1000, 3000]


@given(VALUES)
def test_histogram_counts_every_value_once(values: list[float]) -> None:
    bins = histogram(values)
    assert sum(bins["y"]) == len(values) and len(bins["x"]) <= 40


def test_histogram_of_nothing_and_of_one_value_is_one_that_can_be_drawn() -> None:
    assert histogram([])["y"] == [] and histogram([3.0, 3.0])["y"] == [2]
