"""
Ticks a second through all three stages, in memory and on a real broker at `--speed max`, and what each process takes for it.

`ticks` are market records: one push of the exchange. Beside the session stands the same broker's plain work: one process that
consumes the session's market_data and produces the same bytes in transactions with offsets, nothing decoded.
"""

import os
import signal
import threading
import time
from typing import Any

from streams.exchange.wall import SystemWall
from streams.log.interface import Partition
from streams.log.layout import Layout
from streams.operate.paper import FEED, PaperSession
from streams.operate.runtime import STAGES
from streams.replay.backtest import backtest
from streams.replay.summary import summary_of
from tests.bench.arena import Arena, Asked, fresh, recorded_settings, until
from tests.bench.machine import Processes, load, timed

CORES = 2
LOOK_SECONDS = 0.25
# Once the feed has ended nothing is slowed by being looked at, and what is measured ends at any moment.
END_LOOK_SECONDS = 0.02
WEIGH_SECONDS = 2.0
IDLE_SECONDS = 5.0
COPY_MAX = 4000
COPY_WAIT_SECONDS = 0.01


def memory(_: Asked) -> dict[str, Any]:
    """Feed, three stages, digests and journal of the recordings in one process, on the memory log."""
    settings = recorded_settings("bench-memory")
    with timed() as took:
        done = backtest(settings, tuple(STAGES.values()), SystemWall(threading.Event()), code_version="bench")
    return {
        "ticks": done.pushes,
        "events": done.events,
        "events_per_second": round(done.events / took.wall_seconds),
        "events_per_cpu_second": round(done.events / took.cpu_seconds),
        "ticks_per_cpu_second": round(done.pushes / took.cpu_seconds),
        **took.document(),
    }


def ticks(arena: Arena) -> dict[str, Any]:
    """Both spot recordings at full speed by the deployed processes; from when every stage is up until the last has settled."""
    # Broker and Connect compile their code while they first run: that is not what a tick costs.
    arena.theatre.play(recorded_settings(fresh("warm")), speed="max")
    settings = recorded_settings(fresh("ticks"))
    runtime = arena.theatre.runtime
    with arena.playing(settings, speed="max") as running:
        watched = Watched(arena.processes(running))
        feed = running.supervisor.processes[FEED]
        until(lambda: running.progress().feed_records > 0, "the feed's first flush", every=0.02, seconds=120)
        # The feed waits until every stage is up and has stepped something, so that no start is measured.
        os.kill(feed.pid, signal.SIGSTOP)
        flushed = until_still(running)
        before, began = watched.look(), time.perf_counter()
        os.kill(feed.pid, signal.SIGCONT)
        fed = until(lambda: _ended(running, watched), "the feed to end", every=LOOK_SECONDS) - began
        seconds = until(lambda: running.progress().settled, "all stages to settle", every=END_LOOK_SECONDS) - began
        running.check()
        after, records = watched.look(), running.progress().feed_records - flushed
        # Once its feed has ended the watchdog asks after it ten times a second, which is no part of what waiting costs in a session.
        watchdog = running.supervisor.processes["watchdog"].pid
        os.kill(watchdog, signal.SIGSTOP)
        resting, rested = watched.look(), time.perf_counter()
        time.sleep(IDLE_SECONDS)
        idle = {name: (used - resting[name]) / (time.perf_counter() - rested) for name, used in watched.look().items()}
        os.kill(watchdog, signal.SIGCONT)
    used = {name: after[name] - before.get(name, 0.0) for name in after}
    moving = {name: round((used[name] - idle[name] * seconds) / records * 1e6, 1) for name in used}
    summary = summary_of(runtime.log, settings, runtime.codec, tuple(STAGES.values()))
    return {
        "ticks": records, "ticks_per_second": round(records / seconds), "wall_seconds": round(seconds, 2), "feed_seconds": round(fed, 2),
        "load_average": load(),
        "cpu_us_per_tick": {**moving, "sum": round(sum(moving.values()), 1)},
        "cpu_idle_cores": {**{name: round(share, 3) for name, share in idle.items()}, "sum": round(sum(idle.values()), 3)},
        "ticks_per_second_on_two_free_cores": round((CORES - sum(idle.values())) / sum(moving.values()) * 1e6),
        "definition": "cpu_us_per_tick is CPU time above what the settled session takes for waiting (cpu_idle_cores); the bound on "
        "two free cores is what the ticks may use of them, divided by it; one process takes one core at most, the broker more",
        "fills": summary.fills, "round_trips": sum(summary.round_trips.values()),
        "resident_mib": {**watched.memory_mib, "sum": round(sum(watched.memory_mib.values()), 1)},
        "baseline": _plain_copy(arena, Layout.of(settings).at("market_data", 0)),
    }  # fmt: skip


class Watched:
    """Processes looked at now and then: one that has ended keeps what it was last seen to have used."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._cpu: dict[str, float] = {}
        self._weighed_at = float("-inf")
        self.memory_mib: dict[str, float] = {}

    def look(self) -> dict[str, float]:
        """CPU seconds of each so far. Notes the most memory that each has held."""
        if time.perf_counter() - self._weighed_at > WEIGH_SECONDS:
            self._weighed_at = time.perf_counter()
            self._processes.find()
            for name, held in self._processes.memory_mib().items():
                self.memory_mib[name] = max(held, self.memory_mib.get(name, 0.0))
        self._cpu |= self._processes.cpu_seconds()
        return dict(self._cpu)


def until_still(running: PaperSession) -> int:
    """How many records the stopped feed has written, once every stage has stepped them."""
    until(
        lambda: min(running.progress().frontiers.values()) >= running.progress().feed_watermark, "the stages to start", every=LOOK_SECONDS
    )
    return running.progress().feed_records


def _ended(running: PaperSession, watched: Watched) -> bool:
    """Whether the feed's process is done. The log is not asked, as that would cost the broker what is to be measured."""
    running.check()
    watched.look()
    return running.supervisor.processes[FEED].exit_code() is not None


def _plain_copy(arena: Arena, source: Partition) -> dict[str, Any]:
    """Consume, produce, commit with offsets: the bytes of `source` into another topic, nothing else done."""
    log = arena.theatre.runtime.log
    target = Partition(fresh("copy"), 0)
    log.create({target.topic: 1})
    end, count, size, group = log.end_offset(source), 0, 0, fresh("copy")
    process = arena.stack.parts["kafka"].running()
    assert process is not None, "the broker must run"
    broker = Processes({"kafka": process.pid})
    before = broker.cpu_seconds()["kafka"]
    reader, writer = log.reader({source: log.start_offset(source)}), log.writer(fresh("copy"))
    try:
        with timed() as took:
            while reader.position(source) < end:
                messages = reader.poll(COPY_MAX, COPY_WAIT_SECONDS)
                if not messages:
                    continue
                writer.begin()
                for message in messages:
                    writer.append(target, key=message.key, value=message.value, headers=message.headers, time=message.time)
                    size += len(message.value or b"")
                writer.offsets(group, {source: messages[-1].offset + 1})
                writer.commit()
                count += len(messages)
    finally:
        reader.close()
        writer.close()
    used = broker.cpu_seconds()["kafka"] - before
    return {
        "what": "one process: consume, produce the same bytes, commit with offsets", "records": count, "bytes": size,
        "records_per_second": round(count / took.wall_seconds), "cpu_us_per_record": {
            "kafka": round(used / count * 1e6, 1),
            "client": round(took.cpu_seconds / count * 1e6, 1),
        },
        **took.document(),
    }  # fmt: skip
