"""What can go wrong between us and MEXC's REST, by name. All are faults of the world; messages never hold a key, secret or signature."""

from streams.errors import FeedError


class Unreachable(FeedError):
    """No answer in time, no connection, or a fault of the exchange's own (5xx) to a question that is safe to repeat."""


class TooFrequent(FeedError):
    """The exchange asks us to keep still (429, 510); nothing is sent to that market until then."""


class Banned(FeedError):
    """The exchange has shut this address out (418); nothing is sent until the ban is over."""

    retriable = False


class Blocked(FeedError):
    """The exchange's firewall refuses this address (403), by country or for its behaviour: asking again makes it worse."""

    retriable = False


class OutcomeUnknown(FeedError):
    """What is not safe to repeat was sent, and nobody knows whether it was done. Never repeated by itself."""

    retriable = False


class NotAllowed(FeedError):
    """A signed call names a symbol that is not among the allowed ones, or there is no key: nothing was signed or sent."""

    exit_code = 2
    retriable = False


class Refused(FeedError):
    """The exchange understood and said no; `code` is its own (10007 bad symbol, 30002 below the minimum, 700003 time window, …)."""

    retriable = False

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
