"""How large an entry is and on what terms it goes, by its strategy's settings; and what an order's `sizing` says of it."""

from decimal import Decimal
from typing import Any

from streams.domain.records import Instrument, Mark, Side
from streams.domain.risk.entry_terms import AT_MARKET, Terms, entry_terms
from streams.domain.risk.proposal import Proposal, Rate, worth
from streams.domain.risk.state import Account, Rules
from streams.domain.risk.step import text
from streams.domain.sizing import Room, Size, lots_of, sized
from streams.domain.sizing_methods import METHODS, Measured


def terms_of(
    rules: Rules, strategy: str, *, side: Side, mark: Decimal, instrument: Instrument, time: int
) -> Terms:
    """The strategy's terms; the market's for a strategy that nobody knows, which is refused by its own check."""
    known = rules.strategies.get(strategy)
    if known is None:
        return AT_MARKET
    return entry_terms(known, side=side, mark=mark, tick=instrument.tick_size, time=time)


def entry_size(
    rules: Rules, account: Account, strategy: str, mark: Mark, instrument: Instrument, terms: Terms, *,
    rooms: tuple[Room, ...], rate: Rate | None,
) -> Size:
    """What the strategy's sizing method asks for at `mark`, which has a price, cut to `rooms`; in the account's currency."""
    record, method = account.track_records.get(strategy), rules.sizing_method(strategy)
    assert mark.mark is not None, "an order is sized at a mark"
    measured = Measured(
        equity=account.portfolio.equity, mark=mark.mark, stop=rules.risk.stop_loss_pct, atr=mark.atr,
        volatility=mark.volatility, returns=() if record is None else record.returns,
    )
    return sized(
        method=method, wish=METHODS[method](measured, rules.risk), rooms=rooms, lots=lots_of(instrument),
        price=terms.dearest(mark.mark) * worth(rate),
    )


def sizing_record(proposal: Proposal, quantity: Decimal) -> dict[str, Any]:
    """The order's `sizing`: method, what it measured, what it asked for, what each limit left, and the result."""
    size = proposal.size
    if size is None:
        return {"method": "whole_position" if proposal.is_exit else "not_sized", "quantity": text(quantity)}
    wish = size.wish
    said = {"waits_for": wish.waits_for, "stands_in": wish.stands_in}
    return {
        "method": size.method, "inputs": {name: text(value) for name, value in wish.inputs.items()},
        **{name: word for name, word in said.items() if word}, "notional": text(wish.notional),
        "trims": [{"limit": trim.limit, "room": text(trim.notional)} for trim in size.trims],
        "quantity": text(size.quantity),
        **({} if proposal.rate is None else {"conversion": {"pair": proposal.rate.pair, "mark": text(proposal.rate.mark)}}),
    }
