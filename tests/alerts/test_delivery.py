"""An alert on its way: from a number on a page through Prometheus and Alertmanager to the receiver on this machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import psutil
import pytest

from streams.cli.__main__ import run
from streams.errors import ConfigError
from streams.operate.alerting.channels import Channels, configuration
from streams.operate.stack import WATCH_NAMES, PartState, Stack
from tests.alerts.tools import await_true, tool
from tests.reaper import reaped_stack

ARRIVES_S_MAX = 60.0


class Page:
    """A page of metrics that Prometheus asks; `text` may change at any time."""

    def __init__(self) -> None:
        self.text = ""
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(page.text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.server.shutdown()


@pytest.fixture(scope="module")
def watched(page: Page) -> Iterator[Stack]:
    """Prometheus, Alertmanager and the receiver, with the page as their only target."""
    tool("prometheus")
    with reaped_stack() as stack:
        stack.up(WATCH_NAMES)
        (stack.settings.targets_folder / "page.json").write_text(json.dumps([{"targets": [page.target], "labels": {"job": "risk"}}]))
        yield stack


def arrived(stack: Stack) -> list[tuple[str, str]]:
    """Name and status of each alert that the receiver was told."""
    file = stack.settings.data_folder / "logs" / "alerts.jsonl"
    told = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [(one["labels"]["alertname"], one["status"]) for one in told]


def test_exposure_above_its_limit_fires_its_own_alert_alone_and_it_arrives(watched: Stack, page: Page) -> None:
    page.text = (
        'streams_account_exposure_ratio{session="live",account="main"} 0.29\n'
        'streams_account_daily_drawdown_ratio{session="live",account="main"} 0.01\n'
        'streams_account_open_positions{session="live",account="main"} 2\n'
    )
    await_true(lambda: bool(arrived(watched)), ARRIVES_S_MAX, lambda: str(watched.status()))
    assert set(arrived(watched)) == {("ExposureHigh", "firing")}
    [line] = [line for line in watched.parts["alerts"].logs() if "ExposureHigh" in line]
    assert "main holds positions of 29% of its equity" in line
    assert "deploy/runbooks/alerts.md#exposurehigh" in line


def test_parts_that_watch_are_seen_and_listen_on_this_machine_only(watched: Stack) -> None:
    states = {each.name: each.state for each in watched.status()}
    assert {name: states[name] for name in WATCH_NAMES} == dict.fromkeys(WATCH_NAMES, PartState.HEALTHY)


    for name in WATCH_NAMES:
        running = watched.parts[name].running()
        assert running is not None
        listening = [one for one in psutil.Process(running.pid).net_connections() if one.status == psutil.CONN_LISTEN]
        assert {one.laddr.ip for one in listening} == {"127.0.0.1"}, name


def test_stack_that_is_not_watched_tells_nothing_of_it() -> None:
    with reaped_stack() as stack:
        assert not {each.name for each in stack.status()} & set(WATCH_NAMES)


def test_what_is_no_message_is_refused_and_the_receiver_goes_on(watched: Stack) -> None:
    url = f"http://127.0.0.1:{watched.settings.alerts_port}/"
    assert httpx.post(url, content=b"{}").status_code == httpx.codes.BAD_REQUEST
    assert httpx.post(url, content=b"x" * (2 << 20)).status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    message = {"alerts": [{"status": "resolved", "labels": {"alertname": "Probe"}, "startsAt": "2026-01-01T00:00:00.123456789Z"}]}
    assert httpx.post(url, json=message).status_code == httpx.codes.NO_CONTENT
    assert ("Probe", "resolved") in arrived(watched)


MAIL = {"CDB_ALERT_EMAIL_TO": "ops@example.org", "CDB_ALERT_EMAIL_FROM": "cdb@example.org", "CDB_ALERT_SMTP": "mail.example.org:587"}
LOGIN = {"CDB_ALERT_SMTP_USER": "cdb", "CDB_ALERT_SMTP_PASSWORD_FILE": "/run/secrets/smtp_password"}


@pytest.mark.parametrize("environment", [{}, {"CDB_ALERT_WEBHOOK_URL": "https://example.org/hook"}, MAIL, {**MAIL, **LOGIN}])
def test_alertmanager_takes_every_configuration_that_settings_make(environment: dict[str, str], tmp_path: Path) -> None:


    file = tmp_path / "alertmanager.yml"
    assert run(["alerts", "config", "--out", str(file)], environment) == 0
    assert file.stat().st_mode & 0o077 == 0
    program = tool("amtool")
    done = subprocess.run([program, "check-config", file], cwd=program.parents[1], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CDB_ALERT_WEBHOOK_URL": "ftp://token@example.org"}, "CDB_ALERT_WEBHOOK_URL must be an http address that takes"),
        ({"CDB_ALERT_EMAIL_TO": "ops@example.org"}, "CDB_ALERT_EMAIL_FROM, CDB_ALERT_SMTP must be given for e-mail"),
        ({**MAIL, "CDB_ALERT_SMTP_USER": "cdb"}, "must be given together, was one alone"),
        ({"CDB_ALERT_PAGER": "1"}, "CDB_ALERT_PAGER is no setting of alerts"),
    ],
)
def test_settings_that_break_a_rule_are_named_without_secrets(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Channels.from_environment(environment)
    assert "token" not in str(caught.value)


def test_slow_burning_is_not_told_where_fast_burning_is() -> None:
    [rule] = json.loads(configuration(Channels()))["inhibit_rules"]
    assert rule["equal"] == ["objective", "session", "group"]
