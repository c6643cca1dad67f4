"""
The pipeline alone, in memory and on one core: market data already written, three strategies, risk and execution after them.

Everything that a worker does is in it: reading, decoding, merging, stepping, encoding, digests, journal, snapshots, transactions. The
feed is not: its records stand on the log before the clock starts. `events` are the steps of all stages. All of it is one thread, so
that a CPU second is a second of one core; the best of `ROUNDS` runs counts, since whatever else the machine does only adds.

`profile` comes from one more run under cProfile: shares of the CPU time spent inside each room's own functions, what they call in
C counted to them, and the functions that take most. The profiler slows small functions down more than large ones.
"""

import cProfile
import pstats
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from streams.domain.parameters import SessionSettings
from streams.exchange.pacing import Runner
from streams.exchange.service import feed_of
from streams.exchange.wall import SystemWall
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.log.worker import Worker
from streams.operate.plan import STRATEGIES_FOLDER, Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from tests.bench.arena import Asked, recordings
from tests.bench.machine import Timed, timed

ROUNDS = 5
FUNCTIONS_SHOWN = 15
SHARE_MIN = 0.005
FILES_IN_ROOM = {"codec.py": "codec", "compiled.py": "codec", "varint.py": "codec", "merge.py": "merge", "journal.py": "journal"}
PROJECT = Path(__file__).parents[2]


def pipeline(_: Asked) -> dict[str, Any]:
    """Both spot recordings through three strategies."""
    settings = settings_of(
        Ask(session="bench-pipeline", feed="recorded", files=recordings(), strategies=STRATEGIES_FOLDER / "side-by-side.toml")
    )
    runs = [_run(settings) for _ in range(ROUNDS)]
    took, events, records = min(runs, key=lambda one: one[0].cpu_seconds)
    return {
        "strategies": [one.name for one in settings.strategies],
        "records": records, "events": events,
        "events_per_second": round(events / took.wall_seconds), "events_per_cpu_second": round(events / took.cpu_seconds),
        "records_per_cpu_second": round(records / took.cpu_seconds), **took.document(),
        "events_per_cpu_second_of_each_run": [round(count / one.cpu_seconds) for one, count, _ in runs],
        "profile": _profile(settings),
    }  # fmt: skip


def _run(settings: SessionSettings) -> tuple[Timed, int, int]:
    """What one run took, its events, and the market's records."""
    workers, records = _ready(settings)
    with timed() as took:
        events = run_turns(workers)
    for worker in workers:
        worker.close()
    return took, events, records


def _ready(settings: SessionSettings) -> tuple[list[Worker], int]:
    """Workers in front of a log that holds the whole market; how many records that is."""
    log, codec = MemoryLog(), Codec.offline()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    writer, feed = FeedWriter(log, codec, settings, code_version="bench"), feed_of(settings)
    writer.introduce(feed.instruments())
    Runner(writer, SystemWall(threading.Event()), None).run(feed.pushes())
    writer.close()
    return make_workers(log, tuple(STAGES.values()), settings, codec, code_version="bench"), writer.counters.records


def _profile(settings: SessionSettings) -> dict[str, Any]:
    workers, _ = _ready(settings)
    profiler = cProfile.Profile()
    profiler.runcall(run_turns, workers)
    rooms: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    found: Any = pstats.Stats(profiler)
    for (file, _, name), (_, _, own, _, callers) in found.stats.items():
        if file != "~":
            rooms[_room(file)] += own
            functions[f"{_place(file)} {name}"] += own
            continue
        # Built-in functions count to whoever calls them.
        for (caller_file, _, caller_name), (_, _, share, _) in callers.items():
            rooms[_room(caller_file)] += share
            functions[f"{_place(caller_file)} {caller_name}"] += share
    whole = sum(rooms.values())
    most = sorted(functions.items(), key=lambda one: -one[1])[:FUNCTIONS_SHOWN]
    return {
        "shares": {
            name: round(seconds / whole, 3)
            for name, seconds in sorted(rooms.items(), key=lambda one: -one[1])
            if seconds >= whole * SHARE_MIN
        },
        "functions": {name: round(seconds / whole, 3) for name, seconds in most},
    }


def _room(file: str) -> str:
    """The room a function stands in; code that the codec generated counts to it."""
    if file.endswith((" to Avro>", " from Avro>")):
        return "codec"
    try:
        parts = Path(file).relative_to(PROJECT / "streams").parts
    except ValueError:
        return "libraries"
    if parts[0] == "log":
        return FILES_IN_ROOM.get(parts[1], "log (memory)" if parts[1].startswith("memory") else "log (task, worker)")
    if parts[:2] in {("domain", "risk"), ("domain", "signals"), ("domain", "execution"), ("domain", "indicators")}:
        return f"domain/{parts[1]}"
    return parts[0] if parts[0] != "domain" or len(parts) == 1 else f"domain/{parts[1].removesuffix('.py')}"


def _place(file: str) -> str:
    try:
        return str(Path(file).relative_to(PROJECT))
    except ValueError:
        return Path(file).name
