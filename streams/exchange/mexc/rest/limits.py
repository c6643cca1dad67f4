"""
MEXC's limits, kept by all processes of a machine together, since MEXC counts by address: one SQLite file, under a lock between processes.

A window for each endpoint (pyrate-limiter, by the sliding log), and for each market a moment before which nothing may be sent at all,
after a 429 or a ban. Times are ms of the wall clock.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Self

from filelock import FileLock
from pyrate_limiter import Rate, RateItem, SQLiteBucket

from streams.errors import FeedError
from streams.exchange.mexc.events import Market
from streams.exchange.mexc.rest.routes import Route

BUSY_SECONDS = 5.0
# What a window holds is looked at again after so long at the latest: another process may have been told to keep still.
WAIT_MS_MAX = 1000


class SharedLimits:
    """`share`: how much of each limit this machine uses, above 0 to 1. A context manager."""

    def __init__(self, file: Path, share: float = 1.0) -> None:
        """Raises: FeedError where the file cannot be used."""
        self._file = file.expanduser()
        self._share = share
        self._buckets: dict[Route, SQLiteBucket] = {}
        self._lock = FileLock(f"{self._file}.still.lock", timeout=BUSY_SECONDS)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, closing(self._still()) as found:
                found.execute("CREATE TABLE IF NOT EXISTS still (market TEXT PRIMARY KEY, until INTEGER NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise FeedError(f"the file of MEXC's limits must be one that can be written, was {file}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for bucket in self._buckets.values():
            bucket.close()  # type: ignore[no-untyped-call]
        self._buckets.clear()

    def take(self, route: Route, now: int) -> int:
        """0 where the request may go, which is counted with this; else after how many ms to ask again."""
        held = self.held(route.endpoint.market) - now
        if held > 0:
            return min(held, WAIT_MS_MAX)
        bucket = self._bucket(route)
        bucket.leak(now)
        item = RateItem(route.name, now, route.endpoint.weight)
        if bucket.put(item):
            return 0
        wait = bucket.waiting(item)
        assert isinstance(wait, int), "a bucket in a file answers at once"
        return min(max(wait, 1), WAIT_MS_MAX)

    def held(self, market: Market) -> int:
        """Until when nothing may be sent to a market; 0 where it was never told to keep still."""
        with closing(self._still()) as found:
            row = found.execute("SELECT until FROM still WHERE market = ?", (market.value,)).fetchone()
        return int(row[0]) if row is not None else 0

    def hold(self, market: Market, until: int) -> None:
        """Nothing may be sent to a market until then; the later of two moments counts."""
        with self._lock, closing(self._still()) as found:
            later = "INSERT INTO still VALUES (?, ?) ON CONFLICT (market) DO UPDATE SET until = max(until, excluded.until)"
            found.execute(later, (market.value, until))

    def _still(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)

    def _bucket(self, route: Route) -> SQLiteBucket:
        bucket = self._buckets.get(route)
        if bucket is None:
            endpoint = route.endpoint
            # At least one whole request fits, or nothing ever would.
            most = max(int(endpoint.most * self._share), endpoint.weight)
            bucket = self._buckets[route] = SQLiteBucket.init_from_file(
                [Rate(most, endpoint.window_ms)], table=f"mexc_{route.name.lower()}", db_path=str(self._file), use_file_lock=True
            )
        return bucket
