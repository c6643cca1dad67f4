"""
Recorded frames: each kind parsed by hand, faults named by file and line, merging, positions, and the real recordings.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from streams.domain.records import Level, Side, Trade
from streams.errors import ConfigError, FeedError
from streams.exchange.push import Push
from streams.exchange.recorded import RecordedFeed
from tests.exchange.sessions import (
    T0,
    diff,
    recording,
    small_recording,
    snapshot,
    ticker,
    trade,
    write_lines,
)

D = Decimal


def pushes_of(tmp_path: Path, *contents: str, name: str = "a.jsonl") -> list[Push]:
    lines = [f"{T0 * 1000 + number * 1_000_000} {text}" for number, text in enumerate(contents)]
    return list(RecordedFeed((write_lines(tmp_path / name, lines),)).pushes())


def level(price: str, quantity: str) -> Level:
    return Level(D(price), D(quantity))


def test_spot_trade_where_the_buyer_was_the_maker_is_an_aggressive_sell(tmp_path):
    [push] = pushes_of(
        tmp_path,
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
        '"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}',
    )
    assert push.exchange == "binance" and push.symbol == "BTCUSDT"
    assert push.event_time == 1723161255343000 and push.receive_time == T0
    assert push.trades == [Trade("3735683259", D("61837.63"), D("0.02"), Side.SELL, 1723161255342000)]
    assert push.source == (str(tmp_path / "a.jsonl"), 1)


def test_spot_book_ticker_has_no_event_time(tmp_path):
    [push] = pushes_of(tmp_path, ticker(7))
    assert push.event_time is None and push.update_id == 7
    assert (push.best_bid, push.best_bid_quantity) == (D("100.10"), D("2.5"))
    assert (push.best_ask, push.best_ask_quantity) == (D("100.20"), D("1.5"))


def test_perpetual_frames_take_the_perpetuals_name_and_its_own_venue(tmp_path):
    pushes = pushes_of(
        tmp_path,
        '{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"61800.20","B":"2.507",'
        '"a":"61800.30","A":"2.510","T":1723161256312,"E":1723161256313}}',
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT","t":9,'
        '"p":"61800.30","q":"0.006","X":"MARKET","m":false}}',
    )
    assert {(push.exchange, push.symbol) for push in pushes} == {("binance-usdm", "BTC_USDT")}
    assert pushes[0].event_time == 1723161256313000
    assert pushes[1].trades == [Trade("9", D("61800.30"), D("0.006"), Side.BUY, 1723161256321000)]


def test_diffs_that_came_before_the_snapshot_are_laid_over_it(tmp_path):
    early, late, book, after = pushes_of(
        tmp_path,
        diff(1, 5, 9, bids='["99","1"]'),
        diff(2, 10, 14, bids='["100.10","0"],["100.05","3"]', asks='["100.30","7"]'),
        snapshot(11),
        diff(3, 15, 16, asks='["100.20","0"]'),
    )
    assert not any(push.snapshot or push.gap for push in (early, late, after))
    assert book.snapshot and book.update_id == 14
    assert book.bids == [level("100.05", "3"), level("100.00", "1")]
    assert book.asks == [level("100.20", "1.5"), level("100.30", "7")]
    assert after.update_id == 16 and after.asks == [level("100.20", "0")]


def test_first_diff_after_a_snapshot_may_straddle_it_and_older_ones_change_nothing(tmp_path):
    older, joining = diff(1, 7, 10, bids='["1","1"]'), diff(2, 11, 13, bids='["2","1"]')
    _, old, straddling = pushes_of(tmp_path, snapshot(11), older, joining)
    assert (old.bids, old.update_id, old.gap) == ([], 11, False)
    assert (straddling.bids, straddling.update_id, straddling.gap) == ([level("2", "1")], 13, False)


def test_missing_diff_leaves_a_gap_until_the_next_snapshot(tmp_path):
    contents = [
        snapshot(11), diff(1, 12, 13), diff(2, 15, 16), diff(3, 17, 18), trade(4), snapshot(17), diff(5, 19, 20)
    ]  # fmt: skip
    pushes = pushes_of(tmp_path, *contents)
    assert [push.gap for push in pushes] == [False, False, True, True, False, False, False]
    assert [push.snapshot for push in pushes] == [True, False, False, False, False, True, False]
    assert pushes[5].update_id == 18


def test_snapshot_older_than_the_held_diffs_does_not_heal_a_gap(tmp_path):
    pushes = pushes_of(tmp_path, snapshot(11), diff(2, 15, 16), snapshot(12), diff(3, 17, 18), snapshot(15))
    assert [push.gap for push in pushes] == [False, True, True, True, False]
    assert [push.snapshot for push in pushes] == [True, False, False, False, True]


def test_snapshot_behind_a_complete_book_is_ignored(tmp_path):
    *_, late = pushes_of(tmp_path, snapshot(11), diff(1, 12, 15), snapshot(13))
    assert (late.snapshot, late.gap, late.bids, late.update_id) == (False, False, [], 15)


def test_perpetual_chain_goes_by_pu(tmp_path):
    def perpetual(first: int, last: int, previous: int) -> str:
        return diff(1, first, last).replace('"b":', f'"pu":{previous},"b":')

    book = snapshot(100).replace('"bids"', '"E":1723161256501,"T":1,"bids"')
    good = [perpetual(90, 99, 80), book, perpetual(99, 120, 99), perpetual(130, 140, 120)]
    pushes = pushes_of(tmp_path, *good, perpetual(150, 160, 145))
    assert [push.gap for push in pushes] == [False, False, False, False, True]
    assert pushes[1].snapshot and pushes[1].event_time == 1723161256501000


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1700000000000000000 {broken", "JSON is malformed"),
        ("nonsense", "receive time"),
        ("", "receive time"),
        ('1700000000000000000 {"stream":"x","data":{"e":"trade","s":"BTCUSDT","E":1}}', "must hold E, T, t, p, q"),
        ('1700000000000000000 {"stream":"x","data":{"e":"kline","s":"BTCUSDT"}}', "'kline'"),
        ('1700000000000000000 {"other":1}', "stream and data"),
        (f"1700000000000000000 {ticker(1, symbol='ETHUSDT')}", "'ETHUSDT'"),
        (f"1700000000000000000 {trade(5, price='abc')}", "decimal"),
    ],
)  # fmt: skip
def test_corrupt_line_ends_the_feed_there_with_file_and_line_named(tmp_path, line, why):
    lines = small_recording()
    path = write_lines(tmp_path / "a.jsonl", [*lines[:4], line, *lines[4:]])
    seen = []
    with pytest.raises(FeedError, match=r"a\.jsonl line 5: ") as fault:
        for push in RecordedFeed((path,)).pushes():
            seen.append(push.source.number)
    assert seen == [1, 2, 3, 4]
    assert why.lower() in str(fault.value).lower()


def test_truncated_gzip_delivers_what_is_whole_and_names_the_next_line(tmp_path):
    lines = [f"{T0 * 1000 + n} {ticker(n * 7919 % 100_003)}" for n in range(20_000)]
    path = tmp_path / "a.jsonl.gz"
    write_lines(path, lines)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    count = 0
    with pytest.raises(FeedError) as fault:
        for push in RecordedFeed((str(path),)).pushes():
            count += 1
            assert push.source.number == count
    assert 1000 < count < 19_000
    assert f"a.jsonl.gz line {count + 1}: " in str(fault.value)


def test_flipped_bytes_in_a_gzip_end_the_feed(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    write_lines(path, [f"{T0 * 1000 + n} {ticker(n * 7919 % 100_003)}" for n in range(20_000)])
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(FeedError, match=r"a\.jsonl\.gz line \d+: "):
        list(RecordedFeed((str(path),)).pushes())


def test_files_merge_by_receive_time_whatever_their_order(tmp_path):
    bitcoin = write_lines(tmp_path / "a.jsonl", small_recording())
    ether = write_lines(tmp_path / "b.jsonl.gz", small_recording("ETHUSDT", shift_ns=50_000_000))
    one = list(RecordedFeed((bitcoin, ether)).pushes())
    other = list(RecordedFeed((ether, bitcoin)).pushes())
    assert one == other
    assert [push.symbol for push in one[:4]] == ["BTCUSDT", "ETHUSDT", "BTCUSDT", "ETHUSDT"]
    assert [push.receive_time for push in one] == sorted(push.receive_time for push in one)


def test_equal_receive_times_go_in_the_order_of_the_files(tmp_path):
    files = [write_lines(tmp_path / f"{symbol}.jsonl", small_recording(symbol)) for symbol in ("ETHUSDT", "BTCUSDT")]
    assert [push.symbol for push in RecordedFeed(tuple(files)).pushes()][:4] == ["ETHUSDT", "BTCUSDT"] * 2


def test_going_on_from_any_position_gives_the_rest(tmp_path):
    contents = [
        diff(1, 5, 9, bids='["99","1"]'), snapshot(7), ticker(9), diff(2, 10, 11), diff(3, 13, 14), trade(4),
        snapshot(13), diff(5, 15, 16),
    ]  # fmt: skip
    lines = [f"{T0 * 1000 + number * 1_000_000} {text}" for number, text in enumerate(contents)]
    feed = RecordedFeed((
        write_lines(tmp_path / "a.jsonl.gz", lines),
        write_lines(tmp_path / "b.jsonl", small_recording("ETHUSDT")),
    ))  # fmt: skip
    whole = list(feed.pushes())
    for index, push in enumerate(whole):
        assert list(feed.pushes(push.source)) == whole[index + 1 :]


def test_recording_that_lost_lines_since_it_was_read_is_refused(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", small_recording())
    position = list(RecordedFeed((path,)).pushes())[-1].source
    write_lines(tmp_path / "a.jsonl", small_recording()[:5])
    with pytest.raises(FeedError, match="must still hold line 9"):
        list(RecordedFeed((path,)).pushes(position))


@pytest.mark.parametrize(
    ("files", "why"),
    [((), "at least one"), (("nowhere.jsonl",), "must name files that exist, was nowhere.jsonl"), (("a", "a"), "once")],
)
def test_files_that_cannot_be_a_feed_are_refused(files, why):
    with pytest.raises(ConfigError, match=why):
        RecordedFeed(files)


def test_symbol_without_instrument_is_refused_with_the_file_to_fill(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [f"1 {ticker(1, symbol='LUNAUSDT')}"])
    with pytest.raises(ConfigError, match=r"LUNAUSDT of binance, .* binance\.toml"):
        RecordedFeed((path,))


@pytest.mark.parametrize(
    ("name", "count", "symbol"),
    [("spot_btcusdt", 41249, "BTCUSDT"), ("spot_ethusdt", 33618, "ETHUSDT"), ("usdm_btcusdt", 93954, "BTC_USDT")],
)
def test_real_recording_gives_every_line_one_book_and_no_gap(name, count, symbol):
    pushes = list(RecordedFeed((recording(name),)).pushes())
    assert len(pushes) == count
    assert {push.symbol for push in pushes} == {symbol}
    assert sum(push.snapshot for push in pushes) == 1 and not any(push.gap for push in pushes)


@pytest.mark.parametrize("name", ["spot_btcusdt", "spot_ethusdt"])
def test_book_of_snapshot_and_diffs_equals_the_ticker_at_every_common_update_id(name):
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    tops = {}
    tickers = {}
    for push in RecordedFeed((recording(name),)).pushes():
        if push.snapshot:
            bids, asks = {}, {}
        if push.best_bid is not None:
            tickers[push.update_id] = (push.best_bid, push.best_bid_quantity, push.best_ask, push.best_ask_quantity)
        elif not push.trades and (bids or push.snapshot):
            for side, changes in ((bids, push.bids), (asks, push.asks)):
                side.update((change.price, change.quantity) for change in changes)
                for change in changes:
                    if not change.quantity:
                        del side[change.price]
            bid, ask = max(bids), min(asks)
            tops[push.update_id] = (bid, bids[bid], ask, asks[ask])
    common = tops.keys() & tickers.keys()
    assert len(common) > 500
    assert all(tops[update_id] == tickers[update_id] for update_id in common)
