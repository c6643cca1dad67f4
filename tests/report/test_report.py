"""The report of whole sessions: one file that loads nothing, holds what the topics hold, and is drawn by valid charts."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from streams.domain.records import Order, OrderResult, PortfolioSnapshot
from streams.errors import ConfigError
from streams.log.layout import Layout
from streams.operate.runtime import STAGES
from streams.replay.backtest import Backtest
from streams.replay.summary import records_of, summary_of
from streams.report.gather import Material
from streams.report.page import report, write_report
from tests.report.sessions import busy_settings, material, quiet_settings, ran

BYTES_MAX = 8_000_000
CHROMIUM = shutil.which("chromium")


class Page(HTMLParser):
    """What a browser would see: elements in order, addresses, JSON blocks, texts of table cells, and whether all that opened closed."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.blocks: dict[str, str] = {}
        self.exact: list[str] = []
        self.scripts = self.styles = ""
        self._block = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data", "poster") and value]
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if found.get("title"):
            self.exact.append(found["title"] or "")
        self._block = found.get("id") or "" if tag == "script" else ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> must close what is open"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and self._block:
            self.blocks[self._block] = self.blocks.get(self._block, "") + data
        if self.open and self.open[-1] == "style":
            self.styles += data

    @property
    def charts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.blocks["charts"])
        return found


@pytest.fixture(scope="module")
def busy() -> Backtest:
    return ran(busy_settings())


@pytest.fixture(scope="module")
def seen(busy: Backtest) -> Material:
    return material(busy)


@pytest.fixture(scope="module")
def page(seen: Material) -> Page:
    return Page(report(seen))


def test_report_is_one_whole_file_that_may_load_nothing(seen: Material, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    size = write_report(seen, file)
    text = file.read_text(encoding="utf-8")
    assert size == file.stat().st_size < BYTES_MAX
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>") and not page.open
    assert "default-src 'none'" in page.policy, "the browser itself forbids every request"
    assert all(address.startswith("#") for address in page.addresses)
    assert "url(" not in page.styles and "@import" not in page.styles
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"], "nothing beside it"


def test_report_holds_the_numbers_of_the_topics(busy: Backtest, seen: Material, page: Page) -> None:
    layout = Layout.of(busy.settings)

    def records(topic: str) -> list[Any]:
        return list(records_of(busy.log, layout, busy.codec, topic))

    for account in ("main", "bold"):
        snapshots = [one for one in records("portfolio_snapshots") if isinstance(one, PortfolioSnapshot) and one.account == account]
        for exact in (snapshots[-1].equity, snapshots[-1].fees, snapshots[-1].realized_pnl):
            assert f"{exact:f}" in page.exact
        trace = next(one for one in page.charts["performance"]["data"] if one["name"] == account and one["yaxis"] == "y2")
        assert min(trace["y"]) == pytest.approx(-100 * float(max(one.drawdown for one in snapshots)))
    refused = [one for one in records("orders") if isinstance(one, Order) and not one.approved]
    [bars] = page.charts["refusals"]["data"]
    assert sum(bars["x"]) == len(refused) and set(bars["y"]) == {one.rejection_code for one in refused}
    fills = [one for one in records("order_results") if isinstance(one, OrderResult) and one.quantity]
    assert len(fills) > 10
    assert sum(page.charts["slippage"]["data"][0]["y"]) == len(fills)
    traces = [trace for figure in page.charts["prices"].values() for trace in figure["data"] if trace.get("name") in ("buy", "sell")]
    drawn = [x for trace in traces for x in trace["x"]]
    assert sorted(drawn) == sorted(one.fill_time // 1000 for one in fills)
    summary = summary_of(busy.log, busy.settings, busy.codec, tuple(STAGES.values()))
    assert sum(page.charts["results"]["data"][0]["y"]) == sum(summary.round_trips.values())


def test_every_trade_has_its_own_chart_with_entry_exit_and_stop_within_its_prices(page: Page) -> None:
    charts = page.charts["trades"]
    assert len(charts) > 5
    for figure in charts.values():
        traces = {trace.get("name", trace["type"]): trace for trace in figure["data"]}
        assert {"buy", "stop", "price"} <= traces.keys() or {"sell", "stop", "price"} <= traces.keys()
        shown = traces["price"]
        for side in ("buy", "sell"):
            for x, y in zip(*(traces.get(side, {"x": [], "y": []})[axis] for axis in "xy"), strict=True):
                assert shown["x"][0] <= x <= shown["x"][-1] + 1000
                assert min(shown["low"]) * 0.99 < y < max(shown["high"]) * 1.01


def test_charts_are_what_plotly_takes(page: Page) -> None:
    """plotly checks every name and value; the page's JavaScript would silently ignore a wrong one."""
    charts = page.charts
    figures = [charts[name] for name in ("performance", "costs", "slippage", "results", "refusals")]
    for figure in [*figures, *charts["prices"].values(), *list(charts["trades"].values())[:5]]:
        go.Figure(figure)


@pytest.mark.parametrize(("seconds", "has_snapshot"), [(60, True), (10, False)])
def test_session_without_a_trade_says_why_and_draws_what_there_is(seconds: int, has_snapshot: bool) -> None:
    quiet = report(material(ran(quiet_settings(seconds))))
    found = Page(quiet)
    assert "Why nothing traded" in quiet and "No strategy gave a signal" in quiet and "warming up" in quiet
    assert not found.open and found.charts["slippage"] is None and found.charts["prices"]["BTCUSDT"] is not None
    assert (found.charts["performance"] is not None) is has_snapshot
    assert ("No account has a snapshot yet" in quiet) is not has_snapshot


def test_equal_sessions_have_equal_reports(seen: Material) -> None:
    assert report(seen) == report(seen)


def test_words_of_a_session_cannot_become_markup(busy: Backtest) -> None:
    seen = material(busy)
    evil = "</script><script>alert(1)</script>"
    page = report(seen._replace(reasons={evil: evil}, prices={evil: seen.prices["BTCUSDT"]}))
    assert evil not in page and "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    found = Page(page)
    assert not found.open and list(found.charts["prices"]) == [evil]


def test_report_into_a_folder_that_is_not_there_is_refused(seen: Material, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be in a folder that is there, was"):
        write_report(seen, tmp_path / "no" / "report.html")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_browser_draws_every_chart_and_logs_no_error(seen: Material, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_report(seen, file)
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--virtual-time-budget=20000", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    assert not re.findall(r"CONSOLE.*(?:rror|efused).*", done.stderr)
    # Performance, prices, one trade, results, costs, slippage, refusals.
    assert len(re.findall(r'class="chart js-plotly-plot"', done.stdout)) == 7
