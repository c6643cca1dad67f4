"""
An incident's charts: what happened by lanes, prices with fills and refusals, lag. Every list is bounded; what is left out is evenly so.

Times are drawn in ms, lag in ms; the dotted line is the moment that the incident is about.
"""

from collections.abc import Sequence
from html import escape

from streams.report import figures
from streams.report.figures import COLOURS, FILLS_MAX, PRICE, SELL, STOP, Figure
from streams.report.incident.gather import Incident, Refused
from streams.report.incident.timeline import BAD, LANES, WARN, Moment, even
from streams.report.series import Curve, milliseconds, shown, thinned

LANE_POINTS_MAX = 1000
_TONES = {BAD: SELL, WARN: STOP}


def timeline(incident: Incident) -> Figure | None:
    """A point for each moment on the lane of its kind; a line for what repeated itself."""
    if not incident.moments:
        return None
    data: list[Figure] = []
    for lane in LANES:
        moments = even([one for one in incident.moments if one.lane == lane], LANE_POINTS_MAX)
        lasting = [one for one in moments if one.until > one.time]
        if lasting:
            # One trace with breaks instead of a trace for each.
            data.append({
                "type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False, "connectgaps": False,
                "x": [x for one in lasting for x in (milliseconds(one.time), milliseconds(one.until), None)],
                "y": [y for _ in lasting for y in (lane, lane, None)], "line": {"color": COLOURS[0], "width": 3}, "opacity": 0.35,
            })  # fmt: skip
        if moments:
            data.append({
                "type": "scatter", "mode": "markers", "name": lane, "showlegend": False,
                "x": [milliseconds(one.time) for one in moments], "y": [lane] * len(moments),
                "text": [_words(one) for one in moments],
                "hovertemplate": "%{text}<br>%{x}<extra></extra>",
                "marker": {"size": 9, "color": [_TONES.get(one.tone, COLOURS[0]) for one in moments]},
            })  # fmt: skip
    return {"data": data, "layout": figures.plain_layout(height=380) | {
        "hovermode": "closest", "showlegend": False, "xaxis": _axis(incident), "shapes": [_line_at(incident)],
        "yaxis": {"type": "category", "categoryorder": "array", "categoryarray": LANES[::-1], "range": [-0.6, len(LANES) - 0.4]},
    }}  # fmt: skip


def price(incident: Incident, symbol: str) -> Figure | None:
    """A symbol's price with every fill, and every refusal at the mark it was decided on; None without a price."""
    figure = figures.price(incident.material, symbol, incident.material.prices[symbol])
    if figure is None:
        return None
    figure["data"] += _refusals(even(incident.refused.get(symbol, []), FILLS_MAX))
    figure["layout"] |= {"shapes": [_line_at(incident)]}
    figure["layout"]["xaxis"] |= {"range": _axis(incident)["range"]}
    return figure


def performance(incident: Incident) -> Figure | None:
    """Equity, drawdown and exposure over the part; None without a snapshot in it."""
    figure = figures.performance(incident.material)
    if figure is not None:
        figure["layout"]["shapes"] = [*figure["layout"]["shapes"], _line_at(incident)]
        figure["layout"]["xaxis"] |= {"range": _axis(incident)["range"]}
    return figure


def lag(incident: Incident) -> Figure | None:
    """How late the market's records came, how old what marks are made of was, how long fills took; None where nothing was measured."""
    found = incident.lag
    data = [_curve(curve, symbol, place, "y") for place, (symbol, curve) in enumerate(found.market.items())]
    data += [_curve(curve, symbol, place, "y2") for place, (symbol, curve) in enumerate(found.marks.items())]
    answers = even(found.answers, FILLS_MAX)
    if answers:
        data.append({
            "type": "scatter", "mode": "markers", "name": "fills", "yaxis": "y3", "x": [milliseconds(one.time) for one in answers],
            "y": [one.lasted / 1000 for one in answers], "text": [one.words for one in answers], "showlegend": False,
            "hovertemplate": "%{text}: %{y:,.3~f} ms<extra></extra>", "marker": {"size": 7, "color": PRICE},
        })  # fmt: skip
    if not data:
        return None
    axes = (("yaxis", [0.7, 1], "market, ms"), ("yaxis2", [0.36, 0.64], "at marks, ms"), ("yaxis3", [0, 0.28], "fills, ms"))
    return {"data": data, "layout": figures.plain_layout(height=520) | {
        "hovermode": "closest", "xaxis": _axis(incident) | {"anchor": "y3"}, "legend": {"orientation": "h", "y": 1.08, "x": 0},
        "shapes": [_line_at(incident)],
        **{name: {"domain": part, "title": {"text": words}, "rangemode": "tozero", "exponentformat": "none"} for name, part, words in axes},
    }}  # fmt: skip


def _words(moment: Moment) -> str:
    times = f" (×{moment.times:,})" if moment.times > 1 else ""
    return f"{escape(moment.about)}<br>{escape(moment.words)}{times}"


def _curve(curve: Curve, symbol: str, place: int, axis: str) -> Figure:
    found = thinned(curve)
    return {
        "type": "scatter", "mode": "lines" if len(found.times) > 1 else "markers", "name": symbol, "legendgroup": symbol,
        "showlegend": axis == "y", "yaxis": axis, "x": [milliseconds(time) for time in found.times],
        "y": [shown(value / 1000) for value in found.values], "line": {"color": COLOURS[place % len(COLOURS)], "width": 1.2},
        "hovertemplate": f"{symbol}: %{{y:,.3~f}} ms<extra></extra>",
    }  # fmt: skip


def _refusals(found: Sequence[Refused]) -> list[Figure]:
    if not found:
        return []
    return [{
        "type": "scatter", "mode": "markers", "name": "refused", "x": [milliseconds(one.time) for one in found],
        "y": [shown(float(one.price)) for one in found], "text": [escape(one.words) for one in found],
        "hovertemplate": "%{text}<br>%{x}<extra></extra>",
        "marker": {"color": STOP, "symbol": "x-thin", "size": 8, "line": {"color": STOP, "width": 1.8}},
    }]  # fmt: skip


def _axis(incident: Incident) -> Figure:
    margin = max((incident.end - incident.start) // 50, 1_000_000)
    return {"type": "date", "range": [milliseconds(incident.start - margin), milliseconds(incident.end + margin)]}


def _line_at(incident: Incident) -> Figure:
    at = milliseconds(incident.at)
    return {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": {"color": PRICE, "dash": "dot"}}
