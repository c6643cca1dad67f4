"""
The feed writer on a memory log: what a flush holds, and that a feed killed anywhere goes on as if nothing had been.
"""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest

from streams.domain.ids import order_key
from streams.errors import ConfigError, FeedError, Fenced
from streams.exchange.push import Feed
from streams.exchange.recorded import RecordedFeed
from streams.exchange.writer import FeedWriter
from streams.log.batch import NO_DIGEST, chained
from streams.log.journal import entry_digest
from streams.log.memory import MemoryLog
from tests.exchange.sessions import (
    CODEC,
    T0,
    data_of,
    instrument_records,
    journal,
    market_records,
    new_log,
    new_writer,
    newest_source,
    settings_for,
    small_recording,
    trade,
    watermarks,
    write_lines,
)  # fmt: skip

BOTH = ("BTCUSDT", "ETHUSDT")


@pytest.fixture
def feed(tmp_path) -> RecordedFeed:
    return RecordedFeed((
        write_lines(tmp_path / "a.jsonl", small_recording()),
        write_lines(tmp_path / "b.jsonl", small_recording("ETHUSDT", shift_ns=50_000_000)),
    ))  # fmt: skip


def opened(log: MemoryLog, feed: Feed, *, partitions: int = 1, **options: object) -> FeedWriter:
    writer = new_writer(log, settings_for(*BOTH, partitions=partitions), **options)
    writer.introduce(feed.instruments())
    return writer


def written(feed: Feed, *, partitions: int = 1, records_max: int = 500) -> MemoryLog:
    log = new_log(settings_for(*BOTH, partitions=partitions))
    writer = opened(log, feed, partitions=partitions, records_max=records_max)
    for push in feed.pushes():
        writer.put(push)
    writer.finish()
    return log


def test_records_carry_ids_of_their_symbols_own_sequence(feed):
    records = market_records(written(feed), settings_for(*BOTH))
    assert [record.event_id for record in records[:4]] == [
        "s/feed/binance/BTCUSDT/0", "s/feed/binance/ETHUSDT/0", "s/feed/binance/BTCUSDT/1", "s/feed/binance/ETHUSDT/1"
    ]  # fmt: skip
    for record in records:
        assert record.causation_id == record.correlation_id == record.event_id
    assert [r.sequence for r in records if r.symbol == "ETHUSDT"] == list(range(9))


def test_session_begins_with_its_instruments_just_before_the_first_push(feed):
    log = written(feed)
    first = market_records(log, settings_for(*BOTH))[0]
    instruments = instrument_records(log, settings_for(*BOTH))
    assert [record.symbol for record in instruments] == ["BTCUSDT", "ETHUSDT"]
    assert {record.time for record in instruments} == {first.time - 1}
    assert str(instruments[0].tick_size) == "0.01"


def test_silence_in_a_recording_lets_time_pass_before_the_next_push(feed):
    """Line 7 comes 3.1 s after line 6; before it, time must have passed to its receive time − offset − 250 ms."""
    log = new_log(settings_for(*BOTH))
    writer = opened(log, feed)
    pushes = list(feed.pushes())
    index = next(i for i, push in enumerate(pushes) if push.receive_time - T0 > 3_000_000)
    for push in pushes[:index]:
        writer.put(push)
    before = writer.clock.state.last
    writer.quiet(pushes[index].receive_time - 1)
    assert watermarks(log, settings_for(*BOTH))[-1] > before + 2_500_000
    writer.put(pushes[index])


@pytest.mark.parametrize("partitions", [1, 2])
def test_every_flush_promises_on_every_partition_of_every_merged_feed_topic(feed, partitions):
    log = written(feed, partitions=partitions, records_max=7)
    settings = settings_for(*BOTH, partitions=partitions)
    expected = [entry.watermark for entry in journal(log, settings)]
    assert len(expected) == 3
    for topic in ("market_data", "instruments", "funding"):
        for partition in range(partitions):
            assert watermarks(log, settings, topic, partition) == expected


def test_no_record_stands_behind_a_watermark_that_covers_it(feed):
    log = written(feed, records_max=3)
    times = [record.time for record in market_records(log, settings_for(*BOTH))]
    assert times == sorted(set(times))
    entries = journal(log, settings_for(*BOTH))
    for entry, count in zip(entries, (entry.outputs_count for entry in entries), strict=True):
        market = count - 2  # two instruments came first
        assert all(time <= entry.watermark for time in times[:market])
        assert all(time > entry.watermark for time in times[market:])


def test_end_promises_the_tail_and_says_so_in_the_journal(feed):
    log = written(feed)
    settings = settings_for(*BOTH)
    last = market_records(log, settings)[-1].time
    assert watermarks(log, settings)[-1] == last + 5_000_000
    source = newest_source(log, settings)
    assert (source.ended, source.error, source.role) == (True, None, "feed")


def test_journal_chains_and_its_digest_is_that_of_the_records_in_order(feed):
    log = written(feed, records_max=4)
    settings = settings_for(*BOTH)
    previous, digest = NO_DIGEST, NO_DIGEST
    entries = journal(log, settings)
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    for entry in entries:
        assert entry.previous_digest == previous
        previous = entry_digest(CODEC.payload(entry))
    found = [(CODEC.decode(value), topic, key, value) for topic, _, key, value in data_of(log, settings)]
    rows = sorted(found, key=lambda row: (row[0].time, order_key(row[0].event_id)))
    for _, topic, key, value in rows:
        digest = chained(digest, topic, key.decode(), value)
    assert entries[-1].outputs_digest == digest and entries[-1].outputs_count == len(rows)


def test_bytes_do_not_depend_on_where_flushes_are_cut(feed):
    settings = settings_for(*BOTH)
    whole = data_of(written(feed), settings)
    for records_max in (1, 2, 5):
        assert data_of(written(feed, records_max=records_max), settings) == whole


def killed_at(feed: Feed, cuts: Sequence[int], *, records_max: int, quiet: bool = False) -> MemoryLog:
    """A session whose feed dies just before push number `cut` of each run, with whatever it had not flushed."""
    log = new_log(settings_for(*BOTH))
    for cut in [*cuts, 1 << 30]:
        writer = opened(log, feed, records_max=records_max)
        for number, push in enumerate(feed.pushes(writer.position)):
            if number == cut:
                break
            writer.put(push)
            if quiet:
                writer.quiet(push.receive_time)
        else:
            writer.finish()
    return log


@pytest.mark.parametrize("records_max", [1, 3, 4])
def test_feed_killed_before_every_push_writes_the_same_bytes(feed, records_max):
    settings = settings_for(*BOTH)
    whole = written(feed, records_max=records_max)
    for cut in range(19):
        log = killed_at(feed, [cut, 5], records_max=records_max)
        assert data_of(log, settings) == data_of(whole, settings)
        assert journal(log, settings)[-1].outputs_digest == journal(whole, settings)[-1].outputs_digest


def test_quiet_flushes_and_kills_together_change_no_byte(feed):
    settings = settings_for(*BOTH)
    log = killed_at(feed, [3, 4, 1, 0], records_max=2, quiet=True)
    assert data_of(log, settings) == data_of(written(feed), settings)


def test_kill_inside_a_transaction_leaves_nothing_visible(feed):
    """The writer dies with records appended and not committed: its successor's opening aborts them."""
    settings = settings_for(*BOTH)
    log = new_log(settings)
    first = opened(log, feed, records_max=100)
    pushes = list(feed.pushes())
    for push in pushes[:4]:
        first.put(push)
    first.flush()
    dying = log.writer("s-feed-feed")
    dying.begin()
    dying.append(first.layout.at("market_data", 0), key=b"BTCUSDT", value=b"half", time=T0)
    second = opened(log, feed)
    for push in feed.pushes(second.position):
        second.put(push)
    second.finish()
    assert data_of(log, settings) == data_of(written(feed), settings)


def test_writer_whose_name_was_taken_may_not_write(feed):
    log = new_log(settings_for(*BOTH))
    first = opened(log, feed)
    opened(log, feed)
    with pytest.raises(Fenced):
        for push in feed.pushes():
            first.put(push)
        first.flush()


def test_push_an_hour_ahead_is_flagged_and_the_next_goes_on_in_time(tmp_path):
    lines = small_recording()
    wrong = lines[4].replace(str(T0 // 1000 + 1400), str(T0 // 1000 + 1400 + 3_600_000))
    feed = RecordedFeed((write_lines(tmp_path / "a.jsonl", [*lines[:4], wrong, *lines[5:]]),))
    settings = settings_for()
    log = new_log(settings)
    writer = new_writer(log, settings)
    writer.introduce(feed.instruments())
    for push in feed.pushes():
        writer.put(push)
    writer.finish()
    records = market_records(log, settings)
    assert [record.time_suspect for record in records] == [False] * 4 + [True] + [False] * 4
    assert all(record.time < T0 + 6_000_000 for record in records)
    assert records[4].event_time == T0 + 1_400_000 + 3_600_000_000 and records[6].time == T0 + 4_600_000


def test_value_that_no_record_can_hold_is_a_fault_of_the_line_that_had_it(tmp_path):
    lines = [*small_recording()[:3], f"{T0 * 1000 + 10**9} {trade(T0 // 1000, price='1.0000000000001')}"]
    path = write_lines(tmp_path / "a.jsonl", lines)
    feed = RecordedFeed((path,))
    settings = settings_for()
    log = new_log(settings)
    writer = new_writer(log, settings)
    writer.introduce(feed.instruments())
    with pytest.raises(FeedError, match=r"a\.jsonl line 4: MarketData\.trades"):
        for push in feed.pushes():
            writer.put(push)
    writer.finish("broken")
    assert len(market_records(log, settings)) == 3


def test_symbol_that_the_settings_do_not_name_is_refused(feed):
    writer = new_writer(new_log(settings_for("BTCUSDT")), settings_for("BTCUSDT"))
    with pytest.raises(ConfigError, match="ETHUSDT is missing, was BTCUSDT"):
        writer.introduce(feed.instruments())


def test_session_goes_on_only_with_its_own_settings(feed):
    log = written(feed)
    with pytest.raises(ConfigError, match="must go on with the settings it was made with"):
        new_writer(log, settings_for(*BOTH, quiet_delay_ms=100))


def test_partition_of_a_symbol_is_its_task(feed):
    settings = settings_for(*BOTH, partitions=2)
    rows = data_of(written(feed, partitions=2), settings)
    assert {(key, partition) for topic, partition, key, _ in rows if topic == "market_data"} == {
        (symbol.encode(), settings.symbol_task(symbol)) for symbol in BOTH
    }


def test_journal_source_is_readable_json(feed):
    source = json.loads(journal(written(feed), settings_for(*BOTH))[-1].source)
    assert source["position"][1] == 9 and source["symbols"]["ETHUSDT"] == {"exchange": "binance", "sequence": 9}


def test_journal_chain_goes_on_over_restarts(feed):
    settings = settings_for(*BOTH)
    entries = journal(killed_at(feed, [5, 6], records_max=2), settings)
    assert [entry.sequence for entry in entries] == list(range(len(entries)))
    for before, after in pairwise(entries):
        assert after.previous_digest == entry_digest(CODEC.payload(before))
        assert after.watermark >= before.watermark
        assert after.outputs_count >= before.outputs_count
