"""What the simulated MEXC's websockets and REST say is the market that its truth log has, in MEXC's shapes."""

import gzip
import itertools
import json
from decimal import Decimal

import aiohttp

from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.truth import BookSaid, FundingSaid, KlineSaid, MarkSaid
from streams.exchange.recorded import RecordedFeed
from tests.exchange.mexc_simulated.exchanges import DEALS, DEPTH, KLINE, TICKER, futures_subscribed, messages, pushes, subscribed, told
from tests.exchange.mexc_simulated.virtual_loop import run
from tests.exchange.sessions import T0, recording

D = Decimal


def test_spot_deals_are_the_truths_trades_in_order_with_their_ids():
    async def story(server, session):
        return await pushes(await subscribed(session, server, DEALS), 20), server.exchange.truth.trades("BTCUSDT")

    got, truth = told(story)
    frames = [one for push in got for one in push.aggre_deals.deals]
    deals = [(one.trade_id, D(one.price), D(one.quantity), one.trade_type, one.time * 1000) for one in frames]
    said = [(one.trade_id, one.price, one.quantity, 1 if one.aggressor == "BUY" else 2, one.time) for one in truth]
    assert len(deals) > 20
    assert deals == said[: len(deals)] and len(said) - len(deals) < 3
    assert {push.aggre_deals.event_type for push in got} == {"spot@public.aggre.deals.v3.api.pb@100ms"}


def test_depth_joins_the_rest_snapshot_and_its_versions_leave_no_gap():
    """The book built from snapshot and deltas has the truth's best prices, at the ticker's versions."""

    async def story(server, session):
        socket = await subscribed(session, server, DEPTH, TICKER)
        first = await pushes(socket, 5)
        snapshot = await (await session.get(f"{server.rest_url}/api/v3/depth", params={"symbol": "BTCUSDT", "limit": 1000})).json()
        return first + await pushes(socket, 60), snapshot, server.exchange.truth.of(BookSaid, "BTCUSDT")

    got, snapshot, truth = told(story)
    depths = [push.aggre_depths for push in got if push.HasField("aggre_depths")]
    assert all(int(one.from_version) == int(before.to_version) + 1 for before, one in itertools.pairwise(depths))
    assert [int(one.to_version) for one in depths] == [one.version for one in truth][-len(depths) :]
    bids, asks = ({D(price): D(quantity) for price, quantity in snapshot[side]} for side in ("bids", "asks"))
    version, compared = snapshot["lastUpdateId"], 0
    for push in got:
        if push.HasField("aggre_depths") and int(push.aggre_depths.to_version) > version:
            assert int(push.aggre_depths.from_version) <= version + 1
            version = int(push.aggre_depths.to_version)
            for side, levels in ((bids, push.aggre_depths.bids), (asks, push.aggre_depths.asks)):
                side.update({D(level.price): D(level.quantity) for level in levels})
        if push.HasField("aggre_book_ticker") and int(push.aggre_book_ticker.version) == version:
            best = max(price for price, quantity in bids.items() if quantity), min(price for price, quantity in asks.items() if quantity)
            assert best == (D(push.aggre_book_ticker.bid_price), D(push.aggre_book_ticker.ask_price))
            compared += 1
    assert compared > 50


def test_closed_candle_is_the_minutes_trades_on_websocket_rest_and_truth():
    async def story(server, session):
        got = await pushes(await subscribed(session, server, KLINE), 150)
        rest = await (await session.get(f"{server.rest_url}/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1m"})).json()
        return got, rest, server.exchange.truth.of(KlineSaid, "BTCUSDT"), server.exchange.truth.trades("BTCUSDT")

    got, rest, said, trades = told(story)
    assert len(said) == 2
    for candle in said:
        inside = [one for one in trades if candle.start <= one.time < candle.start + 60_000_000]
        assert (candle.open, candle.close) == (inside[0].price, inside[-1].price)
        assert candle.volume == sum(one.quantity for one in inside)
        last = [push.kline for push in got if push.kline.window_start * 1_000_000 == candle.start][-1]
        assert (D(last.opening_price), D(last.closing_price), D(last.volume)) == (candle.open, candle.close, candle.volume)
        row = next(row for row in rest if row[0] * 1000 == candle.start)
        assert [D(one) for one in row[1:6]] == [candle.open, candle.high, candle.low, candle.close, candle.volume]


def test_futures_say_deals_in_contracts_and_versions_that_rise_by_one():
    async def story(server, session):
        socket = await futures_subscribed(session, server, "deal", "depth", "fair.price", "index.price", "funding.rate")
        got = [json.loads(one.data, parse_float=D) for one in await messages(socket, 30)]
        return got, server.exchange.truth

    got, truth = told(story)
    deals = [one for push in got if push["channel"] == "push.deal" for one in push["data"]]
    # A contract of BTC_USDT is 0.0001 BTC.
    assert [(D(one["p"]), D(one["v"]) * D("0.0001"), one["t"] * 1000) for one in deals] == [
        (one.price, one.quantity, one.time) for one in truth.trades("BTC_USDT")[: len(deals)]
    ]
    versions = [push["data"]["version"] for push in got if push["channel"] == "push.depth"]
    assert len(versions) > 50 and versions == list(range(versions[0], versions[0] + len(versions)))
    marks = {one.mark for one in truth.of(MarkSaid, "BTC_USDT")}
    fair = [D(push["data"]["price"]) for push in got if push["channel"] == "push.fair.price"]
    assert fair and set(fair) <= marks
    rate = next(push["data"] for push in got if push["channel"] == "push.funding.rate")
    told_rate = truth.of(FundingSaid, "BTC_USDT")[0]
    assert (D(rate["rate"]), rate["nextSettleTime"] * 1000) == (told_rate.rate, told_rate.settlement_time)


def test_futures_frames_are_gzip_where_it_is_asked_for():
    async def story(server, session):
        return await messages(await futures_subscribed(session, server, "deal", gzip=True), 5)

    got = told(story)
    assert {one.type for one in got} == {aiohttp.WSMsgType.BINARY}
    assert all(json.loads(gzip.decompress(one.data))["channel"] == "push.deal" for one in got)


def test_candles_of_rest_reach_back_into_the_history_and_older_ones_are_an_empty_list():
    async def story(server, session):
        async def candles(**params):
            answer = await session.get(f"{server.rest_url}/api/v3/klines", params={"symbol": "BTCUSDT", **params})
            return answer.status, await answer.json()

        month_ago = server.exchange.clock.now() // 1000 - 31 * 86_400_000
        return (
            await candles(interval="1m"), await candles(interval="60m"), await candles(interval="1h"),
            await candles(interval="1m", startTime=month_ago, endTime=month_ago + 3_600_000),
        )  # fmt: skip

    minutes, hours, wrong, old = told(story, history_seconds=600, rate=2)
    assert minutes[0] == 200 and len(minutes[1]) == 11 and hours[0] == 200 and len(hours[1]) in {1, 2}
    assert wrong == (400, {"code": -1121, "msg": "Invalid interval."})
    assert old == (200, [])


def test_recorded_market_is_played_with_its_own_trades_moved_to_the_clocks_time():
    feed = RecordedFeed((recording("spot_btcusdt"),), duration_seconds=20)
    recorded = [trade for push in feed.pushes() for trade in push.trades]

    async def story():
        async with SimulatedMexc(feed, start=T0) as server, aiohttp.ClientSession() as session:
            got = await pushes(await subscribed(session, server, DEALS, DEPTH), 30)
            return got, server.exchange.truth.of(BookSaid, "BTCUSDT")

    got, books = run(story())
    deals = [one for push in got for one in push.aggre_deals.deals]
    missed = len(recorded) - len(deals)
    # Subscribed a moment after the start.
    assert 0 <= missed < 20 and len(deals) > 200
    assert [(one.trade_id, D(one.price), D(one.quantity)) for one in deals] == [
        (one.trade_id, one.price, one.quantity) for one in recorded[missed:]
    ]
    assert deals[-1].time - deals[0].time == recorded[-1].time // 1000 - recorded[missed].time // 1000
    assert T0 // 1000 <= deals[0].time < T0 // 1000 + 2000
    assert all(one.previous == before.version for before, one in itertools.pairwise(books))
