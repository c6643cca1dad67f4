"""
Recorded Binance websocket frames as a feed: spot and USDT-margined perpetuals, plain or gzip.

A line is `<receive time in ns> <json>`; the json is `{"stream","data"}` with a trade, bookTicker or depthUpdate, or a
REST depth snapshot. One file holds one symbol of one venue. Several files are merged by receive time, equal ones in the
order of the files, then of the lines. Event time is the exchange's `E`; spot book tickers and snapshots carry none. A
frame's rest (ids of buyer and seller, order types) is ignored. Whether prices make sense is not judged here: what the
exchange said goes on the log.

A file that ends early or holds a line that cannot be parsed ends the feed there, with the file and line named.
"""

import gzip
import heapq
import zlib
from collections.abc import Iterator
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from streams.domain.records import Level, Side, Trade
from streams.errors import ConfigError, FeedError
from streams.exchange.chain import BookChange, Diff, VersionChain
from streams.exchange.instruments import FOLDER, InstrumentSpec, venue_instruments
from streams.exchange.push import Position, Push

SPOT, PERPETUAL = "binance", "binance-usdm"
# A snapshot of 5000 levels a side is 300 kB.
LINE_BYTES_MAX = 8 << 20
# Frames before the first that names the symbol.
IDENTIFY_LINES_MAX = 1000
MEXC_HEAD = b'{"format":"cdb-mexc-'
NANOSECONDS_IN_SECOND = 1_000_000_000
_BUFFER_BYTES = 1 << 18


class _Data(msgspec.Struct, gc=False):
    """Any of the frames' payloads; a book ticker's b and a are prices, a diff's are levels."""

    s: str = ""
    e: str = ""
    E: int | None = None
    T: int | None = None
    t: int | None = None
    p: Decimal | None = None
    q: Decimal | None = None
    m: bool | None = None
    M: bool | None = None
    U: int | None = None
    u: int | None = None
    pu: int | None = None
    b: Decimal | list[tuple[Decimal, Decimal]] | None = None
    B: Decimal | None = None
    a: Decimal | list[tuple[Decimal, Decimal]] | None = None
    A: Decimal | None = None


class _Frame(msgspec.Struct, gc=False):
    """A line's JSON: a stream frame, or a snapshot."""

    stream: str = ""
    data: _Data | None = None
    lastUpdateId: int | None = None
    bids: list[tuple[Decimal, Decimal]] | None = None
    asks: list[tuple[Decimal, Decimal]] | None = None
    E: int | None = None


_decode = msgspec.json.Decoder(_Frame).decode


class _Line(NamedTuple):
    """Sorts as the merge wants it; `number` counts from 1."""

    receive_ns: int
    file: int
    number: int
    text: bytes


def is_recording_of_mexc(path: str) -> bool:
    """Whether the file is one that `cdb record` makes, by its head."""
    try:
        with _opened(path) as source:
            return source.read(len(MEXC_HEAD)) == MEXC_HEAD
    except (OSError, EOFError, zlib.error) as error:
        raise FeedError(f"{path}: recording must be readable: {error}") from error


class RecordedFile(NamedTuple):
    """One file, and whose frames it holds."""

    path: str
    instrument: InstrumentSpec


class RecordedFeed:
    """Files of raw frames, merged. The same files give the same pushes, at any speed and from any position."""

    kind = "recorded"
    candles = 0

    def __init__(
        self, files: tuple[str, ...], instruments_folder: Path = FOLDER, *, duration_seconds: int | None = None
    ) -> None:
        """
        `duration_seconds`: of the recording's own receive time, from its first line; None for all of it.

        Raises: ConfigError for no file, a file named twice, one that does not exist, or a symbol without instrument;
        FeedError for a file that does not begin with a frame.
        """
        if not files:
            raise ConfigError("FEED_FILES must name at least one recording, was empty")
        if len(set(files)) != len(files):
            raise ConfigError(f"FEED_FILES must name each recording once, was {', '.join(files)}")
        known = {venue: venue_instruments(venue, instruments_folder) for venue in (SPOT, PERPETUAL)}
        for path in files:
            if not Path(path).is_file():
                raise ConfigError(f"FEED_FILES must name files that exist, was {path}")
        self.files = tuple(RecordedFile(path, _identified(path, known)) for path in files)
        self._duration_seconds = duration_seconds

    def instruments(self) -> list[InstrumentSpec]:
        return list({file.instrument.symbol: file.instrument for file in self.files}.values())

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Push]:
        """
        See `Feed`. Lines up to `after` are read again for the version chains' sake, and only the depth frames decoded.
        """
        parsers = [_FrameParser(file) for file in self.files]
        sources = (_lines(number, file.path) for number, file in enumerate(self.files))
        lines = self._within_duration(heapq.merge(*sources))
        if after is not None:
            self._skip(lines, parsers, after)
        for line in lines:
            yield parsers[line.file].push(line)

    def _within_duration(self, lines: Iterator[_Line]) -> Iterator[_Line]:
        end: int | None = None
        for line in lines:
            if end is None and self._duration_seconds is not None:
                end = line.receive_ns + self._duration_seconds * NANOSECONDS_IN_SECOND
            if end is not None and line.receive_ns >= end:
                return
            yield line

    def _skip(self, lines: Iterator[_Line], parsers: list["_FrameParser"], after: Position) -> None:
        paths = [file.path for file in self.files]
        if after.place not in paths:
            raise FeedError(f"FEED_FILES must still name {after.place}, which was read before, was {', '.join(paths)}")
        last = (paths.index(after.place), after.number)
        for line in lines:
            if b'"depthUpdate"' in line.text or b'"lastUpdateId"' in line.text:
                parsers[line.file].push(line)
            if (line.file, line.number) == last:
                return
        raise FeedError(f"{after.place} must still hold line {after.number}, which was read before")


class _FrameParser:
    """Turns the lines of one file into pushes."""

    def __init__(self, file: RecordedFile) -> None:
        self._path = file.path
        self._exchange = file.instrument.exchange
        self._symbol = file.instrument.symbol
        self._venue_symbol = file.instrument.venue_symbol
        self._perpetual = self._exchange == PERPETUAL
        self._chain = VersionChain()

    def push(self, line: _Line) -> Push:
        try:
            frame = _decode(line.text)
            data = frame.data
            if data is None:
                return self._snapshot(line, frame)
            if data.s != self._venue_symbol:
                raise ValueError(f"symbol must be {self._venue_symbol} throughout the file, was {data.s!r}")
            match data.e:
                case "" | "bookTicker":
                    return self._ticker(line, data)
                case "trade":
                    return self._trade(line, data)
                case "depthUpdate":
                    return self._diff(line, data)
            raise ValueError(f"frame must be a trade, bookTicker, depthUpdate or snapshot, was {data.e!r}")
        except (msgspec.MsgspecError, ValueError) as error:
            raise _fault(self._path, line.number, error) from error

    def _ticker(self, line: _Line, data: _Data) -> Push:
        if data.B is None or data.A is None or type(data.b) is not Decimal or type(data.a) is not Decimal:
            raise ValueError("bookTicker must hold b, B, a and A as decimal texts")
        return Push(
            exchange=self._exchange, symbol=self._symbol, event_time=None if data.E is None else data.E * 1000,
            receive_time=line.receive_ns // 1000, source=Position(self._path, line.number), best_bid=data.b,
            best_bid_quantity=data.B, best_ask=data.a, best_ask_quantity=data.A, update_id=data.u,
        )  # fmt: skip

    def _trade(self, line: _Line, data: _Data) -> Push:
        if data.t is None or data.T is None or data.E is None or data.p is None or data.q is None or data.m is None:
            raise ValueError("trade must hold E, T, t, p, q and m")
        aggressor = Side.SELL if data.m else Side.BUY
        trade = Trade(str(data.t), data.p, data.q, aggressor, data.T * 1000)
        return Push(
            exchange=self._exchange, symbol=self._symbol, event_time=data.E * 1000,
            receive_time=line.receive_ns // 1000, source=Position(self._path, line.number), trades=[trade],
        )  # fmt: skip

    def _diff(self, line: _Line, data: _Data) -> Push:
        previous = data.pu if self._perpetual else data.U and data.U - 1
        if data.E is None or data.u is None or previous is None or type(data.b) is not list or type(data.a) is not list:
            raise ValueError(f"depthUpdate must hold E, u, {'pu' if self._perpetual else 'U'}, b and a")
        change = self._chain.on_diff(Diff(previous, data.u, _levels(data.b), _levels(data.a)))
        return self._book(line, data.E, change)

    def _snapshot(self, line: _Line, frame: _Frame) -> Push:
        if frame.lastUpdateId is None or frame.bids is None or frame.asks is None:
            raise ValueError("frame must hold stream and data, or lastUpdateId, bids and asks")
        change = self._chain.on_snapshot(frame.lastUpdateId, _levels(frame.bids), _levels(frame.asks))
        return self._book(line, frame.E, change)

    def _book(self, line: _Line, event_ms: int | None, change: BookChange) -> Push:
        return Push(
            exchange=self._exchange, symbol=self._symbol, event_time=None if event_ms is None else event_ms * 1000,
            receive_time=line.receive_ns // 1000, source=Position(self._path, line.number), bids=change.bids,
            asks=change.asks, snapshot=change.snapshot, gap=change.gap, update_id=change.update_id,
        )  # fmt: skip


def _levels(pairs: list[tuple[Decimal, Decimal]]) -> list[Level]:
    return [Level(price, quantity) for price, quantity in pairs]


def _identified(path: str, known: dict[str, dict[str, InstrumentSpec]]) -> InstrumentSpec:
    """Whose frames a file holds, by its first frame that names a symbol."""
    try:
        for line in _lines(0, path):
            data = _decode(line.text).data
            if data is not None:
                venue = SPOT if _is_spot(data) else PERPETUAL
                if data.s not in known[venue]:
                    raise ConfigError(f"{path} holds {data.s} of {venue}, which {venue}.toml must name")
                return known[venue][data.s]
            if line.number >= IDENTIFY_LINES_MAX:
                break
    except msgspec.MsgspecError as error:
        raise _fault(path, line.number, error) from error
    raise FeedError(f"{path} must name its symbol within {IDENTIFY_LINES_MAX} lines, does not")


def _is_spot(data: _Data) -> bool:
    """Only spot trades carry M, only spot tickers have no type, only spot diffs have no pu."""
    match data.e:
        case "trade":
            return data.M is not None
        case "depthUpdate":
            return data.pu is None
    return data.e == ""


def _lines(file: int, path: str) -> Iterator[_Line]:
    """A file's lines with their receive times."""
    number = 0
    try:
        with _opened(path) as source:
            for number, raw in enumerate(iter(lambda: source.readline(LINE_BYTES_MAX), b""), start=1):
                receive, _, text = raw.partition(b" ")
                if not receive.isdigit() or not text:
                    raise _fault(path, number, f"line must be a receive time in ns and JSON, was {raw[:40]!r}")
                yield _Line(int(receive), file, number, text)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _fault(path, number + 1, error) from error
    except OSError as error:
        raise FeedError(f"{path}: recording must be readable: {error}") from error


def _opened(path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return cast("BinaryIO", BufferedReader(cast("Any", gzip.open(path, "rb")), _BUFFER_BYTES))
    return open(path, "rb", buffering=_BUFFER_BYTES)


def _fault(path: str, number: int, why: object) -> FeedError:
    return FeedError(f"{path} line {number}: {why}")
