"""The state that all parts of the simulated exchange share: clock, market, listing, faults, limits, truth."""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.clock import MICROSECONDS, ExchangeClock
from streams.exchange.mexc_simulated.faults import Fault, FaultPlan, Faults, FaultSwitch, Strike
from streams.exchange.mexc_simulated.hub import Hub
from streams.exchange.mexc_simulated.limits import RestLimits
from streams.exchange.mexc_simulated.listing import Listing
from streams.exchange.mexc_simulated.market import MarketDriver
from streams.exchange.mexc_simulated.settings import Settings
from streams.exchange.mexc_simulated.truth import FaultStruck, TruthLog

# The close frame's code of a server that goes away (RFC 6455).
GOING_AWAY = 1001


class Exchange:
    """One simulated MEXC. Everything may be read while it runs; `switch_on`, `switch_off` and `listing` change it."""

    def __init__(
        self, settings: Settings, *, clock: ExchangeClock, listing: Listing, driver: MarketDriver, truth: TruthLog, seed: int
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.listing = listing
        self.driver = driver
        self.truth = truth
        self.seed = seed
        self.faults = Faults(clock)
        self.limits = RestLimits(settings.limits, clock)
        self.hubs = {market: Hub(market) for market in Market}
        self.closing = asyncio.Event()
        self._numbers = count(1)

    def connection_number(self) -> int:
        return next(self._numbers)

    def switch_on(self, fault: Fault, **how: Any) -> FaultSwitch:
        """See `Faults.switch_on`; what lasts is so at once."""
        switch = self.faults.switch_on(fault, **how)
        self.be_as_switched()
        return switch

    def switch_off(self, fault: Fault | None = None) -> None:
        """One fault, or all."""
        self.faults.switch_off(fault)
        self.be_as_switched()

    def plan(self, plans: Sequence[FaultPlan]) -> None:
        """Several faults, each at its time."""
        for one in plans:
            self.switch_on(one.fault, after=one.after, seconds=one.seconds, detail=one.detail)

    def be_as_switched(self) -> None:
        """Sets what lasting faults say of the exchange itself: its clock, and whether it is there at all."""
        off = self.faults.lasting(Fault.CLOCK_OFF)
        self.clock.offset = 0 if off is None else int(off.detail * MICROSECONDS)
        for market, hub in self.hubs.items():
            if hub.connections and self.faults.lasting(Fault.MAINTENANCE, market=market) is not None:
                for connection in list(hub.connections):
                    connection.end("System maintenance", GOING_AWAY)

    def strikes(
        self, fault: Fault, *, market: Market, symbol: str | None = None, connection: int = 0, what: str = ""
    ) -> Strike | None:
        """Whether a fault shows here and now; the truth log notes that it did."""
        strike = self.faults.strikes(fault, market=market, symbol=symbol)
        if strike is not None:
            self.truth.add(FaultStruck(
                symbol=symbol or "", time=self.clock.said(), fault=fault, connection=connection, what=what,
            ))  # fmt: skip
        return strike
