"""
From a tick to its fill, live at 200 ticks a second, in wall milliseconds without the simulated latency.

One read-committed reader follows market_data and order_results and notes when each record could be read. For an answer r that
the tick m began (correlation id):

* `tick_to_fill` = readable(r) − readable(m) − (r.fill_time − m.time): from the tick's flush to the answer on the log. What is
  taken off is market time that must pass whatever the machine does: the order latency, and a wait for the decision's own timer.
  The report latency is not taken off: an answer is on the log before its logical time, so nobody waits for it.
* `tick_received_to_fill` = the same from the moment the feed received the tick, so with the feed's flush of up to 20 ms.
* `market_to_result` = readable(r) − the first moment at which the market up to r.fill_time could be read: the last hop alone.

`feed_late_seconds_max` is the longest that a tick took from being due to being readable: much above 0.1 the machine was too busy for
the market to be live, and the numbers say nothing.

The baseline is three consume-produce transactions in a row, in one thread, on the same broker.
"""

import time
from typing import Any, NamedTuple

from streams.domain.parameters import FeedParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.records import MarketData, OrderResult
from streams.log.interface import Log, Message, Partition, Reader, watermark_of
from streams.log.layout import Layout
from tests.bench.arena import Arena, fresh, until
from tests.bench.machine import load, percentile

TICKS_PER_SECOND = 200
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SECONDS = 90
# Every process is up before the market opens, and what the first seconds of it cost is left out.
AHEAD_SECONDS, WARM_SECONDS = 45, 10
MICROSECONDS = 1_000_000
HOPS, ROUNDS = 3, 200
MILLISECOND = 1000.0


class Seen(NamedTuple):
    """A message, and the wall time in µs at which it could be read."""

    message: Message
    wall: int


def latency(arena: Arena) -> dict[str, Any]:
    """A live simulated session whose strategy signals as often as it may."""
    settings = _settings(arena.asked.seed)
    log, layout = arena.theatre.runtime.log, Layout.of(settings)
    with arena.playing(settings, speed="1x") as running:
        market, results = layout.at("market_data", 0), layout.at("order_results", 0)
        reader = log.reader({market: 0, results: 0})
        processes = arena.processes(running)
        seen: list[Seen] = []
        try:
            deadline = time.perf_counter() + AHEAD_SECONDS + SECONDS * 3
            while time.time_ns() // 1000 < settings.feed.start_time:
                _follow(reader, seen, settings)
            before = processes.cpu_seconds()
            while not (ended := _follow(reader, seen, settings)):
                assert time.perf_counter() < deadline, f"a session of {SECONDS} s must end, did not"
        finally:
            reader.close()
        cores = {name: round((used - before.get(name, 0.0)) / SECONDS, 3) for name, used in processes.cpu_seconds().items()}
        until(lambda: running.progress().settled, "all stages to settle", every=0.2, seconds=60)
    assert ended
    return {
        **_measured(arena, settings, seen),
        "cpu_cores": {**cores, "sum": round(sum(cores.values()), 3)},
        "load_average": load(),
        "baseline": _hops(log),
    }


def _settings(seed: int) -> SessionSettings:
    strategy = StrategyParameters(
        name="momentum", kind="momentum",
        parameters={"SIGNAL_LOOKBACK_MIN": "0.1", "SIGNAL_THRESHOLD_PCT": "0.005", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1"},
    )  # fmt: skip
    return SessionSettings(
        session=fresh("latency"), strategies=(strategy,),
        risk=RiskParameters.model_validate({
            "stop_loss_pct": "0.0001", "take_profit_pct": "0.0001", "allocation_warmup": "0.3", "max_trades_an_hour": 10_000,
            "stop_out_cooldown_sec": 0, "max_consecutive_losses": 1000,
        }),
        feed=FeedParameters(
            symbols=SYMBOLS, seed=seed, rate_per_second=TICKS_PER_SECOND // len(SYMBOLS), duration_seconds=SECONDS,
            start_time=time.time_ns() // 1000 + AHEAD_SECONDS * MICROSECONDS,
        ),
    )  # fmt: skip


def _follow(reader: Reader, seen: list[Seen], settings: SessionSettings) -> bool:
    """Notes what can be read now; whether the market's last promise was among it."""
    end = settings.feed.start_time + SECONDS * MICROSECONDS
    messages = reader.poll(1000, 0.05)
    wall = time.time_ns() // 1000
    seen += [Seen(message, wall) for message in messages]
    return any(message.topic.endswith(".market_data") and (watermark_of(message) or 0) > end + MICROSECONDS for message in messages)


def _measured(arena: Arena, settings: SessionSettings, seen: list[Seen]) -> dict[str, Any]:
    codec = arena.theatre.runtime.codec
    ticks: dict[str, tuple[MarketData, int]] = {}
    promises: list[tuple[int, int]] = []
    answers: list[tuple[OrderResult, int]] = []
    for message, wall in seen:
        if message.value is None:
            promised = watermark_of(message)
            if promised is not None and message.topic.endswith(".market_data"):
                promises.append((promised, wall))
            continue
        record = codec.decode(message.value)
        if isinstance(record, MarketData):
            ticks[record.event_id] = (record, wall)
        elif isinstance(record, OrderResult) and record.quantity > 0:
            answers.append((record, wall))
    flush, received, last_hop = [], [], []
    late = max((wall - tick.receive_time for tick, wall in ticks.values()), default=0) / MICROSECONDS
    for answer, wall in answers:
        if answer.fill_time < settings.feed.start_time + WARM_SECONDS * MICROSECONDS:
            continue
        if answer.correlation_id in ticks:
            tick, readable = ticks[answer.correlation_id]
            waited = answer.fill_time - tick.time
            flush.append((wall - readable - waited) / MILLISECOND)
            received.append((wall - tick.receive_time - waited) / MILLISECOND)
        last_hop += [(wall - at) / MILLISECOND for promised, at in promises if promised >= answer.fill_time][:1]
    assert flush, f"a session must fill to be measured, had {len(answers)} fills of {len(ticks)} ticks"
    return {
        "definition": "wall ms from the tick's flush readable to its fill readable, less the market time between tick and fill",
        "ticks": len(ticks), "ticks_per_second_asked": TICKS_PER_SECOND, "fills": len(answers), "measured": len(flush),
        "feed_late_seconds_max": round(late, 3),
        "tick_to_fill_ms": _spread(flush), "tick_received_to_fill_ms": _spread(received), "market_to_result_ms": _spread(last_hop),
    }  # fmt: skip


def _spread(values: list[float]) -> dict[str, float]:
    return {f"p{round(share * 100)}": round(percentile(values, share), 2) for share in (0.5, 0.9, 0.99)}


def _hops(log: Log) -> dict[str, Any]:
    """Three transactions in a row: each is read committed before the next begins."""
    places = [Partition(fresh(f"hop{number}"), 0) for number in range(HOPS)]
    log.create({place.topic: 1 for place in places})
    readers = [log.reader({place: 0}) for place in places]
    writers = [log.writer(fresh(f"hop{number}")) for number in range(HOPS)]
    took = []
    try:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for place, reader, writer in zip(places, readers, writers, strict=True):
                writer.begin()
                writer.append(place, key=b"key", value=b"x" * 200, time=1_000_000)
                writer.commit()
                while not reader.poll(10, 0.05):
                    continue
            took.append((time.perf_counter() - began) * 1000)
    finally:
        for one in (*readers, *writers):
            one.close()
    return {
        "what": f"{HOPS} transactions in a row, each read before the next",
        "rounds": ROUNDS,
        "ms": _spread(took),
        "load_average": load(),
    }
