"""
`cdb replay verify` of an archive at two sizes, each in a process of its own: events a second, and the most memory it ever had. Then the
commands `why` and `state` on the larger one as a person runs them, from the start of Python to the answer.

Memory is flat where the larger session, twice as long, takes no more than the smaller. What still rises between small sizes are the
codec's caches of decimals (four of 131,072 entries at most, some 130 MiB in all). The session is the simulated market's, made in memory
and exported.
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.exchange.wall import SystemWall
from streams.log.archive import ArchiveLog
from streams.log.codec import SchemaIds
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.plan import SIMULATED_STRATEGIES
from streams.operate.runtime import STAGES
from streams.operate.strategies import strategies_from
from streams.replay.archive.session_archive import export_session
from streams.replay.backtest import backtest
from streams.replay.checkpoints.checkpoint import codec_of
from streams.replay.verification.verify import verify
from tests.bench.arena import Asked
from tests.bench.machine import load, timed

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
RATE_PER_SECOND = 60
START = 1_704_067_200_000_000
EVENTS_A_TICK = 2.35
SHARES = (0.5, 1.0)
SNAPSHOT_INTERVAL = 60_000_000
RUNS = 3


def verification(asked: Asked) -> dict[str, Any]:
    """Half of `count` events, then all of them."""
    sizes = []
    for share in SHARES:
        with tempfile.TemporaryDirectory(prefix="cdb-bench-") as folder:
            made = _child("make", folder, str(int(asked.count * share / EVENTS_A_TICK)), str(asked.seed))
            sizes.append({**_child("verify", folder), "export_seconds": made["export_seconds"]})
            if share == SHARES[-1]:
                questions = _questions(Path(folder))
    ratio = round(sizes[1]["resident_mib_max"] / sizes[0]["resident_mib_max"], 3)
    return {"load_average": load(), "sizes": sizes, "memory_ratio": ratio, "questions_seconds": questions}


def _child(*words: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "tests.bench.verification", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _make(folder: Path, ticks: int, seed: int) -> dict[str, Any]:
    chosen = strategies_from(SIMULATED_STRATEGIES)
    feed = FeedParameters(
        symbols=SYMBOLS, seed=seed, rate_per_second=RATE_PER_SECOND, duration_seconds=max(1, ticks // (RATE_PER_SECOND * len(SYMBOLS))),
        start_time=START,
    )  # fmt: skip
    settings = SessionSettings(session="bench", strategies=chosen.strategies, risk=chosen.risk, market=chosen.market, feed=feed)
    done = backtest(settings, tuple(STAGES.values()), SystemWall(threading.Event()), code_version="bench")
    manifest = sessions.create(done.log, done.codec, settings, schema_ids=SchemaIds.offline(), code_version="bench", time=START)
    began = time.perf_counter()
    export_session(done.log, manifest, SchemaIds.offline(), folder, code_version="bench")
    return {"export_seconds": round(time.perf_counter() - began, 1)}


def _verify(folder: Path) -> dict[str, Any]:
    log, codec = ArchiveLog(folder), codec_of(folder)
    settings = sessions.read(log, codec, "bench")
    with timed() as took:
        verdict = verify(log, settings, codec, tuple(STAGES.values()))
    assert verdict.equal, verdict.divergences
    return {
        "events": verdict.events, "records_compared": verdict.compared, **took.document(),
        "events_per_cpu_second": round(verdict.events / took.cpu_seconds), "events_per_second": round(verdict.events / took.wall_seconds),
        "resident_mib_max": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def _questions(folder: Path) -> dict[str, Any]:
    """Seconds of three runs each: the newest fill's chain, the state half an interval of snapshots after one and just under a whole."""
    log, codec = ArchiveLog(folder), codec_of(folder)
    settings = sessions.read(log, codec, "bench")
    results = Layout.of(settings).at("order_results", 0)
    *_, fill = (codec.decode(one.value) for one in read_range(log, results, 0, log.end_offset(results)) if one.value)
    whole = fill.time // SNAPSHOT_INTERVAL * SNAPSHOT_INTERVAL - SNAPSHOT_INTERVAL
    asked = {
        "why": ["why", fill.event_id],
        "state_30_s_after_a_snapshot": ["state", "--session", "bench", "--at", _moment(whole + SNAPSHOT_INTERVAL // 2)],
        "state_59_s_after_a_snapshot": ["state", "--session", "bench", "--at", _moment(whole + SNAPSHOT_INTERVAL - 1_000_000)],
    }
    return {name: [_seconds([*words, "--archive", str(folder)]) for _ in range(RUNS)] for name, words in asked.items()}


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).isoformat()


def _seconds(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "streams.cli", "replay", *words, "--json"], check=True, capture_output=True)
    return round(time.perf_counter() - began, 2)


if __name__ == "__main__":
    words = sys.argv[1:]
    print(json.dumps(_make(Path(words[1]), int(words[2]), int(words[3])) if words[0] == "make" else _verify(Path(words[1]))))
