"""What the exporter tells of the machine: worked out by hand, or left out where it cannot be found out."""

from __future__ import annotations

import datetime
import json
import socket
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from streams.errors import ConfigError
from streams.metrics import catalogue as m
from streams.operate.doctor.clock import TimeServer, TimeServerSilent
from streams.operate.machine import CLOCK_EVERY_SECONDS, Machine
from streams.operate.sink import SINK_NAME, Sink
from tests.exchange.sessions import FakeWall

END = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
SECONDS_1900_TO_1970 = 2_208_988_800


def told(machine: Machine) -> dict[str, dict[tuple[str, ...], float]]:
    machine.turn()
    return {metric.name: dict(values) for metric, values in machine.values()}


class Ntp:
    """A time server on loopback whose clock is `ahead` seconds before ours."""

    def __init__(self, ahead: float, *, stratum: int = 2) -> None:
        self.ahead, self.asked = ahead, 0
        self._stratum = stratum
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                _, client = self._socket.recvfrom(48)
            except OSError:
                return
            self.asked += 1
            stamp = time.time() + self.ahead + SECONDS_1900_TO_1970
            when = struct.pack("!II", int(stamp), int(stamp % 1 * 2**32))
            self._socket.sendto(bytes([0x24, self._stratum]) + bytes(30) + when + when, client)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def ntp() -> Iterator[Ntp]:
    server = Ntp(ahead=30.0)
    yield server
    server.close()


def certificate(path: Path) -> Path:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    key = ed25519.Ed25519PrivateKey.generate()
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(END - datetime.timedelta(days=30)).not_valid_after(END)
    path.write_bytes(made.sign(key, None).public_bytes(serialization.Encoding.PEM))
    return path


def test_clock_is_told_by_how_far_it_is_ahead(ntp: Ntp) -> None:
    assert TimeServer(ntp.address).offset().seconds == pytest.approx(-30.0, abs=0.5)


def test_time_server_is_asked_once_a_minute(ntp: Ntp) -> None:
    wall = FakeWall()
    machine = Machine(wall, disks=(), time_server=TimeServer(ntp.address))
    for _ in range(3):
        assert told(machine)[m.CLOCK_OFFSET.name][()] == pytest.approx(-30.0, abs=0.5)
    assert ntp.asked == 1
    wall.pass_over(CLOCK_EVERY_SECONDS)
    machine.turn()
    assert ntp.asked == 2


def test_time_server_that_is_silent_or_not_sure_tells_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    with pytest.raises(TimeServerSilent, match=f"127.0.0.1:{port} does not answer"):
        TimeServer(f"127.0.0.1:{port}").offset()
    unsure = Ntp(ahead=0.0, stratum=0)
    assert told(Machine(FakeWall(), disks=(), time_server=TimeServer(unsure.address)))[m.CLOCK_OFFSET.name] == {}
    unsure.close()


def test_free_part_of_each_disk_is_told_and_a_missing_one_left_out(tmp_path: Path) -> None:
    found = told(Machine(FakeWall(), disks=(tmp_path, tmp_path / "gone")))[m.DISK_FREE.name]
    assert found.keys() == {(str(tmp_path),)}
    assert 0 < found[str(tmp_path),] < 1


def test_end_of_a_certificate_is_told_by_its_file(tmp_path: Path) -> None:
    machine = Machine(FakeWall(), disks=(), certificates=(certificate(tmp_path / "broker.pem"),))
    assert told(machine)[m.CERTIFICATE.name] == {("broker.pem",): END.timestamp()}
    (tmp_path / "other.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="certificate must be a PEM file"):
        Machine(FakeWall(), disks=(), certificates=(tmp_path / "other.pem",))


@pytest.fixture
def connect() -> Iterator[tuple[str, dict[str, object]]]:
    """An address that answers as Connect would, with the status that is put into the second."""
    status: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if status else 404)
            self.end_headers()
            self.wfile.write(json.dumps(status).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", status
    server.shutdown()
    server.server_close()


def test_failed_tasks_of_the_sink_are_counted(connect: tuple[str, dict[str, object]]) -> None:
    url, status = connect
    machine = Machine(FakeWall(), disks=(), sink=Sink(url))
    assert told(machine)[m.CONNECT_FAILED.name] == {}, "no sink, nothing to tell"
    for state, tasks, failed in (("RUNNING", ("RUNNING", "RUNNING"), 0), ("RUNNING", ("FAILED", "FAILED"), 2), ("FAILED", (), 1)):
        status.update(connector={"state": state}, tasks=[{"id": number, "state": each} for number, each in enumerate(tasks)])
        assert told(machine)[m.CONNECT_FAILED.name] == {(SINK_NAME,): failed}


def test_connect_that_is_away_tells_nothing() -> None:
    assert told(Machine(FakeWall(), disks=(), sink=Sink("http://127.0.0.1:9")))[m.CONNECT_FAILED.name] == {}
