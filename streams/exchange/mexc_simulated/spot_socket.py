"""The spot websocket `/ws`: JSON control, at most 30 channels a connection, closed without a subscription or without data."""

import json
import re

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated import spot_frames as frames
from streams.exchange.mexc_simulated.clock import MICROSECONDS
from streams.exchange.mexc_simulated.connection import Connection
from streams.exchange.mexc_simulated.faults import FOREVER, Fault
from streams.exchange.mexc_simulated.hub import Channel
from streams.exchange.mexc_simulated.klines import LENGTHS
from streams.exchange.mexc_simulated.spot_publish import LIMIT_DEPTH, TICKER_BATCH

_SYMBOL = r"(?P<symbol>[A-Z0-9]+)"
_SPEED = r"@(?:100ms|10ms)@"
_CHANNELS: tuple[tuple[Kind | str, re.Pattern[str]], ...] = (
    (Kind.DEALS, re.compile(rf"spot@public\.aggre\.deals\.v3\.api\.pb{_SPEED}{_SYMBOL}")),
    (Kind.DEPTH, re.compile(rf"spot@public\.aggre\.depth\.v3\.api\.pb{_SPEED}{_SYMBOL}")),
    (Kind.BOOK_TICKER, re.compile(rf"spot@public\.aggre\.bookTicker\.v3\.api\.pb{_SPEED}{_SYMBOL}")),
    (Kind.KLINE, re.compile(rf"spot@public\.kline\.v3\.api\.pb@{_SYMBOL}@(?P<detail>{'|'.join(LENGTHS)})")),
    (LIMIT_DEPTH, re.compile(rf"spot@public\.limit\.depth\.v3\.api\.pb@{_SYMBOL}@(?P<detail>5|10|20)")),
    (TICKER_BATCH, re.compile(rf"spot@public\.bookTicker\.batch\.v3\.api\.pb@{_SYMBOL}")),
)
ERROR_CODE = 1


class SpotConnection(Connection):
    market = Market.SPOT

    def on_text(self, text: str) -> None:
        """Any case of PING is answered, as clients have it either way."""
        try:
            message = json.loads(text)
            method, number = str(message["method"]).upper(), int(message.get("id") or 0)
            names = [str(name) for name in message.get("params") or ()]
        except (ValueError, TypeError, KeyError, AttributeError):
            self.answer(frames.reply("msg format invalid", code=ERROR_CODE))
            return
        match method:
            case "PING":
                self.last_ping = self.clock.now()
                self.answer(frames.reply("PONG", number=number))
            case "SUBSCRIPTION":
                self._subscription(names, number)
            case "UNSUBSCRIPTION":
                for channel in [one for one in self.channels if one.name in names]:
                    self.unsubscribe(channel)
                self.answer(frames.reply(",".join(names), number=number))
            case _:
                self.answer(frames.reply("method invalid", number=number, code=ERROR_CODE))

    def deadline(self) -> tuple[int, str]:
        limits = self.exchange.settings.limits
        if self.idle_since is not None:
            return self.idle_since + int(limits.idle * MICROSECONDS), "no valid subscription"
        if self.subscribed_at is not None:
            return self.last_data + int(limits.quiet * MICROSECONDS), "no data"
        return FOREVER, ""

    def unknown_message(self) -> bytes:
        return frames.unknown(self.clock.said())

    def _subscription(self, names: list[str], number: int) -> None:
        """One answer names what was taken; another, with code 0 as well, what was not."""
        taken, refused = [], []
        for name in names:
            channel = self._channel(name)
            if channel is None or self._hits(Fault.BLOCKED, channel):
                refused.append(name)
            elif self._hits(Fault.ACKNOWLEDGEMENT_ERROR, channel):
                self.answer(frames.reply(f"system error [{name}]", number=number, code=ERROR_CODE))
            elif channel not in self.channels and len(self.channels) >= self.exchange.settings.limits.subscriptions:
                refused.append(name)
            else:
                self.subscribe(channel)
                taken.append(name)
        if taken:
            self.answer(frames.reply(",".join(taken), number=number))
        if refused:
            self.answer(frames.reply(frames.blocked(refused), number=number))

    def _channel(self, name: str) -> Channel | None:
        for kind, pattern in _CHANNELS:
            found = pattern.fullmatch(name)
            if found is not None and self.exchange.listing.get(found["symbol"], Market.SPOT) is not None:
                return Channel(name, kind, found["symbol"], found.groupdict().get("detail") or "")
        return None

    def _hits(self, fault: Fault, channel: Channel) -> bool:
        struck = self.exchange.strikes(fault, market=self.market, symbol=channel.symbol, connection=self.number, what=channel.name)
        return struck is not None
