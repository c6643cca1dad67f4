"""
Why an order was refused, and the smallest change of one setting that would have let it pass.

No rule is known here: every number among the settings is tried at both ends of its range by taking the decision again, and where an end
lets the order pass, the nearest value that does is found by halving, on a grid of a millionth (of whole numbers, 1; of wide ranges, a
hundredth). So the value that is named passes and the one a step before it does not. Where no single setting is enough, the settings
that answer one refusal after another are put together.
"""

from collections.abc import Callable, Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from pydantic import BaseModel

from streams.domain.parameters import SessionSettings
from streams.domain.records import Order
from streams.errors import ConfigError
from streams.replay.questions.decision import Decision, checks_of
from streams.replay.questions.places import Places
from streams.replay.recorded.recorded import Recorded
from streams.replay.whatif.settings_changed import changed, value_of

TOGETHER_MAX = 8
FINE, COARSE, WHOLE = Decimal("0.000001"), Decimal("0.01"), Decimal(1)
# A range that is wider than this is walked in hundredths.
WIDE = 10

Goal = Callable[[Order], bool]


class Setting(NamedTuple):
    """A setting that may be tried, by its path; a switch has no `grid`. `low` and `high` as its field allows."""

    name: str
    low: Decimal
    high: Decimal
    grid: Decimal | None


class Change(NamedTuple):
    """A setting's value in the session and the nearest one that was enough; `share`: how much of its range lies between."""

    setting: str
    was: str
    to: str
    share: Decimal


class WhyNot(NamedTuple):
    """`alone`: changes each of which is enough by itself, the smallest first; `together`: where none is. `orders`: as decided then."""

    order: Order
    place: str
    checks: list[dict[str, Any]]
    alone: list[Change]
    together: list[Change]
    decided: Order | None


def whynot(recorded: Recorded, event_id: str) -> WhyNot:
    """
    The checks of a refused order and what would have let it pass.

    Raises: ConfigError for an id that is no refused order's; ReplayMismatch, LogError as a replay.
    """
    placed = Places(recorded).record(event_id)
    if not isinstance(placed.record, Order) or placed.record.approved:
        what = "approved order" if isinstance(placed.record, Order) else type(placed.record).__name__
        raise ConfigError(f"ID must be that of a refused order, was that of an {what}: {event_id}")
    decision = Decision(recorded, placed)
    order = decision.order
    alone = sorted(_changes(decision, decision.settings, lambda again: again.approved), key=lambda one: (one.share, one.setting))
    if alone:
        decided = decision.under(changed(decision.settings, {alone[0].setting: alone[0].to}))
        return WhyNot(order, placed.place, checks_of(order), alone, [], decided)
    together, decided = _together(decision)
    return WhyNot(order, placed.place, checks_of(order), [], together, decided)


def _together(decision: Decision) -> tuple[list[Change], Order | None]:
    """Changes that are enough together, and the order that they make; none where something refuses that no setting answers."""
    settings, made = decision.settings, list[Change]()
    again: Order | None = decision.order
    for _ in range(TOGETHER_MAX):
        if again is None or again.approved:
            return made, again
        refused = again.rejection_code

        def passes(other: Order, code: str | None = refused) -> bool:
            return all(one["passed"] for one in checks_of(other) if one["code"] == code)

        enough = sorted(_changes(decision, settings, passes), key=lambda one: (one.share, one.setting))
        if not enough:
            return [], None
        made.append(enough[0])
        settings = changed(settings, {enough[0].setting: enough[0].to})
        again = decision.under(settings)
    return [], None


def _changes(decision: Decision, settings: SessionSettings, goal: Goal) -> Iterator[Change]:
    """For each setting that can reach the goal alone: the nearest value that does, upwards or downwards."""
    for setting in _settings(settings, decision.order):
        for end in (setting.low, setting.high):
            found = _nearest(decision, settings, setting, end, goal)
            if found is not None:
                yield found


def _nearest(decision: Decision, settings: SessionSettings, setting: Setting, end: Decimal, goal: Goal) -> Change | None:
    was = value_of(settings, setting.name)
    start = Decimal(was)
    grid = setting.grid

    def holds(value: Decimal) -> bool:
        with_it = _with(settings, setting, value)
        again = None if with_it is None else decision.under(with_it)
        return again is not None and goal(again)

    if grid is None:
        if end == start or not holds(end):
            return None
        return Change(setting.name, str(was).lower(), str(bool(end)).lower(), WHOLE)
    sign = 1 if end > start else -1
    first = (start / grid).to_integral_value(ROUND_FLOOR) * grid
    # So many steps to the farthest value that the settings' rules on each other allow; the start itself is step 0.
    steps = _last(lambda step: _with(settings, setting, first + sign * step * grid) is not None, int(abs(end - first) / grid))
    if steps < 1 or not holds(first + sign * steps * grid):
        return None
    nearest = _last(lambda step: not holds(first + sign * step * grid), steps) + 1
    value = first + sign * nearest * grid
    return Change(setting.name, str(was), _text(value), abs(value - start) / (setting.high - setting.low))


def _last(holds: Callable[[int], bool], most: int) -> int:
    """The last of 0..most that holds, where 0 does and none does after the first that does not."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _with(settings: SessionSettings, setting: Setting, value: Decimal) -> SessionSettings | None:
    """The settings with one value, None where they do not allow it."""
    try:
        return changed(settings, {setting.name: bool(value) if setting.grid is None else _text(value)})
    except ConfigError:
        return None


def _text(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _settings(settings: SessionSettings, order: Order) -> Iterator[Setting]:
    """Every number and switch that a decision of this account and strategy could ask."""
    yield from _numbers("risk", settings.risk)
    account = next(one for one in settings.accounts if one.name == order.account)
    yield from (one for one in _numbers(f"accounts.{account.name}", account) if not one.name.endswith("initial_equity"))
    for strategy in settings.strategies:
        if strategy.name == order.strategy:
            yield from _numbers(f"strategies.{strategy.name}", strategy)


def _numbers(part: str, model: BaseModel) -> Iterator[Setting]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, bool):
            yield Setting(f"{part}.{name}", Decimal(0), Decimal(1), None)
        elif isinstance(value, int | Decimal):
            bounds = {bound: getattr(rule, bound) for rule in field.metadata for bound in ("ge", "gt", "le", "lt") if hasattr(rule, bound)}
            low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
            if low is not None and high is not None:
                grid = WHOLE if isinstance(value, int) else FINE if high - low <= WIDE else COARSE
                yield Setting(f"{part}.{name}", Decimal(low), Decimal(high), grid)
