"""
The charts, as data that plotly draws: curves of accounts, prices with fills, histograms. Colours of paper, text and grid are the
page's own, by its theme.

Every curve and every list is bounded (see `streams.report.series`); what is left out is said under the chart.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec

from streams.domain.records import PortfolioSnapshot, RiskMode
from streams.report.gather import Material, Prices, Refusal
from streams.report.series import Curve, histogram, milliseconds, shown, thinned
from streams.report.trades import Trade, fills_of

Figure = dict[str, Any]

COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ec4899", "#06b6d4", "#84cc16", "#ef4444")
BUY, SELL, STOP, PRICE = "#16a34a", "#ef4444", "#f59e0b", "#64748b"
MODE_COLOURS = {RiskMode.REDUCE_ONLY: "#f59e0b", RiskMode.HALT_ALL: "#ef4444"}
MODES_MAX = 100
FILLS_MAX = 2000
_PLAIN = {"exponentformat": "none", "separatethousands": True}
# Above so many bars candles are thinner than a line: a line with its range says the same.
CANDLES_DRAWN_MAX = 400


def performance(material: Material) -> Figure | None:
    """
    Equity, drawdown and exposure of every account over one time axis; None without a snapshot.

    Of several accounts the change of equity is drawn, in per cent: a small one would be flat beside a large one.
    """
    drawn = {name: snapshots for name, snapshots in material.snapshots.items() if snapshots}
    if not drawn:
        return None
    several = len(drawn) > 1
    measures: tuple[tuple[str, str, Callable[[PortfolioSnapshot], float]], ...] = (
        ("equity", "y", lambda one: 100 * float(one.equity / one.initial_equity - 1) if several else float(one.equity)),
        ("drawdown", "y2", lambda one: -100 * float(one.drawdown)),
        ("exposure", "y3", lambda one: 100 * float(one.exposure / one.equity) if one.equity > 0 else 0.0),
    )
    data = []
    for place, (name, snapshots) in enumerate(drawn.items()):
        colour = COLOURS[place % len(COLOURS)]
        # A part begins with whatever was there.
        whole = snapshots if material.part.start is not None else [_opening(snapshots[0], material.first_time), *snapshots]
        for what, axis, value in measures:
            trace = _line(whole, value, name=name, colour=colour, unit="" if what == "equity" and not several else " %")
            trace |= {"yaxis": axis, "legendgroup": name, "showlegend": what == "equity" and several}
            if what != "equity":
                # What is held changes with fills, and every fill has its snapshot.
                shape = "hv" if what == "exposure" else "linear"
                trace |= {"fill": "tozeroy", "fillcolor": _faded(colour), "line": {"color": colour, "width": 1.2, "shape": shape}}
            data.append(trace)
    equity = "change of equity" if several else f"equity, {next(iter(drawn.values()))[0].currency}"
    layout = plain_layout(height=560) | {
        "xaxis": {"type": "date", "anchor": "y3"}, "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "yaxis": {"domain": [0.48, 1], "title": {"text": equity}, "ticksuffix": " %" if several else ""} | _PLAIN,
        "yaxis2": {"domain": [0.24, 0.44], "title": {"text": "drawdown"}, "ticksuffix": " %", "rangemode": "tozero"},
        "yaxis3": {"domain": [0, 0.2], "title": {"text": "exposure"}, "ticksuffix": " %", "rangemode": "tozero"},
        "shapes": _mode_bands(drawn),
    }  # fmt: skip
    return {"data": data, "layout": layout}


def costs(material: Material) -> Figure | None:
    """Fees paid, funding received and what conversion gained so far, of every account; None where there was none of them."""
    data = []
    for place, (name, snapshots) in enumerate(material.snapshots.items()):
        colour = COLOURS[place % len(COLOURS)]
        owner = f" of {name}" if len(material.snapshots) > 1 else ""
        if any(one.fees for one in snapshots):
            data.append(_line(snapshots, lambda one: float(one.fees), name=f"fees paid{owner}", colour=colour, shape="hv"))
        if any(one.funding for one in snapshots):
            funding = _line(snapshots, lambda one: float(one.funding), name=f"funding received{owner}", colour=colour, shape="hv")
            data.append(funding | {"line": {"color": colour, "width": 1.6, "dash": "dot", "shape": "hv"}})
        if any(one.conversion for one in snapshots):
            gained = _line(snapshots, lambda one: float(one.conversion or 0), name=f"conversion{owner}", colour=colour, shape="hv")
            data.append(gained | {"line": {"color": colour, "width": 1.6, "dash": "dash", "shape": "hv"}})
    legend = {"orientation": "h", "y": -0.16, "x": 0}
    layout = plain_layout(height=320 + 10 * len(data)) | {
        "xaxis": {"type": "date"}, "yaxis": {"title": {"text": "sum so far"}} | _PLAIN, "legend": legend,
    }  # fmt: skip
    return {"data": [one | {"showlegend": True} for one in data], "layout": layout} if data else None


def price(material: Material, symbol: str, prices: Prices) -> Figure | None:
    """A symbol's price over the session with every fill; None without a price."""
    bars = prices.bars.merged()
    if not bars.times:
        return None
    data = _bars(bars.document(), len(bars.times))
    data += _fills(fills_of(material, symbol, FILLS_MAX))
    return {"data": data, "layout": _price_layout(height=420)}


def trade(detail: dict[str, Any]) -> Figure:
    """One trade on its price: fills, the way between them, and the stop."""
    bars = detail["bars"]
    data = _bars(bars, len(bars["t"])) if bars is not None and bars["t"] else []
    fills = detail["fills"]
    data.append({
        "type": "scatter", "mode": "lines", "x": [fill[0] for fill in fills], "y": [fill[1] for fill in fills], "hoverinfo": "skip",
        "line": {"color": COLOURS[0], "width": 1.5, "dash": "dot"}, "showlegend": False,
    })  # fmt: skip
    if detail["stops"]:
        data.append({
            "type": "scatter", "mode": "lines", "name": "stop", "x": [stop[0] for stop in detail["stops"]],
            "y": [stop[1] for stop in detail["stops"]], "line": {"color": STOP, "width": 1.5, "dash": "dash", "shape": "hv"},
        })  # fmt: skip
    title = {"text": detail["title"], "x": 0.01, "y": 0.97, "font": {"size": 13}}
    return {"data": data + _fills(fills), "layout": _price_layout(height=380) | {"title": title}}


def slippage(material: Material) -> Figure | None:
    """How many fills were how much worse (right of 0) or better than the mark they were decided on."""
    values = [float(one.slippage_bps) for one in material.results if one.quantity and one.slippage_bps is not None]
    return _histogram(values, unit="bps", what="fills", axis="slippage against the decision's mark, basis points (worse is positive)")


def results(trades: Sequence[Trade]) -> Figure | None:
    """How many trades gained or lost how much of what they opened."""
    values = [100 * float(one.result) for one in trades if one.result is not None]
    return _histogram(values, unit="%", what="trades", axis="result after fees, per cent of what was opened")


def refusals(found: Sequence[Refusal]) -> Figure | None:
    """Refused decisions by code, the most frequent on top."""
    if not found:
        return None
    rows = list(reversed(found))
    data = [{
        "type": "bar", "orientation": "h", "x": [one.total for one in rows], "y": [one.code for one in rows],
        "marker": {"color": COLOURS[0]}, "text": [f"{one.total:,}" for one in rows], "textposition": "auto",
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
    }]  # fmt: skip
    layout = plain_layout(height=90 + 26 * len(rows)) | {
        "yaxis": {"automargin": True, "showgrid": False, "ticks": "", "tickfont": {"size": 11}},
        "xaxis": {"title": {"text": "decisions"}}, "hovermode": "closest", "showlegend": False,
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _faded(colour: str) -> str:
    """A fifth of a colour, for areas."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"


def plain_layout(*, height: int) -> Figure:
    """What the charts have in common."""
    return {"height": height, "margin": {"l": 70, "r": 20, "t": 30, "b": 40}, "hovermode": "x unified", "showlegend": True}


def _price_layout(*, height: int) -> Figure:
    legend = {"orientation": "h", "y": -0.12, "x": 0}
    axis = {"type": "date", "rangeslider": {"visible": False}}
    price_axis = {"title": {"text": "price"}} | _PLAIN
    return plain_layout(height=height) | {"xaxis": axis, "legend": legend, "hovermode": "closest", "yaxis": price_axis}


def _line(
    snapshots: Sequence[PortfolioSnapshot], value: Callable[[PortfolioSnapshot], float], *, name: str, colour: str,
    shape: str = "linear", unit: str = "",
) -> Figure:
    curve = thinned(Curve([one.time for one in snapshots], [value(one) for one in snapshots]))
    return {
        "type": "scatter", "mode": "lines" if len(curve.times) > 1 else "markers", "name": name,
        "x": [milliseconds(time) for time in curve.times], "y": [shown(found) for found in curve.values],
        "line": {"color": colour, "width": 1.6, "shape": shape}, "hovertemplate": f"%{{y:,.2f}}{unit}",
    }  # fmt: skip


def _opening(first: PortfolioSnapshot, time: int) -> PortfolioSnapshot:
    """The account as it was made, before its first snapshot."""
    return msgspec.structs.replace(
        first, time=min(time, first.time), equity=first.initial_equity, drawdown=Decimal(0), exposure=Decimal(0)
    )


def _mode_bands(drawn: dict[str, list[PortfolioSnapshot]]) -> list[Figure]:
    """Stretches in which an account was not RUNNING."""
    bands: list[Figure] = []
    for snapshots in drawn.values():
        for before, after in pairwise(snapshots):
            if before.risk_mode is RiskMode.RUNNING:
                continue
            start, end, colour = milliseconds(before.time), milliseconds(after.time), MODE_COLOURS[before.risk_mode]
            if bands and bands[-1]["x1"] == start and bands[-1]["fillcolor"] == colour:
                bands[-1]["x1"] = end
                continue
            bands.append({
                "type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": end, "y0": 0, "y1": 1, "fillcolor": colour,
                "opacity": 0.10, "line": {"width": 0}, "layer": "below",
            })  # fmt: skip
    return bands[:MODES_MAX]


def _bars(bars: dict[str, list[Any]], count: int) -> list[Figure]:
    if count <= CANDLES_DRAWN_MAX:
        return [{
            "type": "candlestick", "name": "price", "x": bars["t"], "open": bars["o"], "high": bars["h"], "low": bars["l"],
            "close": bars["c"], "increasing": {"line": {"color": "#5aa17f", "width": 1}},
            "decreasing": {"line": {"color": "#c9757a", "width": 1}}, "showlegend": False,
        }]  # fmt: skip
    edge = {"type": "scatter", "mode": "lines", "x": bars["t"], "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    close = {
        "type": "scatter", "mode": "lines", "name": "price", "x": bars["t"], "y": bars["c"], "showlegend": False,
        "line": {"color": PRICE, "width": 1.2}, "hovertemplate": "%{y:,.8~f}<extra></extra>",
    }  # fmt: skip
    return [edge | {"y": bars["l"]}, edge | {"y": bars["h"], "fill": "tonexty", "fillcolor": _faded(PRICE)}, close]


def _fills(fills: Sequence[Sequence[Any]]) -> list[Figure]:
    """Buys point up, sells down."""
    sides = (
        ("buy", BUY, "triangle-up", [fill for fill in fills if fill[2]]),
        ("sell", SELL, "triangle-down", [fill for fill in fills if not fill[2]]),
    )
    return [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": [fill[0] for fill in own], "y": [fill[1] for fill in own],
            "text": [fill[3] for fill in own], "hovertemplate": "%{text}<br>%{x}<extra></extra>",
            "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"color": "#ffffff", "width": 0.8}},
        }
        for name, colour, symbol, own in sides if own
    ]  # fmt: skip


def _histogram(values: Sequence[float], *, unit: str, what: str, axis: str) -> Figure | None:
    if not values:
        return None
    bins = histogram(values)
    data = [{
        "type": "bar", "x": bins["x"], "y": bins["y"], "width": bins["width"], "customdata": bins["text"],
        "marker": {"color": [SELL if (x > 0) == (unit == "bps") and x else BUY for x in bins["x"]], "opacity": 0.85},
        "hovertemplate": f"%{{customdata}} {unit}: %{{y:,}} {what}<extra></extra>",
    }]  # fmt: skip
    layout = plain_layout(height=320) | {
        "bargap": 0.02, "hovermode": "closest", "showlegend": False, "xaxis": {"title": {"text": axis}},
        "yaxis": {"title": {"text": what}, "rangemode": "tozero"},
        "shapes": [{"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": PRICE, "dash": "dot"}}],
    }  # fmt: skip
    return {"data": data, "layout": layout}
