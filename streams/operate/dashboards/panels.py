"""
The panels and queries that our dashboards are made of, with one look.

Each panel has a title, a meaning (units and signs, shown when the mouse rests on it) and queries of one source: PromQL to
Prometheus, or SQL to Postgres. Colours say good or bad only at a limit that an alert or a setting has.
"""

from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

# As deploy/grafana/provisioning names them.
PROMETHEUS = models.DataSourceRef(type_val="prometheus", uid="cdb-prometheus")
POSTGRES = models.DataSourceRef(type_val="grafana-postgresql-datasource", uid="cdb-postgres")

# Grafana's own: at least four times the interval at which Prometheus asks.
RATE = "$__rate_interval"

GREEN, YELLOW, RED = "green", "yellow", "red"

Panel = cog.Builder[models.Panel]
_Builder = timeseries.Panel | stat.Panel | table.Panel | bargauge.Panel


class Prom(NamedTuple):
    """PromQL. `legend` names a series by its labels, as in {{stage}}."""

    text: str
    legend: str = ""


class Sql(NamedTuple):
    """SQL in Grafana's macros. One that has a column `time` is shown over it."""

    text: str


Query = Prom | Sql


class SqlQuery(variants.Dataquery):
    """What Grafana's Postgres source asks; the SDK knows it not."""

    def __init__(self, sql: str, form: str, ref_id: str) -> None:
        self._sql, self._form, self._ref_id = sql, form, ref_id

    def to_json(self) -> dict[str, object]:
        return {"refId": self._ref_id, "format": self._form, "rawQuery": True, "rawSql": self._sql, "editorMode": "code"}


class _Made(cog.Builder[variants.Dataquery]):
    """A query that is complete already, where the SDK wants a builder."""

    def __init__(self, made: variants.Dataquery) -> None:
        self._made = made

    def build(self) -> variants.Dataquery:
        return self._made


class Limit(NamedTuple):
    """From `value` on the colour is another."""

    value: float
    color: str = RED


def line(
    title: str, meaning: str, *queries: Query, unit: str = "none", width: int = 12, limits: Sequence[Limit] = (),
    least: float | None = None,
) -> Panel:  # fmt: skip
    """Lines over time; limits are drawn as lines too."""
    made = _common(timeseries.Panel(), title, meaning, queries, "time_series", unit=unit, limits=limits, width=width, height=8)
    assert isinstance(made, timeseries.Panel)
    legend = common.VizLegendOptions().show_legend(True).display_mode(looks.LegendDisplayMode.LIST)
    made.legend(legend.placement(looks.LegendPlacement.BOTTOM))
    made.line_width(1).fill_opacity(8).show_points(looks.VisibilityMode.NEVER)
    made.tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING))
    if limits:
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(looks.GraphTresholdsStyleMode.DASHED))
    return made if least is None else made.axis_soft_min(least)


def number(title: str, meaning: str, query: Query, *, unit: str = "none", width: int = 4, limits: Sequence[Limit] = ()) -> Panel:
    """The newest value, large, over its course."""
    made = _common(stat.Panel(), title, meaning, [query], "table", unit=unit, limits=limits, width=width, height=4)
    assert isinstance(made, stat.Panel)
    return made.reduce_options(_newest()).graph_mode(looks.BigValueGraphMode.NONE).color_mode(
        looks.BigValueColorMode.VALUE if limits else looks.BigValueColorMode.NONE
    )  # fmt: skip


def bars(title: str, meaning: str, query: Query, *, unit: str = "none", width: int = 12, limits: Sequence[Limit] = ()) -> Panel:
    """One bar for each series or row, by its newest value."""
    made = _common(bargauge.Panel(), title, meaning, [query], "table", unit=unit, limits=limits, width=width, height=8)
    assert isinstance(made, bargauge.Panel)
    made.reduce_options(_newest().values(isinstance(query, Sql))).orientation(looks.VizOrientation.HORIZONTAL)
    return made.display_mode(looks.BarGaugeDisplayMode.BASIC)


def rows(title: str, meaning: str, query: Query, *, width: int = 24, height: int = 9, unit: str = "none") -> Panel:
    """A table, newest first where it has a time."""
    made = _common(table.Panel(), title, meaning, [query], "table", unit=unit, limits=(), width=width, height=height)
    assert isinstance(made, table.Panel)
    return made.show_header(True).cell_height(looks.TableCellHeight.SM)


def _common(
    panel: _Builder, title: str, meaning: str, queries: Sequence[Query], form: str, *, unit: str, limits: Sequence[Limit], width: int,
    height: int,
) -> _Builder:  # fmt: skip
    assert len({type(query) for query in queries}) == 1, f"{title}: all queries must ask one source"
    panel.title(title).description(meaning).unit(unit).span(width).height(height)
    panel.datasource(PROMETHEUS if isinstance(queries[0], Prom) else POSTGRES)
    for place, query in enumerate(queries):
        panel.with_target(_target(query, form, chr(ord("A") + place)))
    steps = [models.Threshold(value=None, color=GREEN), *(models.Threshold(value=each.value, color=each.color) for each in limits)]
    return panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))


def _target(query: Query, form: str, ref_id: str) -> cog.Builder[variants.Dataquery]:
    if isinstance(query, Sql):
        return _Made(SqlQuery(query.text, form, ref_id))
    asked = prometheus.Dataquery().expr(query.text).legend_format(query.legend or "__auto").ref_id(ref_id)
    return asked.range() if form == "time_series" else asked.instant().format(PromQueryFormat(form))


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])
