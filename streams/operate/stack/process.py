"""
Detached processes that can be found again.

A pid alone does not name a process: after a crash the number goes to somebody else. The pid file therefore holds the
boot id and the start time in clock ticks since boot, which no change of the wall clock touches.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

LOG_BYTES_MAX = 8 << 20
POLL_SECONDS = 0.05

# Popen objects are kept so that Python reaps a part that ends while its starter still runs, and does not warn about
# one that is meant to outlive it.
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class ProcessId:
    """One process, for as long as the machine runs."""

    pid: int
    started_ticks: int
    boot_id: str
    ports: tuple[int, ...] = ()

    @classmethod
    def of(cls, pid: int, ports: Sequence[int] = ()) -> ProcessId | None:
        """The identity of the process that has `pid` now; None if there is none, or it has ended but is not reaped."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        if fields[0] in "ZX":
            return None
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(pid=pid, started_ticks=int(fields[19]), boot_id=boot_id, ports=tuple(ports))

    def alive(self) -> bool:
        """Whether this very process still runs (or is stopped), whoever else may have got its pid."""
        return ProcessId.of(self.pid, self.ports) == self


@dataclass(frozen=True)
class Owner:
    """The user that a process runs as."""

    user: int
    group: int


def write_pid_file(path: Path, process: ProcessId) -> None:
    """The file is there whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(process)))
    draft.replace(path)


def read_pid_file(path: Path) -> ProcessId | None:
    """The process the file names, alive or not; None without a readable file."""
    try:
        found = json.loads(path.read_text())
        return ProcessId(found["pid"], found["started_ticks"], found["boot_id"], tuple(found["ports"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def spawn(
    command: Sequence[str], *, folder: Path, log_file: Path, environment: Mapping[str, str], owner: Owner | None = None
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own, so that neither Ctrl-C nor our end reaches it; output goes to the log."""
    if log_file.exists() and log_file.stat().st_size > LOG_BYTES_MAX:
        log_file.replace(log_file.with_suffix(".old.log"))
    _children[:] = [child for child in _children if child.poll() is None]
    with log_file.open("ab") as log:
        log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} start\n".encode())
        log.flush()
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=owner.user if owner else None,
            group=owner.group if owner else None,
            extra_groups=[] if owner else None,
            umask=0o077,
        )
    _children.append(child)
    return child


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end(process: ProcessId, *, how: signal.Signals, seconds: float) -> bool:
    """
    Ends the process and its children; whether it ended by itself after `how`, without being killed.

    Takes at most `seconds`, and then a moment for the kill.
    """
    if not process.alive():
        return True
    family = _family(process.pid)
    # A stopped process (SIGSTOP) sees no other signal until it is continued.
    for each in (how, signal.SIGCONT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, each)
    gently = wait_until(lambda: not process.alive(), seconds)
    if not gently:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    wait_until(lambda: not process.alive(), 5.0)
    return gently


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def holder_of(port: int) -> str:
    """Who listens on `port`, as a reader can find him: `pid 4711 (python -m http.server)`."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "a process of another user"
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            if connection.pid is None:
                break
            try:
                process = psutil.Process(connection.pid)
                words = " ".join(process.cmdline()) or process.name()
            except psutil.Error:
                words = "?"
            # The end tells one Java from another, the start says that it is one.
            return f"pid {connection.pid} ({words if len(words) <= 120 else f'{words[:50]} … {words[-65:]}'})"
    return "a process of another user"


def memory_bytes(pid: int) -> int:
    """Memory of the process and its children; pages that they share count once (Linux's proportional set)."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for member in [psutil.Process(pid), *_family(pid)]:
            try:
                total += member.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
            except psutil.AccessDenied:
                total += member.memory_info().rss
    return total


def uptime_seconds(pid: int) -> float | None:
    """Seconds since the process started; None when it is gone."""
    try:
        return max(0.0, time.time() - psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def tail(log_file: Path, lines: int) -> list[str]:
    """The last lines of the log since its last start, without line ends; empty if there is none."""
    if not log_file.exists():
        return []
    with log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - 64 * 1024))
        text = log.read().decode("utf-8", "replace")
    since_start = text.rpartition(" start\n")[2]
    return since_start.splitlines()[-lines:]
