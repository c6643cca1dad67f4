"""Metrics made from the catalogue: a process can count, set and observe what stands there, and nothing else."""

from collections.abc import Iterable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase

from streams.metrics.catalogue import Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST
Family = CounterMetricFamily | GaugeMetricFamily


def help_text(metric: Metric) -> str:
    """What a metrics page says of it."""
    return f"{metric.meaning} Unit: {metric.unit}."


class Metrics:
    """Metrics of one process in a registry of their own: several can share a process. `fixed`: labels that never change."""

    def __init__(self, served: Iterable[Metric], fixed: Mapping[str, str] | None = None) -> None:
        self.registry = CollectorRegistry()
        self._fixed = dict(fixed or {})
        self._made: dict[str, MetricWrapperBase] = {}
        for metric in served:
            self._made[metric.name] = self._make(metric)
            if set(metric.labels) <= self._fixed.keys():
                self._child(metric, ())  # Shown as zero from the start.

    def _make(self, metric: Metric) -> MetricWrapperBase:
        text = help_text(metric)
        match metric.kind:
            case "counter":
                return Counter(metric.name, text, metric.labels, registry=self.registry)
            case "gauge":
                return Gauge(metric.name, text, metric.labels, registry=self.registry)
            case "histogram":
                return Histogram(metric.name, text, metric.labels, registry=self.registry, buckets=metric.buckets)

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> MetricWrapperBase:
        """The labels that are not fixed come in the catalogue's order."""
        made, given = self._made[metric.name], iter(labels)
        values = [self._fixed[name] if name in self._fixed else next(given) for name in metric.labels]
        assert next(given, None) is None, f"{metric.name} has the labels {metric.labels}, was given {labels}"
        return made.labels(*values) if values else made

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Adds to a counter."""
        counter = self._child(metric, labels)
        assert isinstance(counter, Counter), metric.name
        counter.inc(by)

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Sets a gauge."""
        gauge = self._child(metric, labels)
        assert isinstance(gauge, Gauge), metric.name
        gauge.set(value)

    def forget(self, metric: Metric) -> None:
        """Drops every labelled value of a gauge: of what is no more."""
        self._made[metric.name].clear()

    def observe(self, metric: Metric, seconds: float) -> None:
        """Adds to a histogram."""
        histogram = self._child(metric, ())
        assert isinstance(histogram, Histogram), metric.name
        histogram.observe(seconds)

    def page(self) -> bytes:
        """The text that Prometheus reads, of the type `CONTENT_TYPE`."""
        return generate_latest(self.registry)


def family(metric: Metric, values: Mapping[tuple[str, ...], float]) -> Family:
    """A counter or gauge whose values, by labels, were found when they were asked for."""
    assert metric.kind != "histogram", metric.name
    made: Family
    if metric.kind == "counter":
        made = CounterMetricFamily(metric.name, help_text(metric), labels=metric.labels)
    else:
        made = GaugeMetricFamily(metric.name, help_text(metric), labels=metric.labels)
    for labels, value in values.items():
        assert len(labels) == len(metric.labels), f"{metric.name} has the labels {metric.labels}, was given {labels}"
        made.add_metric(labels, value)
    return made
