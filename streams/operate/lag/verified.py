"""When a session was last run again and came out the same, and how often it did not: as `cdb replay verify --record` keeps it."""

from collections.abc import Iterator
from pathlib import Path

from streams.metrics import catalogue as m
from streams.metrics.catalogue import Metric
from streams.operate import history
from streams.operate.findings import Verdict

MICROSECONDS = 1_000_000
UNTIL = "equal until "


def kind_of(session: str) -> str:
    """The kind of a session's entries in the history."""
    return f"replay verify {session}"


def record_verified(file: Path, session: str, *, time: int, until: int, divergences: list[str]) -> None:
    """A replay ended at `time`; it went up to the event time `until` (both µs). Raises: StackError as `history.record`."""
    verdict = Verdict.NO_GO if divergences else Verdict.GO
    history.record(file, history.Entry(time, kind_of(session), verdict, divergences or [f"{UNTIL}{until}"]))


class Verified:
    """Of one session, by a history file."""

    def __init__(self, file: Path, session: str) -> None:
        self._file, self._session = file, session
        self._entries: list[history.Entry] = []

    def turn(self) -> None:
        self._entries = [one for one in history.entries(self._file) if one.kind == kind_of(self._session)]

    def values(self) -> Iterator[tuple[Metric, dict[tuple[str, ...], float]]]:
        """Each metric with its values by labels; no time where no replay came out the same."""
        own = (self._session,)
        same = [one for one in self._entries if one.verdict == Verdict.GO]
        yield m.DIVERGENCES, {own: float(len(self._entries) - len(same))}
        if same:
            yield m.VERIFIED, {own: same[-1].time / MICROSECONDS}
            yield m.VERIFIED_UNTIL, {own: max(int(one.findings[0].removeprefix(UNTIL)) for one in same) / MICROSECONDS}
