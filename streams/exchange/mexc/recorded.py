"""
Recordings of a live feed, played again: what was heard goes through the same assembly, so the same market data comes of it, byte for byte.

Several files are played one after the other, as they were made. A file ends where its feed ended or was killed; one that breaks off
inside a line ends the feed there, with file and line named.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.errors import ConfigError, FeedError, FrameError
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.assembly import Assembly
from streams.exchange.mexc.dialling import protocol_of
from streams.exchange.mexc.events import Market, Said
from streams.exchange.mexc.heard import Heard, HeardKind, decode_instruments, read_heard, recorded_symbols
from streams.exchange.mexc.listings import contract_sizes
from streams.exchange.mexc.protocol import MexcProtocol
from streams.exchange.push import Position, Told

SECOND = 1_000_000
# The head, the beginning, then the instruments.
IDENTIFY_LINES_MAX = 10


class MexcRecording:
    """`duration_seconds`: of the recording's own receive time, from its first line; None for all of it."""

    kind = "recorded"
    candles = 0

    def __init__(self, files: tuple[str, ...], *, duration_seconds: int | None = None) -> None:
        """Raises: ConfigError for files that are not recordings of the same symbols; FeedError for one that cannot be read."""
        symbols = {file: recorded_symbols(file) for file in files}
        if len(set(symbols.values())) != 1 or None in symbols.values():
            told = "; ".join(f"{file}: {', '.join(found) if found else 'no recording of MEXC'}" for file, found in symbols.items())
            raise ConfigError(f"FEED_FILES must be recordings of MEXC with the same symbols, was {told}")
        self.files = files
        self._symbols = symbols[files[0]] or ()
        self._duration_seconds = duration_seconds
        self._specs = _first_instruments(files[0])

    def instruments(self) -> list[InstrumentSpec]:
        return self._specs

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Told]:
        """See `Feed`. Lines up to `after` are heard again, and nothing of them is told."""
        del outage_until
        if after is not None and after.place not in self.files:
            raise FeedError(f"FEED_FILES must still name {after.place}, which was read before, was {', '.join(self.files)}")
        hearing = _Hearing(self._symbols, contract_sizes(self._specs))
        reached = (-1, 0) if after is None else (self.files.index(after.place), after.number)
        end: int | None = None
        for place, file in enumerate(self.files):
            for number, heard in read_heard(file):
                if end is None and self._duration_seconds is not None:
                    end = heard.time + self._duration_seconds * SECOND
                if end is not None and heard.time >= end:
                    return
                told = hearing.told(heard, Position(file, number))
                if (place, number) > reached:
                    yield from told


class _Hearing:
    """Protocols and assembly, as the live feed had them."""

    def __init__(self, symbols: tuple[str, ...], sizes: dict[str, Decimal]) -> None:
        self._assembly = Assembly(symbols)
        self._sizes = sizes
        self._protocols: dict[str, MexcProtocol] = {}

    def told(self, heard: Heard, at: Position) -> list[Told]:
        said: list[Said] = []
        if heard.kind is HeardKind.FRAME:
            protocol = self._protocols.get(heard.source)
            if protocol is None:
                market = Market(heard.source.partition("-")[0])
                protocol = self._protocols[heard.source] = protocol_of(market, self._sizes)
            try:
                said = protocol.receive(heard.frame)
            except FrameError as error:
                raise FeedError(f"{at.place} line {at.number}: {error}") from error
        elif heard.kind in {HeardKind.ENDED, HeardKind.LOST}:
            self._protocols.pop(heard.source, None)
        told = self._assembly.on_heard(heard, said, at)
        # Nobody is asked: the answers are here too.
        self._assembly.wants.clear()
        return told


def _first_instruments(file: str) -> list[InstrumentSpec]:
    for number, heard in read_heard(file):
        if heard.kind is HeardKind.INSTRUMENTS:
            return decode_instruments(heard.text)
        if number > IDENTIFY_LINES_MAX:
            break
    raise FeedError(f"{file} must tell its instruments within {IDENTIFY_LINES_MAX} lines, does not")
