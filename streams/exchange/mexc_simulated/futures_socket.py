"""The futures websocket `/edge`: JSON control, subscriptions by method, gzip where it is asked for, closed without a ping."""

import gzip
import json
from typing import Any

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated.clock import MICROSECONDS
from streams.exchange.mexc_simulated.connection import Connection
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.futures_frames import push, reply
from streams.exchange.mexc_simulated.futures_publish import DEPTH_FULL, TICKER, TICKERS, funding_frame
from streams.exchange.mexc_simulated.hub import Channel, Frame
from streams.exchange.mexc_simulated.klines import LENGTHS

_KINDS: dict[str, Kind | str] = {
    "deal": Kind.DEALS, "depth": Kind.DEPTH, "kline": Kind.KLINE, "fair.price": Kind.FAIR_PRICE, "index.price": Kind.INDEX_PRICE,
    "funding.rate": Kind.FUNDING_RATE, DEPTH_FULL: DEPTH_FULL, TICKER: TICKER, TICKERS: TICKERS,
}  # fmt: skip
_LEVELS = {5, 10, 20}


class FuturesConnection(Connection):
    market = Market.FUTURES

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._gzipped: set[Channel] = set()

    def on_text(self, text: str) -> None:
        try:
            message = json.loads(text)
            method, param = str(message["method"]), message.get("param") or {}
        except (ValueError, TypeError, KeyError, AttributeError):
            self._refuse("message must be JSON with a method")
            return
        action, _, name = method.partition(".")
        if method == "ping":
            self.last_ping = self.clock.now()
            self.answer(reply("pong", self.clock.said_ms(), self.clock.said_ms()))
        elif action in {"sub", "unsub"} and name in _KINDS:
            self._subscription(action, name, param, zipped=bool(message.get("gzip")))
        else:
            self._refuse(f"method {method} does not exist")

    def deadline(self) -> tuple[int, str]:
        return self.last_ping + int(self.exchange.settings.limits.futures_ping * MICROSECONDS), "no ping"

    def unknown_message(self) -> str:
        return push("weather", "", {"sky": "clear"}, self.clock.said_ms())

    def offer(self, frame: Frame) -> None:
        if frame.channel in self._gzipped and isinstance(frame.payload, str):
            frame = Frame(frame.channel, gzip.compress(frame.payload.encode(), compresslevel=1, mtime=0))
        super().offer(frame)

    def _subscription(self, action: str, name: str, param: dict[str, Any], *, zipped: bool) -> None:
        symbol = str(param.get("symbol", ""))
        if name != TICKERS and self.exchange.listing.get(symbol, Market.FUTURES) is None:
            self._refuse(f"Contract [{symbol}] not exists" if symbol else "Parameter symbol is empty")
            return
        detail = ""
        if name == "kline":
            detail = str(param.get("interval", ""))
            if detail not in LENGTHS:
                self._refuse(f"Parameter interval [{detail}] error")
                return
        elif name == DEPTH_FULL:
            detail = str(param.get("limit", 20))
            if detail not in map(str, _LEVELS):
                self._refuse(f"Parameter limit [{detail}] error")
                return
        channel = Channel(f"push.{name}", _KINDS[name], symbol, detail)
        if action == "unsub":
            self.unsubscribe(channel)
            self.answer(reply(f"rs.unsub.{name}", "success", self.clock.said_ms()))
        elif self._strikes_subscription(Fault.ACKNOWLEDGEMENT_ERROR, channel):
            self._refuse("system error")
        elif self._strikes_subscription(Fault.BLOCKED, channel):
            self._refuse("Blocked!")
        else:
            (self._gzipped.add if zipped else self._gzipped.discard)(channel)
            self.subscribe(channel)
            self.answer(reply(f"rs.sub.{name}", "success", self.clock.said_ms()))
            self._first(channel)

    def _first(self, channel: Channel) -> None:
        """What does not change for hours is said at once."""
        state = self.exchange.driver.states.get(channel.symbol)
        if channel.kind is Kind.FUNDING_RATE and state is not None and state.funding is not None:
            self.offer(Frame(channel, funding_frame(state, self.clock.said_ms())))

    def _refuse(self, reason: str) -> None:
        self.answer(reply("rs.error", reason, self.clock.said_ms()))

    def _strikes_subscription(self, fault: Fault, channel: Channel) -> bool:
        struck = self.exchange.strikes(fault, market=self.market, symbol=channel.symbol, connection=self.number, what=channel.name)
        return struck is not None
