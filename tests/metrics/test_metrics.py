"""The catalogue of metrics is what pages show, and nothing else can be shown."""

import itertools
import math

import pytest

from streams.metrics.catalogue import (
    CATALOGUE,
    DEAD_LETTERS,
    DECISION_AGE,
    DELAY_BUCKETS_S,
    FEED_PRICE,
    FRONTIER,
    TASKS,
    TURN_TIME,
    served_by,
)
from streams.metrics.made import Metrics, family

OWN = {"session": "s", "stage": "risk"}


def test_every_metric_of_a_room_is_shown_with_its_kind_and_meaning() -> None:
    page = Metrics(served_by("stage"), OWN).page().decode()
    for metric in served_by("stage"):
        assert f"# TYPE {metric.name} {metric.kind}\n" in page
        assert f"# HELP {metric.name} {metric.meaning} Unit: {metric.unit}." in page


def test_names_are_unique_carry_the_house_prefix_and_say_their_unit() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert metric.name.startswith(("streams_", "kafka_"))
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        assert metric.name.endswith(("_seconds", "_seconds_total")) is (metric.unit == "s")
        assert metric.name.endswith("_ratio") is (metric.unit == "1")
        assert bool(metric.buckets) is (metric.kind == "histogram")
        assert metric.meaning.endswith(".") and metric.room in {"stage", "feed", "lag", "operate"}


def test_delays_are_told_apart_five_times_a_decade_from_1_ms_to_10_s_and_at_the_objective() -> None:
    decades = [[one for one in DELAY_BUCKETS_S if low <= one < low * 10] for low in (0.001, 0.01, 0.1, 1.0)]
    assert [len(one) for one in decades] == [5, 5, 5, 5]
    assert (DELAY_BUCKETS_S[0], DELAY_BUCKETS_S[-1]) == (0.001, 10.0) and 0.25 in DELAY_BUCKETS_S
    steps = [math.log10(b / a) for a, b in itertools.pairwise(DELAY_BUCKETS_S)]
    assert all(0.17 <= step <= 0.23 for step in steps)


def test_counts_gauges_and_histograms_carry_the_labels_of_their_process() -> None:
    metrics = Metrics(served_by("stage"), OWN)
    read = metrics.registry.get_sample_value
    assert read("streams_tasks", OWN) == 0 and read("streams_turn_seconds_count", OWN) == 0
    metrics.count(DEAD_LETTERS, "signals", "decodable", by=2)
    metrics.set(FRONTIER, "0", value=1.5)
    metrics.set(TASKS, value=3)
    metrics.observe(TURN_TIME, 0.004)
    metrics.observe(DECISION_AGE, 0.2)
    assert read("streams_dead_letters_total", {**OWN, "topic": "signals", "rule": "decodable"}) == 2
    assert read("streams_frontier_seconds", {**OWN, "task": "0"}) == 1.5
    assert read("streams_tasks", OWN) == 3
    assert read("streams_turn_seconds_bucket", {**OWN, "le": "0.005"}) == 1
    assert read("streams_decision_age_seconds_bucket", {**OWN, "le": "0.25"}) == 1
    assert read("streams_decision_age_seconds_bucket", {**OWN, "le": "0.15"}) == 0
    metrics.forget(FRONTIER)
    assert read("streams_frontier_seconds", {**OWN, "task": "0"}) is None


def test_metric_that_the_process_does_not_serve_or_labels_it_does_not_have_are_bugs() -> None:
    metrics = Metrics(served_by("stage"), OWN)
    with pytest.raises(KeyError):
        metrics.set(FEED_PRICE, "s", "BTCUSDT", value=1)
    with pytest.raises(AssertionError, match="streams_tasks has the labels"):
        metrics.set(TASKS, "0", value=1)
    with pytest.raises(AssertionError, match="streams_feed_last_price has the labels"):
        family(FEED_PRICE, {("BTCUSDT",): 1.0})
