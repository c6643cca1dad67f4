"""
Why the paper exchange does not take an order in, as the reason of its rejection.

Prices off the tick grid and quantities off the lot are refused for orders with a limit price. Orders without one close what is
held, to the last digit, so their quantity is not held to the lot. A symbol that is not online, a feed that is down, and a book
that is void, absent or crossed take no new order, except a stop: it asks nothing of the book until its price is reached.
"""

from decimal import Decimal

from streams.domain.book import top
from streams.domain.execution.venue import Venue
from streams.domain.execution.working import LIMITED, STOPS, Working
from streams.domain.money import EXACT
from streams.domain.records import Instrument, InstrumentStatus, OrderType


def refusal(venue: Venue, order: Working, instrument: Instrument | None) -> str | None:
    """The first reason against the order as it arrives; None takes it in."""
    reason = _malformed(order, instrument) or closed(venue, instrument)
    if reason is None and order.order_type not in STOPS:
        reason = no_market(venue, order)
    return reason


def closed(venue: Venue, instrument: Instrument | None) -> str | None:
    """Why nothing new is taken at all."""
    if instrument is not None and instrument.status is not InstrumentStatus.ONLINE:
        return f"INSTRUMENT_{instrument.status}"
    return "FEED_DOWN" if venue.book.feed_down else None


def no_market(venue: Venue, order: Working) -> str | None:
    """Why there is no market that the order could take from or stand in."""
    book = venue.book
    if not book.depth_seen:
        return "NO_TRADES" if venue.last_price is None and order.order_type is not OrderType.MARKET else None
    if book.gap:
        return "BOOK_GAP"
    if not book.present:
        return "NO_BOOK"
    return "BOOK_CROSSED" if top(book).crossed else None


def _malformed(order: Working, instrument: Instrument | None) -> str | None:
    limited, stop = order.order_type in LIMITED, order.order_type in STOPS
    if limited and order.limit_price is None:
        return "LIMIT_PRICE_MISSING"
    if stop and order.stop_price is None:
        return "STOP_PRICE_MISSING"
    if instrument is None:
        return None
    if limited and _off(order.limit_price, instrument.tick_size):
        return "LIMIT_PRICE_OFF_TICK"
    if stop and _off(order.stop_price, instrument.tick_size):
        return "STOP_PRICE_OFF_TICK"
    return "QUANTITY_OFF_LOT" if limited and _off(order.quantity, instrument.lot_size) else None


def _off(value: Decimal | None, step: Decimal) -> bool:
    return value is not None and EXACT.remainder(value, step) != 0
