"""
The feed's way onto the log: pushes become market records with an id, a sequence and a logical time, and each flush is
one transaction.

A flush holds the records, a watermark in every partition that the feed writes (market_data, instruments, funding), and
a journal entry with the source position, the clock and the running digest. So a feed that died goes on after its last
flush: nothing is lost and nothing doubled, and an altered market record is found like any other. When to flush is the
runner's matter (`streams.exchange.pacing`); no record's bytes depend on it.

`outputs_digest` is `streams.log.batch.chained` over topic, key and Avro payload of the feed's records in the order
written, which is their canonical order. Instruments come first, with the time before the first push's.
"""

import logging
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from streams.domain.ids import market_id, order_key
from streams.domain.parameters import SessionSettings
from streams.domain.records import Funding, JournalEntry, MarketData, Record
from streams.domain.vocabulary import HISTORY
from streams.errors import ConfigError, FeedError
from streams.exchange.clock import BEFORE_TIME, ClockState, LogicalClock, Stamp
from streams.exchange.counters import FeedCounters
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.push import FundingNotice, InstrumentNotice, Position, Push, Told
from streams.log.batch import NO_DIGEST, chained, record_check
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Partition, watermark_headers
from streams.log.journal import backwards, entry_digest, newest, settle
from streams.log.layout import FEED_TOPICS, Layout
from streams.stages.state import decode_state, encode_state

STAGE, TASK = "feed", 0
JOURNAL_KEY = f"{STAGE}-{TASK}".encode()
Role = Literal["feed", "timekeeper"]
MICROSECONDS_IN_MS = 1000
MICROSECONDS_IN_SECOND = 1_000_000

logger = logging.getLogger(__name__)


class SymbolSource(msgspec.Struct):
    """A symbol's venue and the number of its next record."""

    exchange: str
    sequence: int = 0


class FeedSource(msgspec.Struct):
    """What a feed's journal entry says beside the digests: everything that a restart needs."""

    role: Role = "feed"  # who wrote the entry
    live: bool = False  # the session's time is the wall clock's, so the timekeeper may step in
    ended: bool = False
    error: str | None = None
    position: tuple[str, int] | None = None  # of the last push written
    clock: ClockState = msgspec.field(default_factory=ClockState)
    symbols: dict[str, SymbolSource] = msgspec.field(default_factory=dict)
    # By topic/partition, a check (4 bytes) of each record of this flush: a record that was altered later is told by name.
    checks: dict[str, bytes] = msgspec.field(default_factory=dict)


class _Row(NamedTuple):
    partition: Partition
    key: bytes
    value: bytes
    time: int


def source_of(entry: JournalEntry) -> FeedSource:
    """A feed entry's own part."""
    return decode_state(entry.source.encode(), FeedSource)


def writer_name(settings: SessionSettings) -> str:
    """The one name under which a session's feed, or the timekeeper in its place, writes."""
    return f"{settings.session}-feed-{settings.feed.name}"


class FeedWriter:
    """
    Opening one fences the last feed (or timekeeper) of the session, and goes on where its newest journal entry stands.

    `records_max`: a flush is cut at that many records at the latest. After a LogError the writer is of no use: open a
    new one.
    """

    def __init__(
        self, log: Log, codec: Codec, settings: SessionSettings, *, code_version: str, live: bool = False,
        role: Role = "feed", records_max: int = 1000,
    ) -> None:
        self.settings = settings
        self.layout = Layout.of(settings)
        self.counters = FeedCounters()
        self._codec = codec
        self._code_version = code_version
        self._settings_digest = settings.digest()
        self._records_max = records_max
        self._rows: list[_Row] = []
        self._partitions: dict[str, Partition] = {}
        self._keys: dict[str, bytes] = {}
        self._instruments: list[InstrumentSpec] = []
        self._watermarked = [self.layout.at(topic, n) for topic in FEED_TOPICS for n in range(self.layout.count(topic))]
        # Fence first, then read: what the last writer committed until now is all there will be of it.
        self._writer = log.writer(writer_name(settings))
        self._recover(log)
        self.source.role = role
        self.source.live = live

    def _recover(self, log: Log) -> None:
        settle(log, self._writer, self.layout.journal(STAGE, TASK))
        found = newest(log, self.layout.journal(STAGE, TASK), self._codec)
        entry = found.entry if found else None
        self.outputs_count = entry.outputs_count if entry else 0
        self.outputs_digest = entry.outputs_digest if entry else NO_DIGEST
        self._sequence = entry.sequence + 1 if entry else 0
        self._previous_digest = found.digest if found else NO_DIGEST
        if entry and entry.settings_digest != self._settings_digest:
            raise ConfigError(
                f"session {self.settings.session} must go on with the settings it was made with "
                f"({entry.settings_digest[:12]}), was started with {self._settings_digest[:12]}"
            )
        self.source = source_of(entry) if entry else FeedSource()
        # Who wrote the newest entry, before this writer says who it is.
        self.predecessor: Role | None = self.source.role if entry else None
        # The timekeeper promised time in which nothing of the market was seen.
        self._seen_until = self.source.clock.last if self.predecessor != "timekeeper" else _feed_ended(log, self.layout, self._codec)
        feed = self.settings.feed
        self.clock = LogicalClock(
            ahead_max=feed.time_ahead_max_ms * MICROSECONDS_IN_MS, quiet_delay=feed.quiet_delay_ms * MICROSECONDS_IN_MS,
            state=self.source.clock,
        )  # fmt: skip

    @property
    def position(self) -> Position | None:
        """Where the source stood at the last flush of this writer or its predecessor."""
        return Position(*self.source.position) if self.source.position else None

    @property
    def pending(self) -> int:
        """Records not yet flushed."""
        return len(self._rows)

    def introduce(self, instruments: Iterable[InstrumentSpec]) -> None:
        """
        Names what the feed will push; a new session's log begins with these records.

        Raises: ConfigError where the session's settings do not name one of the symbols: its tasks could not own it.
        """
        specs = sorted(instruments, key=lambda spec: order_key(spec.record("", 0).event_id))
        missing = sorted({spec.symbol for spec in specs} - set(self.settings.feed.symbols))
        if missing:
            raise ConfigError(
                f"FEED_SYMBOLS must name every symbol of the feed, {', '.join(missing)} is missing, "
                f"was {', '.join(self.settings.feed.symbols)}"
            )
        # Not by the symbols known: a feed may have been told to stop before its first push.
        if not self.outputs_count:
            self._instruments = specs
        for spec in specs:
            self.source.symbols.setdefault(spec.symbol, SymbolSource(spec.exchange))

    def put(self, push: Told) -> None:
        """
        Takes a push, a funding rate or an instrument into the open flush, and flushes where that is full.

        Raises: FeedError naming the push's place where a value cannot stand on the log (more than 12 decimal places);
        LogError, Fenced as the log.
        """
        if push.exchange == HISTORY:
            stamp = self.clock.recall(push.receive_time)
        else:
            stamp = self.clock.stamp(push.exchange, event_time=push.event_time, receive_time=push.receive_time)
        if self._instruments:
            self._put_instruments(stamp.time)
        try:
            if isinstance(push, FundingNotice):
                self._add("funding", push.symbol, push.symbol, self._funding(push, stamp))
            elif isinstance(push, InstrumentNotice):
                self._add("instruments", push.symbol, push.spec.key, push.spec.record(self.settings.session, stamp.time))
            else:
                record = self._record(push, stamp)
                self._add("market_data", push.symbol, push.symbol, record)
                if logger.isEnabledFor(logging.DEBUG):
                    ids = {"event_id": record.event_id, "correlation_id": record.correlation_id}
                    logger.debug("market of %s at %d: %d trades", push.symbol, record.time, len(push.trades), extra=ids)
                self.source.symbols[push.symbol].sequence += 1
                self.counters.count(push, stamp, seen_until=self._seen_until)
        except ValueError as error:
            raise FeedError(f"{push.source.place} line {push.source.number}: {error}") from error
        self.source.position = push.source
        if len(self._rows) >= self._records_max:
            self.flush()

    def put_feed_down(self, now: int) -> None:
        """One record for each symbol that says its feed is dead, at `now` of the wall clock."""
        for symbol, known in sorted(self.source.symbols.items()):
            stamp = self.clock.stamp(known.exchange, event_time=None, receive_time=now)
            nowhere = Position("", 0)
            push = Push(exchange=known.exchange, symbol=symbol, event_time=None, receive_time=now, source=nowhere)
            self._add("market_data", symbol, symbol, self._record(push, stamp, feed_down=True))
            known.sequence += 1

    def quiet(self, now: int) -> None:
        """Flushes with the promise that the receive clock `now` allows, whether or not anything arrived."""
        self.clock.promise_quiet(now)
        self.flush()

    def flush(self) -> None:
        """Commits what was taken, with watermarks and journal entry. Raises: LogError, Fenced as the log."""
        watermark = self.clock.state.last
        writer = self._writer
        checks: dict[str, list[bytes]] = {}
        writer.begin()
        for partition, key, value, time in self._rows:
            writer.append(partition, key=key, value=value, time=time)
            checks.setdefault(self.layout.short(partition), []).append(record_check(key, value))
        self.source.checks = {place: b"".join(found) for place, found in checks.items()}
        if watermark >= 0:
            headers = watermark_headers(watermark)
            for partition in self._watermarked:
                writer.append(partition, key=None, value=None, headers=headers, time=watermark)
        entry = self._entry(watermark)
        payload = self._codec.wire(entry)
        writer.append(self.layout.journal(STAGE, TASK), key=JOURNAL_KEY, value=payload, time=entry.time)
        writer.commit()
        self.counters.flushed(len(self._rows), watermark)
        self._sequence += 1
        self._previous_digest = entry_digest(payload[HEADER_LENGTH:])
        self._rows = []

    def finish(self, error: str | None = None) -> None:
        """
        Ends the session: what was taken, then `tail_seconds` of promised silence in which windows close and orders
        settle.
        """
        self.source.ended = True
        self.source.error = error
        self.clock.state.last += self.settings.feed.tail_seconds * MICROSECONDS_IN_SECOND
        self.flush()

    def close(self) -> None:
        self._writer.close()

    def _put_instruments(self, first_time: int) -> None:
        for spec in self._instruments:
            record = spec.record(self.settings.session, max(first_time - 1, 0))
            self._add("instruments", spec.symbol, spec.key, record)
        self._instruments = []

    def _add(self, topic: str, symbol: str, key: str, record: Record) -> None:
        value = self._codec.wire(record)
        place = f"{topic}/{symbol}"
        partition = self._partitions.get(place)
        if partition is None:
            partition = self._partitions[place] = self.layout.at(topic, self.settings.symbol_task(symbol))
        self.outputs_digest = chained(self.outputs_digest, topic, key, value)
        self.outputs_count += 1
        self._rows.append(_Row(partition, key.encode(), value, record.time))

    def _record(self, push: Push, stamp: Stamp, *, feed_down: bool = False) -> MarketData:
        sequence = self.source.symbols[push.symbol].sequence
        name = market_id(self.settings.session, push.exchange, push.symbol, sequence)
        return MarketData(
            event_id=name, causation_id=name, correlation_id=name, session=self.settings.session, time=stamp.time,
            exchange=push.exchange, symbol=push.symbol, event_time=push.event_time, receive_time=push.receive_time,
            sequence=sequence, update_id=push.update_id, trades=push.trades, best_bid=push.best_bid,
            best_bid_quantity=push.best_bid_quantity, best_ask=push.best_ask, best_ask_quantity=push.best_ask_quantity,
            bids=push.bids, asks=push.asks, mark_price=push.mark_price, index_price=push.index_price,
            snapshot=push.snapshot, gap=push.gap, feed_down=feed_down, time_suspect=stamp.suspect,
        )  # fmt: skip

    def _funding(self, notice: FundingNotice, stamp: Stamp) -> Funding:
        cause, number = f"{notice.symbol}@funding", notice.settlement_time
        if notice.provisional:
            cause, number = f"{notice.symbol}@funding@{number}", stamp.time
        name = market_id(self.settings.session, notice.exchange, cause, number)
        return Funding(
            event_id=name, causation_id=name, correlation_id=name, session=self.settings.session, time=stamp.time,
            symbol=notice.symbol, rate=notice.rate, interval_hours=notice.interval_hours, settlement_time=notice.settlement_time,
        )  # fmt: skip

    def _entry(self, watermark: int) -> JournalEntry:
        name = f"{self.settings.session}/journal/{STAGE}/{TASK}/{self._sequence}"
        return JournalEntry(
            event_id=name, causation_id=name, correlation_id=name, session=self.settings.session,
            time=max(watermark, 0), stage=STAGE, task=TASK, sequence=self._sequence, positions="[]",
            frontier=watermark, watermark=watermark, commands="[]", outputs_count=self.outputs_count,
            outputs_digest=self.outputs_digest, previous_digest=self._previous_digest, code_version=self._code_version,
            settings_digest=self._settings_digest, source=encode_state(self.source).decode(),
        )  # fmt: skip


def _feed_ended(log: Log, layout: Layout, codec: Codec) -> int:
    """Up to where the market was seen before a timekeeper stood in; below 0 where it never was."""
    for message in backwards(log, layout.journal(STAGE, TASK)):
        if message.value is not None:
            entry = codec.decode(message.value, JournalEntry)
            assert isinstance(entry, JournalEntry)
            source = source_of(entry)
            if source.role == "feed":
                return source.clock.last
    return BEFORE_TIME
