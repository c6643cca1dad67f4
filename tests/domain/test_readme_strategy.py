"""The strategy that the README shows whole: it is short, it runs as it stands, and its table is one of a strategies file."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from streams.domain.parameters import FeedParameters, SessionSettings, StrategyParameters
from streams.domain.records import Side
from streams.domain.signals import strategy_faults
from tests.domain.market import MINUTE, START, SYMBOL, make_market, trade
from tests.domain.signals_run import Run

README = Path(__file__).parents[2] / "README.md"


def block(language: str) -> str:
    section = README.read_text(encoding="utf-8").split("## Adding a strategy")[1].split("\n## ")[0]
    [found] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return found


@pytest.fixture
def average(tmp_path, monkeypatch) -> ModuleType:
    """The README's file as a module."""
    file = tmp_path / "average.py"
    file.write_text(block("python"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("average", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "average", module)
    spec.loader.exec_module(module)
    return module


def test_shown_strategy_takes_about_thirty_lines():
    assert sum(bool(line.strip()) for line in block("python").splitlines()) <= 32


def test_shown_strategy_runs_with_the_shown_table(average):
    [table] = tomllib.loads(block("toml"))["strategy"]
    parameters = {name: str(value) for name, value in table.pop("parameters").items()}
    one = StrategyParameters(**{**table, "accounts": tuple(table["accounts"])}, parameters=parameters | {"AVERAGE_CANDLES": "2"})
    kinds = {"average": average.Average}
    assert strategy_faults(one.model_copy(update={"parameters": parameters}), kinds) == []
    assert strategy_faults(one.model_copy(update={"parameters": {"AVERAGE_CANDLES": "1"}}), kinds) == [
        "AVERAGE_CANDLES must be a whole number 2..500, was 1"
    ]
    settings = SessionSettings(feed=FeedParameters(symbols=(SYMBOL,)), strategies=(one,))
    run = Run(settings, recode=True, kinds=kinds)
    for place, close in enumerate(["100", "102", "102", "99"]):
        time = START + place * MINUTE
        run.take(make_market(time, sequence=place, trades=[trade(close, time=time)]))
    run.until(START + 10 * MINUTE)
    # Averages 101, 102, 100.5
    assert [(one.side, one.price, one.indicators) for one in run.of("signals")] == [
        (Side.BUY, 102, '{"average":"101"}'), (Side.SELL, 99, '{"average":"100.5"}'),
    ]  # fmt: skip
    assert run.stage.diagnosis(run.state) == {(table["name"], SYMBOL): "average over 2 candles so far"}
