"""`cdb report` and `cdb backtest --report`, as a user calls them."""

from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.log.archive import export
from streams.log.codec import SchemaIds
from streams.operate import sessions
from tests.report.sessions import quiet_settings, ran


def test_report_of_an_archive_is_written_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = ran(quiet_settings(5))
    sessions.create(
        done.log, done.codec, done.settings, schema_ids=SchemaIds.offline(), code_version="test", time=done.settings.feed.start_time
    )  # fmt: skip
    export(done.log, tmp_path / "archive", list(done.log.topics()))
    out = tmp_path / "a.html"
    assert run(["report", "--session", "quiet", "--archive", str(tmp_path / "archive"), "--out", str(out)], {}) == 0
    assert str(out) in capsys.readouterr().err and "Why nothing traded" in out.read_text(encoding="utf-8")


def test_backtest_draws_its_report(tmp_path: Path) -> None:
    out = tmp_path / "b.html"
    assert run(["backtest", "--duration", "5", "--session", "drawn", "--report", str(out)], {}) == 0
    assert "<title>drawn – report</title>" in out.read_text(encoding="utf-8")


def test_backtest_with_a_report_that_cannot_be_written_is_refused_before_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["backtest", "--duration", "36000", "--report", str(tmp_path / "no" / "b.html")], {}) == 2
    assert "the report's file must be in a folder that is there" in capsys.readouterr().err
