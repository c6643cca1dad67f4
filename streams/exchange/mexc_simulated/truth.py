"""
What the simulated exchange really said and did, for tests to hold what arrived against: each trade, book version, candle, funding rate.

Everything is written once, when the market says it, whether anyone was subscribed or a fault kept it from the wire. Times in µs.
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from streams.domain.records import Level, Trade


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`time`: the exchange's own, as it stands in its frames."""

    symbol: str
    time: int


class TradeSaid(Entry, frozen=True, kw_only=True):
    """One trade; `quantity` in base units whatever the market."""

    trade: Trade


class BookSaid(Entry, frozen=True, kw_only=True):
    """The levels that changed between two versions; quantity 0 removes."""

    previous: int
    version: int
    bids: list[Level]
    asks: list[Level]


class KlineSaid(Entry, frozen=True, kw_only=True):
    """A candle of one minute, closed; volume in base units, amount in quote units."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    amount: Decimal


class FundingSaid(Entry, frozen=True, kw_only=True):
    """A rate that is new."""

    rate: Decimal
    interval_hours: int
    settlement_time: int


class MarkSaid(Entry, frozen=True, kw_only=True):
    """Fair and index price of a perpetual, where they changed."""

    mark: Decimal | None
    index: Decimal | None


class FaultStruck(Entry, frozen=True, kw_only=True):
    """A fault as it showed: `connection` the number of the one it struck, 0 for REST; `what` the channel or path."""

    fault: str
    connection: int = 0
    what: str = ""


class ConnectionEvent(Entry, frozen=True, kw_only=True):
    """A websocket connection opened or closed, with the reason; `symbol` is the market's name here."""

    connection: int
    event: str
    reason: str = ""


class RestAsked(Entry, frozen=True, kw_only=True):
    """A REST request and how it was answered; `symbol` as asked."""

    method: str
    path: str
    status: int
    code: int = 0


Said = TradeSaid | BookSaid | KlineSaid | FundingSaid | MarkSaid | FaultStruck | ConnectionEvent | RestAsked
S = TypeVar("S", bound=Entry)


class TruthLog:
    """Kept in memory, or written to a file line by line where a path is given; the file's lines are `Said` as JSON."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = None if path is None else path.open("wb")
        self._encode = msgspec.json.Encoder().encode
        self.entries: list[Said] = []
        self.count = 0

    def add(self, entry: Said) -> None:
        self.count += 1
        if self._file is None:
            self.entries.append(entry)
        else:
            self._file.write(self._encode(entry) + b"\n")

    def of(self, kind: type[S], symbol: str | None = None) -> list[S]:
        """The entries of one kind, of one symbol where it is named, in their order."""
        return [one for one in self.entries if isinstance(one, kind) and (symbol is None or one.symbol == symbol)]

    def trades(self, symbol: str) -> list[Trade]:
        return [one.trade for one in self.of(TradeSaid, symbol)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def read_truth(path: Path) -> Iterator[Said]:
    """The entries of a file."""
    decode = msgspec.json.Decoder(Said).decode
    with path.open("rb") as lines:
        for line in lines:
            yield decode(line)
