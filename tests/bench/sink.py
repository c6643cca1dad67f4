"""
Rows a second from a topic through Connect into Postgres, beside COPY of the same rows into a table of the same columns.

The sink is paused while the records are produced, and the clock runs from its resumption to the last row.
"""

import time
from typing import Any

import msgspec
import psycopg

from streams.domain.parameters import SessionSettings
from streams.domain.records import OrderResult
from streams.log.layout import Layout
from streams.operate.sink import Sink
from tests.bench.arena import Arena, fresh, until
from tests.bench.machine import load
from tests.contract.samples import sample

BATCH = 2000
LOOK_SECONDS = 0.05


def sink(arena: Arena) -> dict[str, Any]:
    """`count` answers to orders, at most 50,000."""
    count = min(arena.asked.count, 50_000)
    settings = SessionSettings(session=fresh("sink"))
    arena.theatre.session(settings, speed="max")
    endpoints = arena.stack.endpoints()
    connect = Sink(endpoints.connect_url)
    with psycopg.connect(endpoints.postgres_dsn, autocommit=True) as database:
        # The sink learns of a new session's topics only now and then: one row shows that it has.
        _produce(arena, settings, 0, 1)
        until(lambda: _rows(database, settings) == 1, "the sink to find the session", every=0.2, seconds=120)
        connect.pause()
        connect.await_status(lambda status: all(task.state == "PAUSED" for task in status.tasks), 30)
        _produce(arena, settings, 1, count)
        began = time.perf_counter()
        connect.resume()
        ended = until(lambda: _rows(database, settings) >= count, f"{count} rows", every=LOOK_SECONDS, seconds=300)
        copied = _copy(database, settings)
    rate = (count - 1) / (ended - began)
    return {
        "rows": count - 1, "seconds": round(ended - began, 2), "rows_per_second": round(rate), "load_average": load(),
        "baseline": {"what": "COPY of the same rows", "seconds": round(copied, 3), "rows_per_second": round(count / copied)},
    }  # fmt: skip


def _produce(arena: Arena, settings: SessionSettings, first: int, end: int) -> None:
    runtime = arena.theatre.runtime
    place = Layout.of(settings).at("order_results", 0)
    answer = sample(OrderResult)
    writer = runtime.log.writer(fresh("rows"))
    try:
        for start in range(first, end, BATCH):
            writer.begin()
            for number in range(start, min(start + BATCH, end)):
                name = f"{settings.session}/execution/bench/{number}"
                value = runtime.codec.wire(msgspec.structs.replace(answer, event_id=name, session=settings.session))
                writer.append(place, key=b"main", value=value, time=answer.time)
            writer.commit()
    finally:
        writer.close()


def _rows(database: psycopg.Connection, settings: SessionSettings) -> int:
    found = database.execute("SELECT count(*) FROM order_results WHERE session = %s", (settings.session,)).fetchone()
    assert found is not None
    return int(found[0])


def _copy(database: psycopg.Connection, settings: SessionSettings) -> float:
    """Seconds for the session's rows into a table with the same key."""
    database.execute("CREATE TEMP TABLE copied (LIKE order_results INCLUDING ALL)")
    with database.cursor() as cursor:
        with cursor.copy(f"COPY (SELECT * FROM order_results WHERE session = '{settings.session}') TO STDOUT") as out:
            rows = b"".join(bytes(block) for block in out)
        began = time.perf_counter()
        with cursor.copy("COPY copied FROM STDIN") as into:
            into.write(rows)
        return time.perf_counter() - began
