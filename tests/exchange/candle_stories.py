"""Small files of candles, and the feed that reads them."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from streams.domain.parameters import CandleFile, FeedParameters
from streams.exchange.candles import CandleFeed
from streams.exchange.push import FundingNotice, Push

D = Decimal
MINUTE = 60_000_000
SPOT, PERPETUAL = "binance:BTCUSDT", "binance-usdm:BTC_USDT"
# 2023-11-14 16:00 UTC, a settlement time.
NOON = 1_699_977_600_000_000


def line(minute: int, prices: str = "100,110,95,105", volume: str = "8") -> str:
    """A candle `minute` minutes after NOON; prices as open,high,low,close."""
    return f"{(NOON + minute * MINUTE) // 1000},{prices},{volume}"


def write_csv(path: Path, lines: Iterable[str]) -> str:
    path.write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return str(path)


def parameters_of(
    *candles: str, instrument: str = SPOT, marks: tuple[str, ...] = (), funding: tuple[str, ...] = (), **more: object
) -> FeedParameters:
    return FeedParameters.model_validate({
        "kind": "candles", "symbols": (instrument.partition(":")[2],), "interval_seconds": 60,
        "candles": tuple(CandleFile(path=path, instrument=instrument) for path in candles),
        "marks": tuple(CandleFile(path=path, instrument=PERPETUAL) for path in marks),
        "funding": tuple(CandleFile(path=path, instrument=PERPETUAL) for path in funding), **more,
    })  # fmt: skip


def said_by(parameters: FeedParameters) -> list[Push | FundingNotice]:
    return list(CandleFeed(parameters).pushes())


def pushes_of(parameters: FeedParameters) -> list[Push]:
    return [one for one in said_by(parameters) if isinstance(one, Push)]


def notices_of(parameters: FeedParameters) -> list[FundingNotice]:
    return [one for one in said_by(parameters) if isinstance(one, FundingNotice)]


def seconds_after_noon(push: Push | FundingNotice) -> float:
    return (push.receive_time - NOON) / 1e6
