"""
Who hears what: the channels of one market, the connections that subscribed to them, and the frames made of each bucket.

A frame is made once, and only where somebody listens. Faults that change what a frame says (an old schema, a wrong candle) show here, for
all who hear it; those that change how it travels show in the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from streams.exchange.mexc.events import Kind, Market

if TYPE_CHECKING:
    from streams.exchange.mexc_simulated.connection import Connection


class Channel(NamedTuple):
    """A subscription as the client spelled it, `name`, and what it asks for: `detail` an interval or a number of levels."""

    name: str
    kind: Kind | str
    symbol: str
    detail: str = ""


class Frame(NamedTuple):
    """`kind` and `symbol` say which faults concern it."""

    channel: Channel
    payload: str | bytes


class Hub:
    """The subscriptions of one market."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.connections: set[Connection] = set()
        self._heard: dict[tuple[Kind | str, str], dict[Channel, set[Connection]]] = {}

    def subscribe(self, connection: Connection, channel: Channel) -> None:
        self._heard.setdefault((channel.kind, channel.symbol), {}).setdefault(channel, set()).add(connection)

    def unsubscribe(self, connection: Connection, channel: Channel) -> None:
        listeners = self._heard.get((channel.kind, channel.symbol), {})
        listeners.get(channel, set()).discard(connection)
        if channel in listeners and not listeners[channel]:
            del listeners[channel]

    def channels(self, kind: Kind | str, symbol: str) -> list[Channel]:
        """Those of a kind that somebody hears."""
        return list(self._heard.get((kind, symbol), ()))

    def send(self, channel: Channel, make: Callable[[], str | bytes]) -> None:
        """One frame to all who hear the channel."""
        payload = make()
        for connection in list(self._heard.get((channel.kind, channel.symbol), {}).get(channel, ())):
            connection.offer(Frame(channel, payload))
