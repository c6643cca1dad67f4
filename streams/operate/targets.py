"""
Whom Prometheus is to ask, told through a folder that it watches: one file for each session that runs on this machine.

A file names the process that wrote it. One whose process is gone, as after a kill, is removed by the next that comes.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def asked(folder: Path, ports: Mapping[str, int], *, pid: int) -> Iterator[None]:
    """
    While this lasts Prometheus asks the processes `ports`, by name and TCP port on 127.0.0.1, for their metrics.

    A name's part before its first `-` becomes the job, which alerts call the part by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if path.stem.isdecimal() and not psutil.pid_exists(int(path.stem)):
            path.unlink(missing_ok=True)
    entries = [{"targets": [f"127.0.0.1:{port}"], "labels": {"job": name.partition("-")[0]}} for name, port in ports.items()]
    path = folder / f"{pid}.json"
    # Prometheus must never read half a file.
    path.with_suffix(".new").write_text(json.dumps(entries, indent=1))
    path.with_suffix(".new").replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
