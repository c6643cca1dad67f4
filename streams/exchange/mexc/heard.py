"""
What the feed hears, in the order it heard it: frames as they came, how connections came and went, what REST answered.

Market data is a function of this alone (`streams.exchange.mexc.assembly`), so a file of it, one JSON object a line, plays a live session
again byte for byte. Times are µs of the receive clock and never go down.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from pydantic import TypeAdapter

from streams.domain.records import Trade
from streams.errors import FeedError
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.events import DepthSnapshot, FundingRate, Subscription

FORMAT = "cdb-mexc-1"
LINE_BYTES_MAX = 16 << 20


class HeardKind(StrEnum):
    BEGUN = "begun"  # a feed starts, or starts anew
    FRAME = "frame"
    GARBLED = "garbled"  # a frame that no protocol of ours reads
    ACKNOWLEDGED = "acknowledged"  # subscriptions that a connection carries from here on
    ENDED = "ended"  # a connection, because its successor is there
    LOST = "lost"  # a connection, by a fault
    INSTRUMENTS = "instruments"  # what the exchange lists of the symbols, by REST
    BOOK = "book"  # a whole book by REST
    TRADES = "trades"  # recent trades by REST
    FUNDING = "funding"  # a perpetual's next funding and its interval by REST


class Heard(msgspec.Struct, frozen=True, omit_defaults=True, rename={"time": "t", "source": "c", "kind": "k"}):
    """`source`: the connection's name, `rest` for an answer. `text` of a text frame, else JSON; `data` of a binary frame."""

    time: int
    source: str
    kind: HeardKind
    text: str = ""
    data: bytes = b""

    @property
    def frame(self) -> str | bytes:
        return self.data or self.text


class TradesAnswer(msgspec.Struct, frozen=True):
    """A symbol's newest trades by REST, oldest first, asked for at `asked` because some since `since` may be missing."""

    symbol: str
    asked: int
    since: int
    trades: list[Trade]


_INSTRUMENTS = TypeAdapter(list[InstrumentSpec])
class FundingAnswer(msgspec.Struct, frozen=True):
    """What REST says of a perpetual's funding; the websocket says only the rate and the time."""

    rate: FundingRate
    interval_hours: int


_encoder = msgspec.json.Encoder()
_decode_heard = msgspec.json.Decoder(Heard).decode
decode_subscriptions = msgspec.json.Decoder(list[Subscription]).decode
decode_book = msgspec.json.Decoder(DepthSnapshot).decode
decode_trades = msgspec.json.Decoder(TradesAnswer).decode
decode_funding = msgspec.json.Decoder(FundingAnswer).decode


def encoded_instruments(specs: Iterable[InstrumentSpec]) -> str:
    """Their JSON text."""
    return _INSTRUMENTS.dump_json(list(specs)).decode()


def decode_instruments(text: str) -> list[InstrumentSpec]:
    return _INSTRUMENTS.validate_json(text)


def encoded(content: object) -> str:
    """The JSON text of an answer or of subscriptions."""
    return _encoder.encode(content).decode()


class Recording:
    """A file that is written; what was written is in the file once `flush` returns. Gzip where its name ends in `.gz`."""

    def __init__(self, path: Path, symbols: Iterable[str]) -> None:
        """Raises: FeedError where the file is there already, or cannot be made."""
        try:
            self._raw = path.open("xb")
        except OSError as error:
            raise FeedError(f"{path}: a recording must be a new file that can be written: {error}") from error
        self._out = cast("BinaryIO", gzip.GzipFile(fileobj=self._raw, mode="wb", mtime=0)) if path.suffix == ".gz" else self._raw
        self._out.write(_encoder.encode({"format": FORMAT, "symbols": sorted(symbols)}) + b"\n")
        self.lines = 1

    def write(self, heard: Heard) -> None:
        self._out.write(_encoder.encode(heard) + b"\n")
        self.lines += 1

    def flush(self) -> None:
        self._out.flush()
        self._raw.flush()

    def close(self) -> None:
        self._out.close()
        self._raw.close()


class _Head(msgspec.Struct):
    format: str = ""
    symbols: tuple[str, ...] = ()


def recorded_symbols(path: str) -> tuple[str, ...] | None:
    """Whose frames a recording of ours holds; None where the file is no such recording. Raises: FeedError for an unreadable file."""
    try:
        with _opened(path) as lines:
            head = msgspec.json.decode(lines.readline(LINE_BYTES_MAX), type=_Head)
    except msgspec.MsgspecError:
        return None
    except (OSError, EOFError, zlib.error) as error:
        raise FeedError(f"{path}: recording must be readable: {error}") from error
    return head.symbols if head.format == FORMAT else None


def read_heard(path: str) -> Iterator[tuple[int, Heard]]:
    """
    Each line's number, from 1 for the head, and what was heard.

    Raises: FeedError naming file and line where it breaks off or cannot be read.
    """
    number = 1
    try:
        with _opened(path) as lines:
            lines.readline(LINE_BYTES_MAX)
            for number, line in enumerate(iter(lambda: lines.readline(LINE_BYTES_MAX), b""), start=2):
                yield number, _decode_heard(line)
    except (msgspec.MsgspecError, EOFError, zlib.error, OSError) as error:
        raise FeedError(f"{path} line {number}: {error}") from error


def _opened(path: str) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.endswith(".gz") else open(path, "rb")
