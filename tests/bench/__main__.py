"""
`python -m tests.bench [--seed N] [--count N] [--only NAME] [--out FILE]`: measures, prints JSON and writes it to the file.

A measurement that cannot be made here says so in its place; exit code 1 where one failed.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.operate.runtime import code_version
from tests.bench.arena import Arena, Asked, Missing, arena
from tests.bench.latency import latency
from tests.bench.machine import load
from tests.bench.mexc import mexc, mexc_kafka
from tests.bench.pipeline import pipeline
from tests.bench.recovery import recovery
from tests.bench.sink import sink
from tests.bench.throughput import memory, ticks
from tests.bench.verification import verification

COUNT = 100_000
AIMS = {
    "pipeline": "30,000 events/s on one core: three strategies, risk and execution in memory",
    "ticks": "10,000 recorded ticks/s on two cores",
    "latency": "tick_to_fill p50 < 15 ms, p99 < 60 ms at 200 ticks/s",
    "recovery": "10 s in a session of a million events, plus the broker's transaction time-out",
    "verification": "15,000 events/s, and no more memory for twice the session",
    "mexc": "20,000 spot deals/s of 200 symbols on one core, from the frame to the log",
    "ticks.resident_mib": "2,560 for the whole stack",
}
ALONE: dict[str, Callable[[Asked], dict[str, Any]]] = {"pipeline": pipeline, "memory": memory, "verification": verification, "mexc": mexc}
ON_STACK: dict[str, Callable[[Arena], dict[str, Any]]] = {
    "ticks": ticks, "latency": latency, "recovery": recovery, "sink": sink, "mexc_kafka": mexc_kafka,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=COUNT, help="events of the recovery session, rows for the sink")
    parser.add_argument("--only", action="append", choices=[*ALONE, *ON_STACK], help="may be given more than once")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"))
    chosen = parser.parse_args()
    asked = Asked(chosen.seed, chosen.count)
    names = chosen.only or [*ALONE, *ON_STACK]
    document: dict[str, Any] = {
        "code_version": code_version(),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_at_start": load(),
        "asked": asked._asdict(),
        "aims": AIMS,
    }
    for name in names:
        if name in ALONE:
            document[name] = measured(name, lambda one=ALONE.get(name): one(asked))  # type: ignore[misc]
    if any(name in ON_STACK for name in names):
        with tempfile.TemporaryDirectory(prefix="cdb-bench-") as folder, arena(asked, Path(folder)) as ready:
            for name in names:
                if name in ON_STACK:
                    document[name] = measured(name, lambda one=ON_STACK.get(name): one(ready))  # type: ignore[misc]
    text = json.dumps(document, indent=2)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return int(any("failed" in one for one in document.values() if isinstance(one, dict)))


def measured(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What it measured, or why it could not."""
    print(f"bench: {name}", file=sys.stderr, flush=True)
    try:
        return measure()
    except Missing as error:
        return {"missing": str(error)}
    except Exception as error:  # noqa: BLE001 (one failed measurement must not hide the others)
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    sys.exit(main())
