"""
The page: everything of a session in one HTML file that asks nobody for anything.

Charts are drawn by plotly's own JavaScript, which goes into the file (4 to 5 MB, the same for every session); the page's policy forbids
it, and everything else, to load a thing. What the page holds of a session is bounded whatever its length: see `NOTES`.
"""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from plotly.offline import get_plotlyjs

from streams.domain.statistics import Statistics
from streams.errors import ConfigError
from streams.report import figures, tables
from streams.report.gather import Material, Prices
from streams.report.series import BARS_MAX, CURVE_POINTS_MAX, DETAIL_BARS_MAX
from streams.report.trades import DETAILS_MAX, Trade, details_of, trades_of

FOLDER = Path(__file__).parent
SECTIONS = (
    ("overview", "Overview"), ("performance", "Performance"), ("trades", "Trades"), ("costs", "Costs"), ("decisions", "Decisions"),
    ("risk", "Risk"), ("settings", "Settings"),
)  # fmt: skip
SYMBOLS_MAX = 40
# Strategies tell their measures exactly; a person needs four places.
LONG_DECIMAL = re.compile(r"\d+\.\d{5,}")

NOTES = (
    f"Curves hold at most {CURVE_POINTS_MAX:,} points: of each of {CURVE_POINTS_MAX // 4:,} equal stretches the first, lowest, highest "
    "and last, so no peak and no fall is lost.",
    f"Prices hold at most {BARS_MAX:,} bars, of a single trade {DETAIL_BARS_MAX}: neighbours become one bar with the first open, the "
    "highest, the lowest and the last close.",
    f"Fills on a price chart: at most {figures.FILLS_MAX:,}, evenly chosen. Charts of single trades: the {DETAILS_MAX} with the largest "
    f"gain or loss. Tables: at most {tables.ROWS_MAX} rows; counts and sums are of all.",
    "Figures are rounded to be read; the pointer on one shows it exactly. Statistics are exact decimals, ratios rounded at 12 places.",
)


class Headline(NamedTuple):
    """One account's figures at the top."""

    account: str
    equity: tables.Cell
    currency: str
    gain: tables.Cell
    drawdown: tables.Cell
    sharpe: tables.Cell
    trips: tables.Cell
    wins: tables.Cell
    mode: str


def write_report(material: Material, path: Path) -> int:
    """
    The report of a session in `path`, as a whole or not at all; its bytes.

    Raises: ConfigError where the file cannot be written.
    """
    return written(report(material), path)


def written(text: str, path: Path) -> int:
    """The bytes of a page in `path`, as a whole or not at all. Raises: ConfigError where the file cannot be written."""
    page = text.encode()
    part = writable(path).with_name(f".{path.name}.part")
    try:
        part.write_bytes(page)
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"the report's file must be writable, was {path}: {error.strerror}") from error
    return len(page)


def writable(path: Path) -> Path:
    """
    The path, where a report can be written to it; to be asked before a session runs for an hour.

    Raises: ConfigError where its folder is not there, or it is a folder.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigError(f"the report's file must be in a folder that is there, was {path}")
    return path


def report(material: Material) -> str:
    """The whole page. Equal sessions, equal pages: nothing of the clock or the machine is in it."""
    trades = trades_of(material)
    found = tables.statistics_by_account(material)
    session = material.settings.session
    return rendered(
        "page.html.j2", title=f"{session} – report", heading=session, sections=SECTIONS, feed=material.settings.feed,
        code_version=material.code_version,
        first=tables.moment(material.first_time), last=tables.moment(material.last_time),
        length=tables.duration(max(material.last_time - material.first_time, 0)), headlines=_headlines(material, found),
        records=material.records, approved=material.approved, fills=sum(one.quantity > 0 for one in material.results),
        reasons={name: readable(words) for name, words in material.reasons.items()}, refusals=material.refusals,
        statistics=tables.statistics_table(material, found), short=tables.is_short(found), tables=_tables(material, trades),
        symbols=list(priced(material)), sources={name: one.source for name, one in priced(material).items()},
        settings=tables.settings_table(material), digest=material.settings.digest(), notes=NOTES,
        charts=_charts(material, trades),
    )  # fmt: skip


def rendered(template: str, **values: Any) -> str:
    """A page of the house's look: its style, its script and what draws its `charts` are in it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        **values, plotly=get_plotlyjs(), style=_own("page.css"), script=_own("page.js"), embedded=_embedded
    )


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _tables(material: Material, trades: list[Trade]) -> dict[str, tables.Table]:
    return {
        "trades": tables.trades_table(trades), "strategies": tables.strategies_table(trades), "refusals": tables.refusals_table(material),
        "ledger": tables.ledger_table(material), "modes": tables.modes_table(material), "alert_counts": tables.alert_counts(material),
        "alerts": tables.alerts_table(material), "commands": tables.commands_table(material),
        "allocations": tables.allocations_table(material),
    }  # fmt: skip


def priced(material: Material) -> dict[str, Prices]:
    """Symbols with a price, those that traded first."""
    traded = {result.symbol for result in material.results if result.quantity}
    names = sorted((name for name, one in material.prices.items() if one.bars.times), key=lambda name: (name not in traded, name))
    return {name: material.prices[name] for name in names[:SYMBOLS_MAX]}


def _charts(material: Material, trades: list[Trade]) -> dict[str, Any]:
    """Every chart by the name of its place on the page; None where there is nothing to draw."""
    return {
        "performance": figures.performance(material), "costs": figures.costs(material), "slippage": figures.slippage(material),
        "results": figures.results(trades), "refusals": figures.refusals(material.refusals),
        "prices": {name: figures.price(material, name, one) for name, one in priced(material).items()},
        "trades": {str(place): figures.trade(detail) for place, detail in details_of(material, trades).items()},
    }  # fmt: skip


def _embedded(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _headlines(material: Material, found: dict[str, Statistics]) -> list[Headline]:
    made = []
    for name, one in found.items():
        last = material.snapshots[name][-1]
        made.append(Headline(
            account=name, equity=tables.amount(one.equity), currency=last.currency, gain=tables.share(one.total_return, toned=True),
            drawdown=tables.share(one.max_drawdown), sharpe=tables.amount(one.sharpe), wins=tables.share(one.win_rate),
            trips=tables.amount(Decimal(one.round_trips), 0), mode=last.risk_mode.value,
        ))  # fmt: skip
    return made


def readable(words: str) -> str:
    """The words with no more places than a person needs."""
    return LONG_DECIMAL.sub(_rounded, words)


def _rounded(found: re.Match[str]) -> str:
    return f"{round(Decimal(found.group()), 4).normalize():f}"
