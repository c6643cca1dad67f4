"""A day's report: the figures of the day in words, a page, and the words at Alertmanager's door."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.operate.stack.settings import free_ports
from tests.golden.corpus import FOLDER

WORDS = ["daily-report", "--session", "golden-spot", "--archive", str(FOLDER / "golden-spot")]


def test_a_day_is_drawn_and_told_to_alertmanager(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bodies: list[bytes] = []

    class Alertmanager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/api/v2/alerts"
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Alertmanager) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = {"CDB_ALERTMANAGER": f"http://127.0.0.1:{server.server_port}"}
        assert run([*WORDS, "--date", "2023-11-14", "--out", str(tmp_path)], where) == 0
        server.shutdown()
    [alert] = json.loads(bodies[0])
    assert alert["labels"] == {"alertname": "DailyReport", "severity": "info", "session": "golden-spot"}
    assert "main: PnL -35.38, equity 99,964.62" in alert["annotations"]["summary"]
    assert alert["annotations"]["summary"] in capsys.readouterr().out
    assert "golden-spot" in (tmp_path / "golden-spot-2023-11-14.html").read_text()


def test_a_day_without_records_says_so_and_a_door_that_is_shut_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = {"CDB_ALERTMANAGER": f"http://127.0.0.1:{free_ports(1)[0]}"}
    assert run([*WORDS, "--date", "2024-01-01", "--out", str(tmp_path)], where) == 1
    said = capsys.readouterr()
    assert "nothing was recorded" in said.out and "cannot be reached" in said.err
    assert run([*WORDS, "--date", "monday", "--out", str(tmp_path)], {}) == 2
