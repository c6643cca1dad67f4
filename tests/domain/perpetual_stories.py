"""A perpetual beside the spot market of `risk_stories`, and an account that may trade it with leverage 10."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from streams.domain.parameters import AccountParameters, SessionSettings
from streams.domain.records import Funding, Instrument, InstrumentKind, Order, Record, Side
from tests.domain.risk_stories import D, Story, make_instrument, make_settings

PERPETUAL = "BTC_USDT"
# Up to a value of 50,000 a rate of .005, up to 600,000 one of .01.
TIERS = (
    '[{"maximum_notional":"50000","maintenance_margin_rate":"0.005","initial_margin_rate":"0.01"},'
    '{"maximum_notional":"600000","maintenance_margin_rate":"0.01","initial_margin_rate":"0.02"}]'
)


def make_perpetual(**changes: Any) -> Instrument:
    fields: dict[str, Any] = {
        "kind": InstrumentKind.PERPETUAL, "base_asset": "BTC", "quote_asset": "USDT", "lot_size": D("0.001"),
        "contract_size": D("0.0001"), "leverage_max": D(125), "tiers": TIERS,
    }
    return make_instrument(changes.pop("symbol", PERPETUAL), **(fields | changes))


def make_perpetual_settings(*, accounts: Iterable[AccountParameters] = (), **risk: Any) -> SessionSettings:
    """Leverage 10, shorts allowed, no distance to liquidation asked for (10 % is less than the default), stops far away."""
    accounts = tuple(accounts) or (AccountParameters(leverage=D(10), shorts_allowed=True),)
    own = {"min_liquidation_distance": D(0), "stop_loss_pct": D("0.4"), "risk_per_trade_pct": D("0.1")}
    return make_settings(accounts=accounts, **(own | risk))


class PerpetualStory(Story):
    """A story with the perpetual known; positions are opened by hand at any size."""

    def __init__(self, settings: SessionSettings | None = None, *, symbols: Iterable[str] = (), **changes: Any) -> None:
        super().__init__(settings or make_perpetual_settings(), symbols=symbols)
        self.tell("instruments", PERPETUAL, make_perpetual(**changes))

    def opened(self, side: Side = Side.BUY, price: str = "50000", *, fee: str = "0", **changes: Any) -> Order:
        """A filled entry of .2 BTC (a tenth of 100,000) at `price`, where the mark stands as well."""
        self.mark(price, symbol=PERPETUAL)
        order = self.signal(side, price, symbol=PERPETUAL, **changes)
        assert order.approved, order.rejection_code
        self.result(order, price=price, fee=fee)
        return order

    def funding(self, rate: str, *, settlement: int, hours: int = 8, symbol: str = PERPETUAL) -> list[Record]:
        return self.tell("funding", symbol, Funding(
            event_id=self._id(f"feed/{symbol}"), causation_id="", correlation_id="", session="story", time=self.now,
            symbol=symbol, rate=Decimal(rate), interval_hours=hours, settlement_time=settlement,
        ))
