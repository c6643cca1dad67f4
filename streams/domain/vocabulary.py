"""
The closed sets of words that records use, as they stand on the log. A word is never renamed: old records hold it.
"""

from enum import StrEnum

# The `exchange` of market records that tell of the time before the session's market: they warm up what looks at candles.
HISTORY = "history"


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class MarkSource(StrEnum):
    NONE = "NONE"
    EXCHANGE = "EXCHANGE"
    MID = "MID"
    LAST = "LAST"


class RegimeName(StrEnum):
    UNKNOWN = "UNKNOWN"
    TREND = "TREND"
    RANGE = "RANGE"
    HIGH_VOL_CHAOTIC = "HIGH_VOL_CHAOTIC"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    FILL_OR_KILL = "FILL_OR_KILL"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    CANCEL = "CANCEL"


class Purpose(StrEnum):
    """Why an order was decided on; all but ENTRY are exits, which are reduce-only."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    TRAILING_STOP = "TRAILING_STOP"
    FLATTEN = "FLATTEN"
    LIQUIDATION = "LIQUIDATION"


class ResultStatus(StrEnum):
    UNKNOWN = "UNKNOWN"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class Liquidity(StrEnum):
    NONE = "NONE"
    MAKER = "MAKER"
    TAKER = "TAKER"


class LedgerKind(StrEnum):
    UNKNOWN = "UNKNOWN"
    REALIZED_PNL = "REALIZED_PNL"
    FEE = "FEE"
    FUNDING = "FUNDING"
    LIQUIDATION = "LIQUIDATION"
    LIQUIDATION_FEE = "LIQUIDATION_FEE"
    TRANSFER = "TRANSFER"
    CONVERSION = "CONVERSION"


class RiskMode(StrEnum):
    RUNNING = "RUNNING"
    REDUCE_ONLY = "REDUCE_ONLY"
    HALT_ALL = "HALT_ALL"


class AlertLevel(StrEnum):
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class CommandKind(StrEnum):
    UNKNOWN = "UNKNOWN"
    HALT = "HALT"
    REDUCE_ONLY = "REDUCE_ONLY"
    RESUME_REQUEST = "RESUME_REQUEST"
    RESUME_CONFIRM = "RESUME_CONFIRM"
    CANCEL = "CANCEL"
    FLATTEN = "FLATTEN"
    RESET = "RESET"


class InstrumentKind(StrEnum):
    SPOT = "SPOT"
    PERPETUAL = "PERPETUAL"


class InstrumentStatus(StrEnum):
    ONLINE = "ONLINE"
    PAUSED = "PAUSED"
    OFFLINE = "OFFLINE"
