"""
The REST limits as MEXC keeps them: a window of weight for each endpoint and address, then 429, then a ban.

A 429 says for how long to keep still. Whoever goes on asking meanwhile is banned with 418, twice as long each time. Futures have no ban:
their answer says 510. Times in µs of the market clock.
"""

from typing import NamedTuple

from streams.exchange.mexc_simulated.clock import MICROSECONDS, ExchangeClock
from streams.exchange.mexc_simulated.settings import Limits


class Breach(NamedTuple):
    """How a request is refused: the status, and the seconds of Retry-After."""

    status: int
    retry_after: int


class _Window:
    """The weight used since `begin`."""

    def __init__(self) -> None:
        self.begin = 0
        self.used = 0

    def take(self, weight: int, *, now: int, length: int, most: int) -> int:
        """0, or the µs until the window ends where the weight does not fit."""
        if now - self.begin >= length:
            self.begin, self.used = now, 0
        if self.used + weight > most:
            return self.begin + length - now
        self.used += weight
        return 0


class _Record:
    """What an address has done: until when it is to keep still, how often it did not, its ban."""

    def __init__(self) -> None:
        self.still_until = 0
        self.breaches = 0
        self.banned_until = 0
        self.bans = 0


class RestLimits:
    """All addresses and endpoints."""

    def __init__(self, limits: Limits, clock: ExchangeClock) -> None:
        self._limits = limits
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._records: dict[str, _Record] = {}

    def spot(self, address: str, endpoint: str, weight: int) -> Breach | None:
        limits, now = self._limits, self._clock.now()
        record = self._records.setdefault(address, _Record())
        if now < record.banned_until:
            return Breach(418, _seconds(record.banned_until - now))
        window = self._windows.setdefault((address, endpoint), _Window())
        wait = window.take(weight, now=now, length=_us(limits.spot_window), most=limits.spot_weight)
        if not wait:
            return None
        record.breaches = record.breaches + 1 if now < record.still_until else 1
        record.still_until = now + wait
        if record.breaches <= limits.breaches_before_ban:
            return Breach(429, _seconds(wait))
        ban = min(_us(limits.ban) << record.bans, _us(limits.ban_max))
        record.bans += 1
        record.breaches = 0
        record.banned_until = now + ban
        return Breach(418, _seconds(ban))

    def futures(self, address: str, endpoint: str) -> Breach | None:
        """A breach with status 510, which futures say in the body."""
        limits = self._limits
        detail = endpoint == "detail"
        length = limits.detail_window if detail else limits.futures_window
        most = 1 if detail else limits.futures_requests
        window = self._windows.setdefault((address, f"contract/{endpoint}"), _Window())
        wait = window.take(1, now=self._clock.now(), length=_us(length), most=most)
        return Breach(510, _seconds(wait)) if wait else None


def _us(seconds: float) -> int:
    return int(seconds * MICROSECONDS)


def _seconds(us: int) -> int:
    """Whole seconds, rounded up."""
    return -(-us // MICROSECONDS)
