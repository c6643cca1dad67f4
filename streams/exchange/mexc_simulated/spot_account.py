"""
The signed spot endpoints: account, fees, and the order that is only tested. No other order exists here: the rest are refused, and noted.
"""

from decimal import Decimal, InvalidOperation

from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.answers import Asked, Handler, Refused
from streams.exchange.mexc_simulated.listing import ONLINE, Listed, text
from streams.exchange.mexc_simulated.signed import check

BALANCES = {"USDT": "10000", "USDC": "10000", "USDE": "10000", "BTC": "0.5"}
_TYPES = {"LIMIT", "MARKET", "LIMIT_MAKER", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"}
_NOTIONAL_MAX = Decimal(2_000_000)


async def _account(asked: Asked) -> object:
    await check(asked)
    return {
        "makerCommission": None, "takerCommission": None, "buyerCommission": None, "sellerCommission": None, "canTrade": True,
        "canWithdraw": False, "canDeposit": False, "updateTime": None, "accountType": "SPOT",
        "balances": [{"asset": asset, "free": free, "locked": "0", "available": free} for asset, free in BALANCES.items()],
        "permissions": ["SPOT"],
    }  # fmt: skip


async def _trade_fee(asked: Asked) -> object:
    listed = _listed(asked, await check(asked))
    rates = {"makerCommission": listed.maker_fee_rate, "takerCommission": listed.taker_fee_rate}
    return {"data": rates, "code": 0, "msg": "success", "timestamp": asked.exchange.clock.said_ms()}


async def _order_test(asked: Asked) -> object:
    """Validates and executes nothing. Raises: Refused for the first rule that the order breaks."""
    values = await check(asked)
    listed = _listed(asked, values)
    if listed.status != ONLINE:
        raise Refused(400, 30016, "Trading disabled")
    for name in ("side", "type"):
        if not values.get(name):
            raise Refused(400, 44444, f"param '{name}' is required")
    if values["side"] not in {"BUY", "SELL"} or values["type"] not in _TYPES:
        raise Refused(400, 33333, "param 'side' or 'type' is invalid")
    market = values["type"] == "MARKET"
    notional = _amount(values, "quoteOrderQty") if market and values["side"] == "BUY" else None
    quantity = None if notional is not None else _amount(values, "quantity")
    if quantity is not None:
        if quantity < max(listed.spec.quantity_min, listed.lot_size):
            raise Refused(400, 30002, "The minimum transaction volume cannot be less than the minimum quantity")
        notional = quantity * (_amount(values, "price") if not market else asked.exchange.driver.states[listed.symbol].last or Decimal(0))
    assert notional is not None, "one of both was asked for"
    if notional < listed.spec.notional_min:
        raise Refused(400, 30002, f"The minimum transaction volume cannot be less than {text(listed.spec.notional_min)}")
    if notional > _NOTIONAL_MAX:
        raise Refused(400, 30003, f"The maximum transaction volume cannot be greater than {text(_NOTIONAL_MAX)}")
    return {}


async def _no_order(asked: Asked) -> object:
    """Whoever asks for an order that is not a test finds no permission; the truth log shows that it was asked for."""
    raise Refused(403, 700007, "No permission to access the endpoint.")


ENDPOINTS: tuple[tuple[str, str, int, Handler], ...] = (
    ("GET", "account", 10, _account), ("GET", "tradeFee", 20, _trade_fee), ("POST", "order/test", 1, _order_test),
    ("POST", "order", 1, _no_order), ("DELETE", "order", 1, _no_order), ("POST", "batchOrders", 1, _no_order),
    ("DELETE", "openOrders", 1, _no_order),
)  # fmt: skip


def _listed(asked: Asked, values: dict[str, str]) -> Listed:
    if not values.get("symbol"):
        raise Refused(400, 44444, "param 'symbol' is required")
    listed = asked.exchange.listing.get(values["symbol"], Market.SPOT)
    if listed is None:
        raise Refused(400, 30014, "invalid symbol")
    return listed


def _amount(values: dict[str, str], name: str) -> Decimal:
    if not values.get(name):
        raise Refused(400, 44444, f"param '{name}' is required")
    try:
        found = Decimal(values[name])
    except InvalidOperation as error:
        raise Refused(400, 33333, f"param '{name}' is invalid") from error
    if not found.is_finite() or found <= 0:
        raise Refused(400, 33333, f"param '{name}' is invalid")
    return found
