"""Minutes of market with faults at random moments; `make soak` has whole days."""

import pytest

from tests.exchange.mexc_feed.day import assert_held, lived


@pytest.mark.parametrize("seed", [1, 3])
def test_minutes_with_random_faults_are_complete_or_marked_and_nothing_twice(seed):
    day = lived(seed=seed, seconds=600, faults=8, rate=1)
    assert_held(day)
    assert day.session.pool.status.faults or day.counts.gaps
