"""
Whether this machine's clock can be believed: what its kernel says of its synchronisation, and how far it is from another clock.

Event times are the exchange's; the wall clock decides when data count as stale, so seconds of error matter and milliseconds do not.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import struct
import sys
import time
from typing import NamedTuple

import psycopg

from streams.errors import StreamsError
from streams.operate.findings import Finding, Level

OFFSET_SECONDS_WARN = 0.25
# Of market data, 2 s ahead of its receive time are not believed any more (FEED_TIME_AHEAD_MAX).
OFFSET_SECONDS_MAX = 1.0

ANSWER_SECONDS_MAX = 2.0
NTP_PORT = 123

_TIME_ERROR = 5
_CLIENT = 0x23  # version 4, a client's question
_NOT_SURE = 3
_SECONDS_1900_TO_1970 = 2_208_988_800


class TimeServerSilent(StreamsError):
    """A time server cannot be reached, or does not know the time."""

    retriable = True


class Offset(NamedTuple):
    """How far this machine is ahead of another clock; `uncertainty` is half of the time that the question took."""

    seconds: float
    uncertainty: float


class _Timex(ctypes.Structure):
    """The head of Linux's `struct timex`; the rest is room enough for every architecture."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 508))


def kernel_is_synchronised() -> bool | None:
    """What the kernel says; None where it cannot be asked (no Linux)."""
    library = ctypes.util.find_library("c") if sys.platform.startswith("linux") else None
    if library is None:
        return None
    # With modes 0 it only reads.
    state = ctypes.CDLL(library, use_errno=True).adjtimex(ctypes.byref(_Timex()))
    return None if state < 0 else bool(state != _TIME_ERROR)


class TimeServer:
    """A server that speaks SNTP (RFC 4330), as HOST or HOST:PORT."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._address = (host, int(port or NTP_PORT))

    def offset(self) -> Offset:
        """How far this machine is ahead of it. Raises: TimeServerSilent where it does not answer, or is not sure of the time itself."""
        request = bytes([_CLIENT]) + bytes(47)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(ANSWER_SECONDS_MAX)
                asking.connect(self._address)
                before = time.time()
                asking.send(request)
                answer = asking.recv(48)
                after = time.time()
        except OSError as error:
            raise TimeServerSilent(f"time server {self._address[0]}:{self._address[1]} does not answer: {error}") from error
        if len(answer) < 48 or answer[0] >> 6 == _NOT_SURE or answer[1] == 0:
            raise TimeServerSilent(f"time server {self._address[0]}:{self._address[1]} does not know the time")
        received, sent = (_seconds(answer[at : at + 8]) for at in (32, 40))
        return Offset(((before - received) + (after - sent)) / 2, ((after - before) - (sent - received)) / 2)


def _seconds(stamp: bytes) -> float:
    """Since 1970; the stamp counts since 1900, in seconds and their 2^32nd parts."""
    whole, parts = struct.unpack("!II", stamp)
    return float(whole) - _SECONDS_1900_TO_1970 + float(parts) / 2**32


def offset_from(connection: psycopg.Connection) -> Offset:
    """The offset from the clock of Postgres's machine, whose time is taken for that of the question's middle."""
    before = time.time()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    after = time.time()
    assert row is not None
    return Offset((before + after) / 2 - row[0], (after - before) / 2)


def clock_finding(subject: str, offset: Offset) -> Finding:
    """No-go where the clocks are further apart than `OFFSET_SECONDS_MAX`, whatever the question's time leaves open."""
    apart = max(abs(offset.seconds) - offset.uncertainty, 0.0)
    level = Level.FAIL if apart > OFFSET_SECONDS_MAX else Level.WARN if apart > OFFSET_SECONDS_WARN else Level.OK
    return Finding("clock", subject, level, f"{offset.seconds:+.3f} s ± {offset.uncertainty:.3f} s, at most {OFFSET_SECONDS_MAX} s")


def kernel_finding() -> Finding:
    """A clock that nobody keeps right warns: it may still be right."""
    match kernel_is_synchronised():
        case True:
            return Finding("clock", "kernel", Level.OK, "synchronised")
        case False:
            return Finding("clock", "kernel", Level.WARN, "not synchronised: start chrony, systemd-timesyncd or ntpd")
        case _:
            return Finding("clock", "kernel", Level.WARN, "this system does not say whether it is synchronised")
