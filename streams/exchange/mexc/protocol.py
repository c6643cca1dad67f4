"""
What both of MEXC's websocket protocols are to a connection: frames in, typed words out, and a table of what was subscribed to.

Neither knows a socket or a clock. Each subscription is in one state:

    ASKED ──acknowledged──► ACKNOWLEDGED
      └──────refused──────► REFUSED, with the exchange's reason; asked for again it is ASKED

How long one may stay ASKED is the connection's matter. A table belongs to one connection; another begins with an empty one.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol

from streams.errors import FrameError
from streams.exchange.mexc.events import Acknowledged, Kind, Market, Refused, Said, Subscription

# A depth snapshot of some thousand levels is 300 kB; nothing that a websocket of MEXC sends is larger. What a frame says is one record,
# at most twice its size, and the log takes records of up to 1 MiB.
FRAME_BYTES_MAX = 1 << 19


class State(StrEnum):
    ASKED = "ASKED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    REFUSED = "REFUSED"


class Standing(NamedTuple):
    """How a subscription stands."""

    state: State
    reason: str = ""


class Subscriptions:
    """The table of one connection."""

    def __init__(self) -> None:
        self.standings: dict[Subscription, Standing] = {}

    def asked(self, subscriptions: Iterable[Subscription]) -> None:
        for one in subscriptions:
            # Asked for again, it waits behind the others.
            self.standings.pop(one, None)
            self.standings[one] = Standing(State.ASKED)

    def acknowledged(self, subscription: Subscription) -> Acknowledged:
        self.standings[subscription] = self.standings[subscription]._replace(state=State.ACKNOWLEDGED)
        return Acknowledged(subscription)

    def refused(self, subscription: Subscription, reason: str) -> Refused:
        self.standings[subscription] = self.standings[subscription]._replace(state=State.REFUSED, reason=reason)
        return Refused(subscription, reason)

    def dropped(self, subscriptions: Iterable[Subscription]) -> None:
        for one in subscriptions:
            self.standings.pop(one, None)

    def waiting(self, kind: Kind | None = None) -> list[Subscription]:
        """Those that nothing was answered to, the longest first; of one kind where it is given."""
        return [one for one, standing in self.standings.items() if standing.state is State.ASKED and kind in (None, one.kind)]


class MexcProtocol(Protocol):
    """One connection's protocol; both services' implementations pass the same tests."""

    market: Market
    kinds: frozenset[Kind]  # what can be subscribed to
    subscriptions_max: int  # on one connection
    subscriptions: Subscriptions

    def subscribe(self, subscriptions: Iterable[Subscription]) -> list[str]:
        """The frames that ask for them."""

    def unsubscribe(self, subscriptions: Iterable[Subscription]) -> list[str]:
        """The frames that end them; they leave the table at once."""

    def ping(self) -> str:
        """The frame that keeps the connection alive."""

    def receive(self, frame: str | bytes) -> list[Said]:
        """What a frame says. Raises: FrameError where it is none of this protocol's."""


def within_size(frame: str | bytes) -> None:
    """Raises: FrameError for a frame that is too large to be meant."""
    if len(frame) > FRAME_BYTES_MAX:
        raise FrameError(f"a frame must have at most {FRAME_BYTES_MAX} bytes, had {len(frame)}")
