"""What one event brings: its time, its cause, and the records that risk makes of it so far; and what is on the log as
text."""

import json
from decimal import Decimal
from typing import Any

from streams.domain.ids import cause_of, output_id
from streams.domain.money import EXACT, ZERO
from streams.domain.records import (
    Alert,
    AlertLevel,
    Allocation,
    LedgerEntry,
    Order,
    PortfolioSnapshot,
    Position,
)
from streams.domain.risk.codes import AlertCode

STAGE = "risk"

Made = Order | LedgerEntry | Position | PortfolioSnapshot | Allocation | Alert

# A task fills these in, from the event and the place of the record among the event's outputs of its account.
UNFILLED = {"event_id": "", "causation_id": "", "correlation_id": "", "session": ""}


class Step:
    """The outputs of one event, in order. Every output's key is its account."""

    def __init__(self, *, session: str, time: int, cause_id: str) -> None:
        self.session = session
        self.time = time
        self.cause_id = cause_id
        self.made: list[Made] = []

    def add(self, record: Made) -> None:
        self.made.append(record)

    def next_id(self, account: str) -> str:
        """The id that the task will give to the account's next record: an order's is needed before it is written."""
        index = sum(record.account == account for record in self.made)
        return output_id(self.session, STAGE, cause_of(self.cause_id), account, index)

    def alert(
        self, account: str, code: AlertCode, level: AlertLevel, message: str, *, symbol: str | None = None,
        measured: Decimal | None = None, limit: Decimal | None = None, action: str = "",
    ) -> None:
        self.add(Alert(
            **UNFILLED, time=self.time, account=account, symbol=symbol, level=level, code=code.name, message=message,
            measured=measured, limit=limit, action_required=action,
        ))


def text(value: Decimal) -> str:
    """A decimal in plain notation without trailing zeros: equal values, equal text."""
    return format(value.normalize(EXACT) + ZERO, "f")


def json_text(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
