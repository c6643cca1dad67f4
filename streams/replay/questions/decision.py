"""
One decision of risk, taken again: the same state, the same event, under any settings.

Everything before the decision is as it was; only the decision itself is made under the other settings. What an account keeps of its own
settings since the session began (shorts, leverage, margin mode) is put as the settings say.
"""

import json
from decimal import localcontext
from typing import Any

import msgspec

from streams.domain.money import EXACT
from streams.domain.parameters import SessionSettings
from streams.domain.records import Order, OrderType
from streams.domain.risk.state import RiskState, new_account
from streams.errors import ConfigError, ReplayMismatch
from streams.replay.questions.places import Placed
from streams.replay.recorded.observed import Observed
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.rerun import Rerun
from streams.stages.contract import Event

_NAMED_BY_TASK = ("event_id", "causation_id", "correlation_id", "session")


class Decision:
    """The moment of an order's decision, to be lived again as often as one likes."""

    def __init__(self, recorded: Recorded, placed: Placed) -> None:
        """Raises: ConfigError for a record that is no decision; ReplayMismatch, LogError as a replay."""
        order = placed.record
        if not isinstance(order, Order) or order.order_type is OrderType.CANCEL:
            raise ConfigError(f"ID must be that of an order that was decided on, was that of a {type(order).__name__}: {order.event_id}")
        self.order = order
        self.settings = recorded.settings
        self._make = recorded.stages["risk"]
        self._task = placed.partition
        self._state, self._event = self._before(recorded)
        again = self.under(recorded.settings)
        if again is None or _decided(again) != _decided(order):
            raise ReplayMismatch(
                f"{placed.place}: this program must decide order {order.event_id} as the session did, decided otherwise"
            )

    def under(self, settings: SessionSettings) -> Order | None:
        """The order as these settings decide it; None where no such order comes to be."""
        stage = self._make(settings, self._task)
        state = stage.decode(self._state)
        _put_account(state, self.settings, settings, self.order.account)
        with localcontext(EXACT):
            _, outputs = stage.step(state, self._event)
        decided = [one.record for one in outputs if isinstance(one.record, Order) and one.record.order_type is not OrderType.CANCEL]
        return next((one for one in decided if _subject(one) == _subject(self.order)), None)

    def _before(self, recorded: Recorded) -> tuple[bytes, Event]:
        """The state that the decision began with, and the event that it answers."""
        caught: list[tuple[bytes, Event]] = []
        stage = recorded.stage("risk", self._task)

        def catch(state: Any, event: Event) -> None:
            if event.cause_id == self.order.causation_id:
                caught.append((stage.encode(state), event))

        time = self.order.time
        rerun = Rerun(recorded, Observed(stage, catch), self._task, start=time - 1, end=time)
        try:
            rerun.reached(time)
        finally:
            rerun.close()
        assert len(caught) == 1, f"{self.order.causation_id} must be stepped once at {time}, was {len(caught)} times"
        return caught[0]


def _subject(order: Order) -> tuple[str, ...]:
    return (order.account, order.strategy, order.symbol, order.side, order.purpose)


def _decided(order: Order) -> Any:
    return msgspec.structs.replace(order, **dict.fromkeys(_NAMED_BY_TASK, ""))


def _put_account(state: RiskState, before: SessionSettings, settings: SessionSettings, name: str) -> None:
    """What the account keeps of its settings, where they are others now."""
    was = next(new_account(one) for one in before.accounts if one.name == name)
    now = next(new_account(one) for one in settings.accounts if one.name == name)
    account = state.accounts[name]
    for field in ("shorts_allowed", "leverage", "cross_margin"):
        if getattr(was, field) != getattr(now, field):
            setattr(account, field, getattr(now, field))


def checks_of(order: Order) -> list[dict[str, Any]]:
    """Each check with its code, whether it passed, what it measured and its limit, in their order."""
    found: list[dict[str, Any]] = json.loads(order.checks)
    return found
