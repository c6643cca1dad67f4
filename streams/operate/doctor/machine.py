"""What the machine itself says: processes of the local stack, containers, ports, and room on its disks."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from streams.errors import StackError
from streams.operate.findings import Finding, Level
from streams.operate.stack import PartState, Stack
from streams.operate.stack.part import Part
from streams.operate.stack.process import holder_of, wait_until
from streams.operate.stack.settings import ENVIRONMENT_PREFIX, port_is_free

CONTAINER_PREFIX = "cdb_"
DOCKER_SECONDS_MAX = 10
PORT_SECONDS_MAX = 1.0
# Brokers and databases get slow and then stop; at a tenth there is still time to make room.
FREE_RATIO_WARN = 0.1


def process_findings(stack: Stack) -> Iterator[Finding]:
    """Each part of the local stack, which must be healthy."""
    for one in stack.status():
        level = Level.OK if one.state is PartState.HEALTHY else Level.FAIL
        hint = "" if one.state is PartState.HEALTHY else ": cdb up starts it"
        yield Finding("processes", one.name, level, f"{one.state}{f' ({one.detail})' if one.detail else ''}{hint}")


def container_findings() -> Iterator[Finding]:
    """Containers of the compose cluster, where Docker is here and has some."""
    docker = shutil.which("docker")
    if docker is None:
        return
    asked = subprocess.run(
        [docker, "ps", "--all", "--filter", f"name={CONTAINER_PREFIX}", "--format", "{{json .}}"], capture_output=True, text=True,
        timeout=DOCKER_SECONDS_MAX, check=False,
    )  # fmt: skip
    # Without a running engine there are no containers, and `docker ps` says so on standard error.
    for line in asked.stdout.splitlines() if asked.returncode == 0 else ():
        yield container_finding(json.loads(line))


def container_finding(row: dict[str, str]) -> Finding:
    """One row of `docker ps --format json`: `State` is running or exited, `Status` a text with health or exit code."""
    name, state, status = row["Names"], row["State"], row["Status"]
    well = (state == "running" and "unhealthy" not in status and "starting" not in status) or status.startswith("Exited (0)")
    return Finding("containers", name, Level.OK if well else Level.FAIL, status)


def port_findings(parts: Iterable[Part]) -> Iterator[Finding]:
    """Ports of parts that do not run: nobody else may hold them."""
    for part in parts:
        if part.running() is None:
            yield from (_port_finding(part, name, port) for name, port in part.ports.items())


def _port_finding(part: Part, name: str, port: int) -> Finding:
    # A process that was just killed may hold its port for a moment longer.
    if wait_until(lambda: port_is_free(port), PORT_SECONDS_MAX):
        return Finding("ports", str(port), Level.OK, f"free for {part.name}")
    hint = f"end that process, or choose another port with {ENVIRONMENT_PREFIX}{name.upper()}"
    return Finding("ports", str(port), Level.FAIL, f"must be free for {part.name}, is held by {holder_of(port)}: {hint}")


def program_findings(parts: Iterable[Part]) -> Iterator[Finding]:
    """What parts that do not run need to be installed."""
    for part in parts:
        if part.running() is None:
            try:
                part.check()
            except StackError as fault:
                yield Finding("programs", part.name, Level.FAIL, str(fault))
            else:
                yield Finding("programs", part.name, Level.OK, "installed")


def disk_finding(folder: Path, free_bytes_min: int) -> Finding:
    """Room on the disk that holds, or will hold, `folder`."""
    usage = shutil.disk_usage(_existing(folder))
    ratio = usage.free / usage.total
    level = Level.FAIL if usage.free < free_bytes_min else Level.WARN if ratio < FREE_RATIO_WARN else Level.OK
    return Finding(
        "disk", str(folder), level, f"{usage.free >> 20} MiB free ({ratio:.0%}), at least {free_bytes_min >> 20} MiB needed"
    )


def free_ratio(folder: Path) -> float:
    """The free part of the disk that holds, or will hold, `folder`; 0..1."""
    usage = shutil.disk_usage(_existing(folder))
    return usage.free / usage.total


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
