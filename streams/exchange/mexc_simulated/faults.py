"""
The faults that the simulated exchange can be told to have, and which of them strike when.

A fault is switched on for a span of market time, for a number of strikes, or both (whichever ends first); for one market or symbol, or
for all. Each place where a fault can show asks `strikes`; the truth log gets each strike. Times in µs.
"""

from collections.abc import Sequence
from enum import StrEnum
from random import Random

import msgspec

from streams.errors import ConfigError
from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.clock import MICROSECONDS, ExchangeClock

# A span without a number has this end: never.
FOREVER = 1 << 62


class Fault(StrEnum):
    """`detail` in the comments is `FaultSwitch.detail`."""

    DROP_MID_FRAME = "drop_mid_frame"  # half of a frame, then the connection breaks
    HALF_OPEN = "half_open"  # not one more byte, either way, on a socket that stays open
    SILENCE = "silence"  # no data; control is answered
    REORDER = "reorder"  # a frame after the next one of its channel
    DUPLICATE = "duplicate"  # a frame twice
    VERSION_GAP = "version_gap"  # a depth frame that never comes
    LOST_DEALS = "lost_deals"  # a frame of trades that never comes
    WRONG_CANDLE = "wrong_candle"  # a closed candle that does not match its trades
    GARBAGE = "garbage"  # bytes that are no frame of the protocol, before a frame
    OVERSIZED = "oversized"  # `detail` bytes of nothing (default 16 MiB), before a frame
    UNKNOWN_MESSAGE = "unknown_message"  # a well-formed message of a kind nobody knows, before a frame
    OLD_SCHEMA = "old_schema"  # as before June 2026: deals without id, no versions in tickers
    DEAL_OBJECTS = "deal_objects"  # futures deals one by one as objects, as before August 2025
    ACKNOWLEDGEMENT_ERROR = "acknowledgement_error"  # a subscription is answered with an error
    BLOCKED = "blocked"  # a subscription is answered with "Blocked!"
    SLOW_HANDSHAKE = "slow_handshake"  # a websocket's answer takes `detail` seconds (default 30)
    STORM_429 = "storm_429"  # every request is one too many; Retry-After `detail` seconds (default 1)
    BANNED_418 = "banned_418"  # the address is banned; Retry-After `detail` seconds (default 120)
    FORBIDDEN_403 = "forbidden_403"  # the web firewall's page
    SERVER_ERROR = "server_error"  # status `detail` (default 500): the outcome is unknown
    REST_SILENCE = "rest_silence"  # a request is taken and never answered
    CLOCK_OFF = "clock_off"  # the exchange's clock is `detail` seconds ahead (default 5), negative: behind
    MAINTENANCE = "maintenance"  # 503 everywhere, all sockets closed
    TLS_FAILURE = "tls_failure"  # a certificate that nobody trusts; from the start alone


DETAILS: dict[Fault, float] = {
    Fault.OVERSIZED: 16 << 20, Fault.SLOW_HANDSHAKE: 30, Fault.STORM_429: 1, Fault.BANNED_418: 120, Fault.SERVER_ERROR: 500,
    Fault.CLOCK_OFF: 5,
}  # fmt: skip
# These are states of the exchange: they last, and have no number of strikes.
LASTING = frozenset({Fault.SILENCE, Fault.CLOCK_OFF, Fault.MAINTENANCE, Fault.OLD_SCHEMA, Fault.DEAL_OBJECTS, Fault.TLS_FAILURE})


class FaultSwitch(msgspec.Struct):
    """One fault as it is switched on: from `begin`, while `now < until` and `times` are left (None: any number)."""

    fault: Fault
    begin: int = 0
    until: int = FOREVER
    times: int | None = None
    market: Market | None = None
    symbol: str | None = None
    detail: float | None = None


class Strike(msgspec.Struct, frozen=True):
    """A fault that shows."""

    fault: Fault
    detail: float


class FaultPlan(msgspec.Struct, frozen=True):
    """One fault of a plan: `after` and `seconds` of market time; `seconds` None: once."""

    fault: Fault
    after: float
    seconds: float | None = None
    detail: float | None = None


class Faults:
    """What is switched on, by the market's time."""

    def __init__(self, clock: ExchangeClock) -> None:
        self._clock = clock
        self._switches: list[FaultSwitch] = []

    def switch_on(
        self, fault: Fault, *, after: float = 0, seconds: float | None = None, times: int | None = None, market: Market | None = None,
        symbol: str | None = None, detail: float | None = None,
    ) -> FaultSwitch:  # fmt: skip
        """
        From `after` seconds on: for `seconds`, or for a number of `times`; with neither once, and a lasting fault until switched off.

        Raises: ConfigError for a number of times of a lasting fault, or a number out of range.
        """
        if fault in LASTING and times is not None:
            raise ConfigError(f"TIMES of the fault {fault} must not be given, it lasts; was {times}")
        if after < 0 or (seconds is not None and seconds <= 0) or (times is not None and times < 1):
            raise ConfigError(f"AFTER, SECONDS and TIMES of the fault {fault} must not be negative, was {after}, {seconds}, {times}")
        if times is None and seconds is None and fault not in LASTING:
            times = 1
        begin = self._clock.now() + int(after * MICROSECONDS)
        until = FOREVER if seconds is None else begin + int(seconds * MICROSECONDS)
        switch = FaultSwitch(fault, begin, until, times, market, symbol, detail)
        self._switches.append(switch)
        return switch

    def switch_off(self, fault: Fault | None = None) -> None:
        """One fault, or all."""
        self._switches = [] if fault is None else [one for one in self._switches if one.fault is not fault]

    def strikes(self, fault: Fault, *, market: Market | None = None, symbol: str | None = None) -> Strike | None:
        """Whether it shows here and now; uses up one of its times."""
        switch = self._switch(fault, market, symbol)
        if switch is None:
            return None
        if switch.times is not None:
            switch.times -= 1
        return _strike(switch)

    def lasting(self, fault: Fault, *, market: Market | None = None, symbol: str | None = None) -> Strike | None:
        """Whether it is switched on, without using it up."""
        switch = self._switch(fault, market, symbol)
        return None if switch is None else _strike(switch)

    def active(self) -> list[FaultSwitch]:
        """Those that are, or will be, switched on."""
        now = self._clock.now()
        self._switches = [one for one in self._switches if now < one.until and one.times != 0]
        return self._switches

    def _switch(self, fault: Fault, market: Market | None, symbol: str | None) -> FaultSwitch | None:
        if not self._switches:
            return None
        now = self._clock.now()
        for one in self.active():
            here = (one.market is None or one.market is market) and (one.symbol is None or one.symbol == symbol)
            if one.fault is fault and here and one.begin <= now:
                return one
        return None


def _strike(switch: FaultSwitch) -> Strike:
    return Strike(switch.fault, DETAILS.get(switch.fault, 0) if switch.detail is None else switch.detail)


# What a seeded plan draws from: all that a connection can meet in its life; 418 and TLS have their own tests.
PLANNED: tuple[Fault, ...] = (
    Fault.DROP_MID_FRAME, Fault.HALF_OPEN, Fault.SILENCE, Fault.REORDER, Fault.DUPLICATE, Fault.VERSION_GAP, Fault.LOST_DEALS,
    Fault.WRONG_CANDLE, Fault.GARBAGE, Fault.UNKNOWN_MESSAGE, Fault.OLD_SCHEMA, Fault.ACKNOWLEDGEMENT_ERROR, Fault.SLOW_HANDSHAKE,
    Fault.STORM_429, Fault.SERVER_ERROR, Fault.FORBIDDEN_403, Fault.CLOCK_OFF, Fault.MAINTENANCE,
)  # fmt: skip
_SECONDS_MAX = 120


def random_plan(*, seed: int, count: int, seconds: float, kinds: Sequence[Fault] = PLANNED) -> list[FaultPlan]:
    """`count` faults spread over `seconds`, in order; those that last do so for up to 2 minutes. The same seed, the same plan."""
    random = Random(f"{seed}/faults")
    plans = []
    for _ in range(count):
        fault = kinds[random.randrange(len(kinds))]
        spans = fault in LASTING or fault in {Fault.STORM_429, Fault.SERVER_ERROR, Fault.FORBIDDEN_403}
        lasting = round(random.uniform(1, _SECONDS_MAX), 1) if spans else None
        plans.append(FaultPlan(fault, round(random.uniform(0, seconds), 1), lasting))
    return sorted(plans, key=lambda plan: plan.after)


def fault_named(text: str) -> FaultPlan:
    """
    What NAME[:SECONDS][@AFTER] says: `silence:90@10` is silence for 90 s after 10 s.

    Raises: ConfigError naming the rule.
    """
    body, _, after = text.partition("@")
    name, _, seconds = body.partition(":")
    try:
        fault = Fault(name)
    except ValueError as error:
        raise ConfigError(f"FAULT must be one of {', '.join(Fault)}, was {name!r}") from error
    try:
        return FaultPlan(fault, float(after or 0), float(seconds) if seconds else None)
    except ValueError as error:
        raise ConfigError(f"FAULT must be NAME[:SECONDS][@AFTER] with numbers, was {text!r}") from error
