"""What a check of the surroundings found: one line for each thing looked at, and the verdict over all of them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad: only `FAIL` is a no-go."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Verdict(StrEnum):
    """Whether a session may start."""

    GO = "GO"
    NO_GO = "NO-GO"


class Finding(NamedTuple):
    """`check`: what kind of thing (disk, ports, settings); `subject`: which one; `detail`: what was seen, and what to do about it."""

    check: str
    subject: str
    level: Level
    detail: str


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """No-go where anything failed."""
    return Verdict.NO_GO if any(one.level is Level.FAIL for one in findings) else Verdict.GO


def failures(findings: Iterable[Finding]) -> list[str]:
    """One line for each finding that forbids a start."""
    return [f"{one.check} {one.subject}: {one.detail}" for one in findings if one.level is Level.FAIL]
