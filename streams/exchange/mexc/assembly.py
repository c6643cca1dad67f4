"""
From what was heard to pushes: a function of the `Heard` alone, the same for a live session and for its recording.

A frame goes to its symbols; a connection that is lost, or told something that nobody can read, leaves a gap in every symbol that no
other connection carries. A frame that a connection repeats byte for byte is dropped: each bears its own time of sending.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.events import Event, Said
from streams.exchange.mexc.gaps import Cause, Completeness, Want
from streams.exchange.mexc.heard import (
    Heard,
    HeardKind,
    decode_book,
    decode_funding,
    decode_instruments,
    decode_subscriptions,
    decode_trades,
)
from streams.exchange.mexc.instruments import EXCHANGE
from streams.exchange.mexc.listings import changed
from streams.exchange.mexc.symbol import SymbolFeed
from streams.exchange.push import InstrumentNotice, Position, Told

# Of one connection: a repeated frame comes soon.
FRAMES_KEPT = 256


class Assembly:
    """`wants`: what REST is to be asked for, taken by who can."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.counts = Completeness()
        self.wants: list[Want] = []
        self.symbols = {symbol: SymbolFeed(symbol, EXCHANGE, self.counts) for symbol in sorted(symbols)}
        self._known: dict[str, InstrumentSpec] = {}
        self._is_begun_anew = False
        self._recent: dict[str, OrderedDict[bytes, None]] = {}
        self._carried: dict[str, set[str]] = {}

    def on_heard(self, heard: Heard, said: Iterable[Said], at: Position) -> list[Told]:
        """`said`: what the frame says, by its connection's protocol; `at`: where it stands in its source."""
        if heard.kind is HeardKind.INSTRUMENTS:
            return self._on_instruments(heard, at)
        match heard.kind:
            case HeardKind.FRAME:
                touched = self._on_frame(heard, said, at)
            case HeardKind.ACKNOWLEDGED:
                touched = self._on_acknowledged(heard, at)
            case HeardKind.ENDED | HeardKind.LOST:
                touched = self._on_end(heard, at)
            case HeardKind.GARBLED:
                self.counts.garbled += 1
                touched = self._begin(self._carried.get(heard.source, ()), heard, at)
                for one in touched:
                    one.open_gap(Cause.CONNECTION)
            case HeardKind.BEGUN:
                self._is_begun_anew = bool(heard.text)
                touched = self._begin(self.symbols, heard, at) if heard.text else []
                for one in touched:
                    one.away(int(heard.text))
            case HeardKind.BOOK:
                book = decode_book(heard.text)
                touched = self._begin([book.symbol], heard, at)
                for one in touched:
                    one.on_book(book)
            case HeardKind.TRADES:
                answer = decode_trades(heard.text)
                touched = self._begin([answer.symbol], heard, at)
                for one in touched:
                    one.on_trades(answer)
            case HeardKind.FUNDING:
                funding = decode_funding(heard.text)
                touched = self._begin([funding.rate.symbol], heard, at)
                for one in touched:
                    one.on_funding(funding)
        return self._taken(touched)

    def _on_instruments(self, heard: Heard, at: Position) -> list[Told]:
        """The first ones of a session are told by who begins it; of a feed that begins anew all are, for nobody knows what it missed."""
        specs = {spec.symbol: spec for spec in decode_instruments(heard.text)}
        if self._known:
            new = changed(self._known, specs, heard.time)
        else:
            new = [spec.model_copy(update={"valid_from": heard.time}) for spec in specs.values()] if self._is_begun_anew else []
            self._known = specs
        self._known |= {spec.symbol: spec for spec in new}
        return [
            InstrumentNotice(
                exchange=spec.exchange, symbol=spec.symbol, event_time=None, receive_time=heard.time, source=at, spec=spec
            )
            for spec in new
        ]

    def _on_frame(self, heard: Heard, said: Iterable[Said], at: Position) -> list[SymbolFeed]:
        events = [one for one in said if isinstance(one, Event)]
        if not events:
            return []
        if self._is_repeated(heard):
            self.counts.duplicates["frame"] += 1
            return []
        touched = []
        for event in events:
            for one in self._begin([event.symbol], heard, at):
                one.on_event(heard.source, event)
                touched.append(one)
        return touched

    def _on_acknowledged(self, heard: Heard, at: Position) -> list[SymbolFeed]:
        touched = []
        for subscription in decode_subscriptions(heard.text):
            self._carried.setdefault(heard.source, set()).add(subscription.symbol)
            for one in self._begin([subscription.symbol], heard, at):
                one.acknowledged(heard.source, subscription.kind)
                touched.append(one)
        return touched

    def _on_end(self, heard: Heard, at: Position) -> list[SymbolFeed]:
        self._recent.pop(heard.source, None)
        touched = self._begin(sorted(self._carried.pop(heard.source, ())), heard, at)
        for one in touched:
            one.ended(heard.source, lost=heard.kind is HeardKind.LOST)
        return touched

    def _begin(self, symbols: Iterable[str], heard: Heard, at: Position) -> list[SymbolFeed]:
        found = [self.symbols[symbol] for symbol in sorted(symbols) if symbol in self.symbols]
        for one in found:
            one.begin(heard.time, at)
        return found

    def _is_repeated(self, heard: Heard) -> bool:
        recent = self._recent.setdefault(heard.source, OrderedDict())
        frame = heard.data or heard.text.encode()
        digest = hashlib.blake2b(frame, digest_size=16).digest()
        if digest in recent:
            return True
        recent[digest] = None
        if len(recent) > FRAMES_KEPT:
            recent.popitem(last=False)
        return False

    def _taken(self, touched: list[SymbolFeed]) -> list[Told]:
        pushes: list[Told] = []
        for one in touched:
            if one.wants:
                self.wants += one.wants
                one.wants = []
            if one.pushes:
                pushes += one.pushes
                one.pushes = []
        return pushes
