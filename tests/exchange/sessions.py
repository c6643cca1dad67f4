"""What the tests of feeds share: small recordings, sessions on a memory log, and a wall clock that is moved by hand."""

import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import schemas
from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Instrument, JournalEntry, MarketData
from streams.exchange.writer import FeedSource, FeedWriter, source_of
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition, watermark_of
from streams.log.journal import newest_entry, read_range
from streams.log.layout import FEED_TOPICS, Layout
from streams.log.memory import MemoryLog

T0 = 1_700_000_000_000_000
CODEC = Codec.offline()
RECORDINGS = Path(os.environ.get("CDB_MARKET_DATA", "../shared/market-data")) / "binance-ws-raw-20240808"


def recording(name: str) -> str:
    """A real recording's path; skips the test where the folder is absent."""
    path = Path(__file__).parents[2] / RECORDINGS / f"{name}_20240808.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"CDB_MARKET_DATA holds no {path.name}")
    return str(path)


def settings_for(*symbols: str, session: str = "s", partitions: int = 1, **feed: object) -> SessionSettings:
    return SessionSettings(
        session=session, partitions=partitions,
        feed=FeedParameters.model_validate({"kind": "recorded", "symbols": symbols or ("BTCUSDT",), **feed}),
    )  # fmt: skip


def new_log(settings: SessionSettings) -> MemoryLog:
    log, layout = MemoryLog(), Layout.of(settings)
    log.create({layout.full(topic): layout.count(topic) for topic in schemas.catalogue()})
    return log


def new_writer(log: Log, settings: SessionSettings, **options: object) -> FeedWriter:
    return FeedWriter(log, CODEC, settings, code_version="test", **options)  # type: ignore[arg-type]


def messages(log: Log, settings: SessionSettings, topic: str, partition: int = 0) -> list[Message]:
    at = Partition(f"{settings.session}.{topic}", partition)
    return list(read_range(log, at, 0, log.end_offset(at)))


def data_of(log: Log, settings: SessionSettings) -> list[tuple[str, int, bytes | None, bytes | None]]:
    """Every data record of the feed's topics, in the order of each partition: what byte-equality is about."""
    return [
        (topic, partition, message.key, message.value)
        for topic in FEED_TOPICS
        for partition in range(settings.partitions)
        for message in messages(log, settings, topic, partition)
        if watermark_of(message) is None
    ]


def market_records(log: Log, settings: SessionSettings) -> list[MarketData]:
    """The market records of all partitions by time."""
    found = []
    for topic, _, _, value in data_of(log, settings):
        if topic == "market_data":
            record = CODEC.decode(value or b"", MarketData)
            assert isinstance(record, MarketData)
            found.append(record)
    return sorted(found, key=lambda record: record.time)


def instrument_records(log: Log, settings: SessionSettings) -> list[Instrument]:
    found = [CODEC.decode(value or b"") for topic, _, _, value in data_of(log, settings) if topic == "instruments"]
    return [record for record in found if isinstance(record, Instrument)]


def watermarks(log: Log, settings: SessionSettings, topic: str = "market_data", partition: int = 0) -> list[int]:
    found = (watermark_of(message) for message in messages(log, settings, topic, partition))
    return [watermark for watermark in found if watermark is not None]


def journal(log: Log, settings: SessionSettings) -> list[JournalEntry]:
    entries = [CODEC.decode(message.value) for message in messages(log, settings, "journal") if message.value is not None]
    return [entry for entry in entries if isinstance(entry, JournalEntry)]


def newest_source(log: Log, settings: SessionSettings) -> FeedSource:
    entry = newest_entry(log, Layout.of(settings).journal("feed", 0), CODEC)
    assert entry is not None
    return source_of(entry)


# Recordings


def ticker(u: int, *, symbol: str = "BTCUSDT") -> str:
    return (
        f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"u":{u},"s":"{symbol}",'
        '"b":"100.10","B":"2.5","a":"100.20","A":"1.5"}}'
    )


def trade(event_ms: int, *, trade_id: int = 1, symbol: str = "BTCUSDT", price: str = "100.20") -> str:
    return (
        f'{{"stream":"{symbol.lower()}@trade","data":{{"e":"trade","E":{event_ms},"s":"{symbol}","t":{trade_id},'
        f'"p":"{price}","q":"0.5","T":{event_ms - 1},"m":false,"M":true}}}}'
    )


def diff(event_ms: int, first: int, last: int, *, bids: str = "", asks: str = "") -> str:
    return (
        f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{event_ms},"s":"BTCUSDT",'
        f'"U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}}}'
    )


def snapshot(last: int) -> str:
    return f'{{"lastUpdateId":{last},"bids":[["100.10","2.5"],["100.00","1"]],"asks":[["100.20","1.5"]]}}'


def small_recording(symbol: str = "BTCUSDT", *, shift_ns: int = 0) -> list[str]:
    """Nine lines, 100 ms apart but for a silence of 3 s, on a receive clock that runs 1 s behind the exchange's."""
    start = T0 // 1000
    contents = [
        ticker(1, symbol=symbol), trade(start + 1100, symbol=symbol), trade(start + 1150, trade_id=2, symbol=symbol),
        ticker(2, symbol=symbol), trade(start + 1400, trade_id=3, symbol=symbol), ticker(3, symbol=symbol),
        trade(start + 4600, trade_id=4, symbol=symbol), ticker(4, symbol=symbol), ticker(5, symbol=symbol),
    ]  # fmt: skip
    moments = [0, 100, 200, 300, 400, 500, 3600, 3700, 3800]
    return [f"{T0 * 1000 + ms * 1_000_000 + shift_ns} {text}" for ms, text in zip(moments, contents, strict=True)]


def write_lines(path: Path, lines: Iterable[str]) -> str:
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return str(path)


class FakeWall:
    """
    Waiting moves the clock, nothing else does. `at` runs something the first time the clock passes a moment (seconds).
    """

    def __init__(self, now: int = T0) -> None:
        self._start = now
        self._elapsed_us = 0
        self._planned: list[tuple[float, Callable[[], None]]] = []
        self.stopped = False

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        self._planned.append((seconds, action))

    def stop(self) -> None:
        self.stopped = True

    def pass_over(self, seconds: float) -> None:
        """Time goes by without anybody waiting, as when a call hangs."""
        self._elapsed_us += int(seconds * 1e6)

    def now(self) -> int:
        return self._start + self._elapsed_us

    def monotonic(self) -> float:
        return self._elapsed_us / 1e6

    def wait(self, seconds: float) -> bool:
        # At least a microsecond passes, as on a real clock, so that a loop that waits for it ends.
        self._elapsed_us += max(int(seconds * 1e6), 1) if seconds > 0 else 0
        for planned in [plan for plan in self._planned if plan[0] <= self.monotonic()]:
            self._planned.remove(planned)
            planned[1]()
        return self.stopped
