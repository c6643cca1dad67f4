"""Every reason for which risk refuses, and every alert it raises, each with what it means."""

from enum import Enum


class Code(Enum):
    """A word that goes on the log (`value` is its name) and what it means (`doc`)."""

    def __new__(cls, doc: str) -> "Code":
        member = object.__new__(cls)
        member._value_ = doc
        return member

    @property
    def doc(self) -> str:
        return str(self._value_)


class RejectionCode(Code):
    """Why an order was refused. `measured` and `limit` of the order are in the unit named here."""

    KILL_SWITCH_HALT_ALL = "An operator halted everything: nothing is ordered, exits included."
    KILL_SWITCH_REDUCE_ONLY = "An operator allows exits only."
    RECORD_INVALID = "The signal's price is not above zero. Measured: the price."
    FROM_THE_FUTURE = "The signal is dated after this moment. Measured: seconds ahead."
    STRATEGY_UNKNOWN = "No strategy of that name trades this account and symbol."
    STRATEGY_DISABLED = "The strategy is switched off."
    SYMBOL_UNKNOWN = "No instrument of that name is valid at this moment."
    INSTRUMENT_NOT_ONLINE = "The exchange does not trade the instrument at this moment."
    CONVERSION_MISSING = "The quote asset is not the account's currency, and no pair of the two has a mark in this session."
    CONVERSION_STALE = "The mark that values the quote asset in the account's currency is too old. Measured: its age in seconds."
    ORDER_IN_FLIGHT = "An order (for an exit: another exit) of the strategy and symbol waits for its end. Measured: how many."
    POSITION_ALREADY_OPEN = "The strategy already holds the symbol on that side. Measured: the quantity held."
    NO_POSITION_TO_CLOSE = "There is nothing to reduce."
    ORDER_PRICE_IMPOSSIBLE = "The limit or stop price comes to nothing on the tick grid. Measured: the price, limit: the tick."
    SHORTS_NOT_ALLOWED = "A sale without a position would open a short, which the account does not allow."
    SIGNAL_STALE = "The signal is too old. Measured: its age in seconds."
    MARK_MISSING = "The symbol has no price yet."
    MARK_STALE = "The symbol's newest market data is too old. Measured: its age in seconds."
    FEED_DOWN = "The symbol's feed is down."
    FEED_GAP = "Market data is missing since the last snapshot of the book."
    BOOK_MISSING = "There is no order book."
    BOOK_CROSSED = "The best bid is not below the best ask."
    BOOK_STALE = "The order book has not changed for too long. Measured: its age in seconds."
    PRICE_ANOMALY = "The mark has moved away from the signal's price. Measured: |mark - price| / price."
    SPREAD_ANOMALY = "The spread is wide. Measured: spread / its 24 h mean."
    CIRCUIT_BREAKER_DRAWDOWN = "Drawdown from peak equity reached the breaker. Measured: a fraction."
    CIRCUIT_BREAKER_FAILURES_IN_A_ROW = "Too many failed executions in a row. Measured: their count."
    CIRCUIT_BREAKER_FAILURES_AN_HOUR = "Too many failed executions within an hour. Measured: their count."
    DAILY_DRAWDOWN = "The loss since 00:00 UTC reached its limit today. Measured: a fraction of the day's first equity."
    TOTAL_EXPOSURE = "All positions and orders in flight with this order. Measured: a fraction of equity."
    POSITION_LIMIT = "The strategy's position in the symbol with this order. Measured: a fraction of equity."
    SYMBOL_EXPOSURE = "The account's positions in the symbol with this order. Measured: a fraction of equity."
    STRATEGY_EXPOSURE = "The strategy's positions with this order. Measured: a fraction of equity."
    STRATEGY_COOLING_DOWN = "What the strategy earned took its share of equity away for a while."
    REGIME_NOT_TRADED = "The symbol's regime has no share of equity."
    ALLOCATION_EXCEEDED = "The strategy's positions with this order, by its share in this regime. Measured: a fraction of equity."
    OPEN_POSITIONS = "The account's open positions with this order. Measured: their count."
    POSITIONS_A_SYMBOL = "The account's positions in the symbol with this order. Measured: their count."
    TRADES_AN_HOUR = "The account's entries within the hour with this one. Measured: their count."
    ORDERS_A_SECOND = "The account's approved orders within the second with this one. Measured: their count."
    TIERS_MISSING = "The perpetual has no maintenance tiers, so nobody knows when it would be liquidated."
    POSITION_ABOVE_TIERS = "The position with this order is larger than the highest tier holds. Measured: value or quantity."
    LEVERAGE = "The account's leverage is above LEVERAGE_MAX, the instrument's, or its tier's. Measured: the leverage."
    LIQUIDATION_DISTANCE = "Liquidation would be near. Measured: mark to liquidation price, a fraction; negative: beyond."
    MARGIN_NOT_AVAILABLE = "The balance that nothing binds is too small. Measured: margin (spot: notional) and fee."
    BOOK_TOO_THIN = "The visible book holds less than the order. Measured: its notional, limit: the order's."
    EXPECTED_COST = "Expected slippage and fee. Measured: basis points of the mark."
    STOP_OUT_COOLDOWN = "The strategy was stopped out of the symbol a moment ago. Measured: seconds since."
    CONSECUTIVE_LOSSES = "The strategy lost too often in a row and pauses. Measured: how often."
    CORRELATED_EXPOSURE = "The account's positions in symbols that move as one, with this order. Measured: a fraction of equity."
    SIZE_NOT_YET_MEASURABLE = "The sizing method lacks the history that it measures."
    SIZE_ZERO = "The sizing method gives nothing. Measured: its notional."
    BELOW_MINIMUM = "The size is below what the exchange takes. Measured: quantity, limit: the smallest quantity."


class AlertCode(Code):
    """What an alert says."""

    DATA_STALE = "No market data of the symbol for DATA_STALE_TIMEOUT_SEC."
    DATA_FRESH = "Market data of the symbol is back after DATA_STALE."
    FEED_DOWN = "The symbol's feed is down."
    FEED_UP = "The symbol's feed is back after FEED_DOWN."
    DAILY_DRAWDOWN = "The day's loss reached its limit: exits only until 00:00 UTC."
    DAILY_DRAWDOWN_OVER = "A new day began: entries are allowed again as far as the daily limit goes."
    CIRCUIT_BREAKER_DRAWDOWN = "Drawdown from the peak reached the breaker: all is closed, then halted, until RESET."
    CIRCUIT_BREAKER_FAILURES = "Execution failed too often: exits only until RESET."
    LIQUIDATED = "A position's margin was used up: the exchange took it over. Measured: the mark; limit: the bankruptcy price."
    FILL_VOID = "An exit was filled after the exchange had taken its position over: it is not booked. Measured: the quantity."
    FUNDING_MISSING = "A funding settlement was due, and none is known. Measured: seconds since it was due."
    COMMAND_TAKEN = "An operator's command was carried out."
    COMMAND_REFUSED = "An operator's command was not carried out; the message says why."
