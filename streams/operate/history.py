"""
What checks, backups and scheduled work came to, kept as one JSON object a line: appended, never changed.

A line that was cut short (the disk was full, the machine went down) is passed over; what stands after it counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import StackError
from streams.operate.findings import Finding, Level, Verdict, verdict_of

# A process of a session that had to be started anew, and an operator's word on why all until then were.
RESTART, CAUSE = "restart", "restart cause"


class Entry(msgspec.Struct, frozen=True):
    """`time`: µs since 1970 UTC; `kind`: doctor, env check, backup and so on; `findings`: what was not well, as lines."""

    time: int
    kind: str
    verdict: str
    findings: list[str]

    @property
    def moment(self) -> str:
        return datetime.fromtimestamp(self.time / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def told(self) -> str:
        """One line for a person."""
        more = f" (+{len(self.findings) - 1})" if len(self.findings) > 1 else ""
        return f"{self.kind}: {self.verdict} at {self.moment}" + (f", {self.findings[0]}{more}" if self.findings else "")

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {"time": self.time, "moment": self.moment, "kind": self.kind, "verdict": self.verdict, "findings": self.findings}


def record(file: Path, entry: Entry) -> None:
    """The entry stands in the file, durably, when this returns. Raises: StackError where it cannot be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        cut = _is_cut(file)
        with file.open("ab") as lines:
            lines.write((b"\n" if cut else b"") + msgspec.json.encode(entry) + b"\n")
            lines.flush()
            os.fsync(lines.fileno())
    except OSError as error:
        raise StackError(f"history {file} must be writable: {error.strerror}") from error


def record_findings(file: Path, kind: str, findings: Iterable[Finding], time: int) -> None:
    """What a check came to: its verdict, and a line for whatever is not well. Raises: as `record`."""
    found = list(findings)
    lines = [f"{one.level}: {one.check} {one.subject}: {one.detail}" for one in found if one.level is not Level.OK]
    # The worst first: it is what a single line shows.
    record(file, Entry(time, kind, verdict_of(found), sorted(lines, key=lambda line: not line.startswith(Level.FAIL))))


def record_done(file: Path, kind: str, *, time: int, fault: str = "", told: str = "") -> None:
    """What a piece of work came to. Raises: as `record`."""
    record(file, Entry(time, kind, Verdict.NO_GO if fault else "done", [fault or told] if fault or told else []))


def entries(file: Path) -> list[Entry]:
    """All there is, the oldest first."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError:
            continue
    return found


def newest(file: Path) -> list[Entry]:
    """The last entry of each kind, by kind."""
    return [one for _, one in sorted({one.kind: one for one in entries(file)}.items())]


def _is_cut(file: Path) -> bool:
    """Whether the last line has no end, so that what is appended must begin a new one."""
    if not file.exists() or not file.stat().st_size:
        return False
    with file.open("rb") as lines:
        lines.seek(-1, os.SEEK_END)
        return lines.read() != b"\n"
