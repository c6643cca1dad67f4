"""The catalogue of metrics is what the page shows."""

from prometheus_client import generate_latest

from streams.agents.metrics import CATALOGUE, DEAD_LETTERS, FRONTIER, TURN_TIME, Metrics


def test_every_metric_of_the_catalogue_is_shown_with_its_kind_and_meaning() -> None:
    page = generate_latest(Metrics("risk").registry).decode()
    for metric in CATALOGUE:
        assert f"# TYPE {metric.name} {metric.kind}\n" in page
        assert f"# HELP {metric.name} {metric.meaning}" in page


def test_names_carry_the_house_prefix_and_say_their_unit() -> None:
    for metric in CATALOGUE:
        assert metric.name.startswith("streams_")
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        assert metric.name.endswith("_seconds") is (metric.unit == "s")


def test_counts_gauges_and_histograms_carry_the_stage() -> None:
    metrics = Metrics("risk")
    metrics.count(DEAD_LETTERS, "signals", "decodable", by=2)
    metrics.set(FRONTIER, "0", value=1.5)
    metrics.observe(TURN_TIME, 0.004)
    read = metrics.registry.get_sample_value
    assert read("streams_dead_letters_total", {"stage": "risk", "topic": "signals", "rule": "decodable"}) == 2
    assert read("streams_frontier_seconds", {"stage": "risk", "task": "0"}) == 1.5
    assert read("streams_turn_seconds_bucket", {"stage": "risk", "le": "0.005"}) == 1
    metrics.forget(FRONTIER)
    assert read("streams_frontier_seconds", {"stage": "risk", "task": "0"}) is None
