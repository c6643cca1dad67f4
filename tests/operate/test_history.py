"""The history of checks: appended, never lost for a line that was cut short, and the newest of each kind shown."""

from pathlib import Path

import pytest

from streams.errors import StackError
from streams.operate.findings import Finding, Level
from streams.operate.history import entries, newest, record_done, record_findings

BAD = [
    Finding("disk", "/", Level.OK, "room"), Finding("clock", "kernel", Level.WARN, "not synchronised"),
    Finding("ports", "9092", Level.FAIL, "held"),
]  # fmt: skip
MOMENT = 1_767_225_600_000_000  # 2026-01-01


def test_verdict_and_what_was_not_well_are_kept_the_worst_first(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "history.jsonl"
    record_findings(file, "doctor", BAD, MOMENT)
    record_findings(file, "doctor", BAD[:1], MOMENT + 1)
    first, second = entries(file)
    assert (first.verdict, first.findings) == ("NO-GO", ["fail: ports 9092: held", "warn: clock kernel: not synchronised"])
    assert first.told() == "doctor: NO-GO at 2026-01-01 00:00:00 UTC, fail: ports 9092: held (+1)"
    assert (second.verdict, second.findings) == ("GO", [])


def test_a_line_that_was_cut_short_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    record_done(file, "backup", time=1)
    with file.open("ab") as lines:
        lines.write(b'{"time":2,"ki')
    record_done(file, "backup", time=3, fault="the disk is full")
    assert [(one.time, one.verdict, one.findings) for one in entries(file)] == [(1, "done", []), (3, "NO-GO", ["the disk is full"])]


def test_the_newest_of_each_kind_counts(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    for time, kind in enumerate(["doctor", "backup", "doctor", "env check"]):
        record_done(file, kind, time=time)
    assert [(one.kind, one.time) for one in newest(file)] == [("backup", 1), ("doctor", 2), ("env check", 3)]
    assert newest(tmp_path / "none") == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="history .*file/history must be writable"):
        record_done(tmp_path / "file" / "history", "backup", time=1)
