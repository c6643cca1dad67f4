"""
The session behind the page: read in one thread at a time, commanded in two steps.

The first step names what is to be done and gets a ticket, good once and for half a minute; only the ticket carries it out. What is
carried out goes the way of `cdb halt` and its kin, and is believed only from the committed journal.
"""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import Any, NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import CommandKind
from streams.domain.risk.commands import EVERY_ACCOUNT
from streams.errors import ConfigError
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions
from streams.operate.commands import Confirmation, Request, check, send
from streams.operate.live_model import LiveModel
from streams.operate.page.document import document_of

HISTORY = 60
POLL_SECONDS = 0.25
POLLS_MAX = 50
TICKET_SECONDS = 30.0
TICKETS_MAX = 16
CONFIRM_SECONDS_MAX = 30.0
FIELDS = frozenset({"kind", "operator", "justification", "account", "symbol"})


class Ticket(NamedTuple):
    """What the second step will do, until `monotonic` seconds."""

    request: Request
    until: float


class Desk:
    """One session, as an operator sees and commands it; to be closed."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings) -> None:
        self._log, self._codec, self.settings = log, codec, settings
        self._model = LiveModel(log, codec, settings, history=HISTORY)
        self._tickets: dict[str, Ticket] = {}

    def look(self) -> dict[str, Any] | None:
        """Takes in what is new, waiting a moment for it: the page's document, or None where nothing has come."""
        if not self._model.poll(POLL_SECONDS):
            return None
        # A long session is read from its beginning: what has come by then is shown meanwhile.
        for _ in range(POLLS_MAX):
            if not self._model.poll(0):
                break
        return self.document()

    def document(self) -> dict[str, Any]:
        return document_of(self._model)

    def prepare(self, asked: object, monotonic: float) -> dict[str, Any]:
        """
        The first step: nothing is sent. The ticket, and what it will do in words.

        Raises: ConfigError with one line for each fault of the request.
        """
        request = _request_of(asked)
        check(self.settings, request)
        self._tickets = {name: one for name, one in self._tickets.items() if one.until > monotonic}
        if len(self._tickets) >= TICKETS_MAX:
            raise ConfigError(f"at most {TICKETS_MAX} commands may wait for their second step, {len(self._tickets)} do")
        name = secrets.token_urlsafe(16)
        self._tickets[name] = Ticket(request, monotonic + TICKET_SECONDS)
        who = "every account" if request.account == EVERY_ACCOUNT else f"account {request.account}"
        what = "" if request.symbol is None else f", {request.symbol} only"
        words = f"{request.kind.value} for {who} of session {self.settings.session}{what}, by {request.operator}"
        return {"ticket": name, "seconds": TICKET_SECONDS, "words": words}

    def take(self, ticket: object, monotonic: float) -> Request:
        """The request of a ticket, which is good no more. Raises: ConfigError where it was not or is over."""
        found = self._tickets.pop(ticket, None) if isinstance(ticket, str) else None
        if found is None or found.until <= monotonic:
            raise ConfigError(f"TICKET must be one of a first step within {TICKET_SECONDS:.0f} s, used once")
        return found.request

    def carry_out(self, request: Request, *, now: int) -> dict[str, Any]:
        """The second step; `now` in µs of wall time. Raises: ConfigError where the session has ended; LogError."""
        session = self.settings.session
        if sessions.manifest(self._log, self._codec, session).status == sessions.ENDED:
            raise ConfigError(f"SESSION must be one that is open, was {session}, which has ended: nobody takes commands there")
        with closing(Confirmation(self._log, self._codec, send(self._log, self._codec, self.settings, request, now=now))) as confirmation:
            confirmed = confirmation.wait(CONFIRM_SECONDS_MAX)
            return {
                "command": confirmation.sent.command.event_id, "kind": request.kind.value, "confirmed": confirmed,
                "waiting_tasks": confirmation.waiting, "outcomes": [one._asdict() for one in confirmation.outcomes()],
            }  # fmt: skip

    def close(self) -> None:
        self._model.close()


def _request_of(asked: object) -> Request:
    """Raises: ConfigError where this is no request."""
    if not isinstance(asked, dict):
        raise ConfigError(f"a command must be an object, was {type(asked).__name__}")
    faults = [f"{name} must be one of {', '.join(sorted(FIELDS))}" for name in sorted(set(asked) - FIELDS)]
    faults += [f"{name.upper()} must be text" for name in sorted(FIELDS & set(asked)) if not isinstance(asked[name], str)]
    kinds = [kind.value for kind in CommandKind]
    if asked.get("kind") not in kinds:
        faults.append(f"KIND must be one of {', '.join(kinds)}, was {str(asked.get('kind'))[:40]}")
    if faults:
        raise ConfigError("\n".join(faults))
    return Request(
        CommandKind(asked["kind"]), asked.get("operator", ""), asked.get("justification", ""), asked.get("account") or EVERY_ACCOUNT,
        asked.get("symbol") or None,
    )  # fmt: skip
