"""
One question to MEXC's REST, from its turn to its answer: limits, signature, time-out, repetition, and the faults by name.

A question waits for its turn under the limits that all processes of the machine share. What is safe to repeat is asked again after a
growing wait with full jitter; after several failures in a row a market is left alone for a while (circuit breaker). A 429 or a ban holds
every process of the machine. Signed questions carry the exchange's time: the difference of the clocks is measured, again where the
exchange says that a time is outside of its window. Wall times are µs, waits seconds.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import Random

import aiohttp
import msgspec
from yarl import URL

from streams.exchange.mexc.backoff import Backoff
from streams.exchange.mexc.events import Market
from streams.exchange.mexc.rest.faults import Banned, Blocked, NotAllowed, OutcomeUnknown, Refused, TooFrequent, Unreachable
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.rest.routes import Route
from streams.exchange.mexc.rest.signing import query_of, signature
from streams.exchange.mexc.settings import ApiKey, MexcSettings

RETRY_AFTER_SECONDS, BAN_SECONDS = 10.0, 600.0  # where an answer does not say for how long
# The longest ban that MEXC documents, and how long its firewall is left alone, which names no time.
HELD_SECONDS_MAX, FIREWALL_SECONDS = 3 * 86_400.0, 60.0
US_IN_MS, MS_IN_SECOND = 1000, 1000
_SYMBOL, _LONG_WORD = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*"), re.compile(r"\w{24,}|mx0\w+")
_FREQUENT, _BANNED, _FIREWALL, _BROKEN = 429, 418, 403, 500
_FUTURES_FREQUENT = 510
_TIME_WINDOW = {700003, 513}


class _Said(msgspec.Struct):
    """What both services put around an error, and futures around everything."""

    code: int = 0
    msg: str = ""
    message: str = ""
    success: bool | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Time(msgspec.Struct):
    serverTime: int


class RestClient:
    """`now`: the wall clock's µs. `sleep` and `random` (for the waits' jitter) are arguments, so that tests wait for nothing."""

    def __init__(
        self, http: aiohttp.ClientSession, settings: MexcSettings, limits: SharedLimits, now: Callable[[], int], *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:  # fmt: skip
        self._http = http
        self._settings = settings
        self._limits = limits
        self._now = now
        self._sleep = sleep
        self._random = random
        self._key: ApiKey | None = settings.api_key() if settings.key_file or settings.secret_file else None
        self._bases = {Market.SPOT: settings.spot_rest, Market.FUTURES: settings.futures_rest}
        self._failures = dict.fromkeys(Market, 0)
        self._open_until = dict.fromkeys(Market, 0)
        self.clock_offset: int | None = None  # ours − the exchange's, µs, once it was measured
        self._measured = 0  # µs of our clock when that was

    async def ask(self, route: Route, parameters: Mapping[str, str] | None = None, *, symbol: str = "") -> bytes:
        """
        The answer's JSON; of futures what stands in `data`. `symbol` fills the place that a path has for one.

        Raises: the faults of `streams.exchange.mexc.rest.faults`.
        """
        named = dict(parameters or {})
        if route.endpoint.signed:
            self._allow(route, named.get("symbol"))
        attempts = self._settings.tries_max if route.endpoint.safe else 1
        most = self._settings.retry_seconds_max
        backoff = Backoff(self._random, first=min(self._settings.retry_seconds_first, most), most=most)
        corrected = False
        for attempt in range(1, attempts + 1):
            try:
                return await self._once(route, named, symbol)
            except Refused as refused:
                if refused.code not in _TIME_WINDOW or corrected:
                    raise
                # Refused for our clock: nothing was done, whatever was asked.
                corrected, self.clock_offset = True, None
            except (Unreachable, TooFrequent):
                if attempt == attempts:
                    raise
                await self._sleep(backoff.next())
        return await self._once(route, named, symbol)

    async def _once(self, route: Route, parameters: dict[str, str], symbol: str) -> bytes:
        market = route.endpoint.market
        if self._now() < self._open_until[market]:
            raise Unreachable(f"{market} is left alone for a while: it did not answer {self._failures[market]} times in a row")
        await self._turn(route)
        try:
            answer = await self._sent(route, parameters, symbol)
        except (Unreachable, OutcomeUnknown):
            self._failures[market] += 1
            if self._failures[market] >= self._settings.breaker_faults:
                self._open_until[market] = self._now() + int(self._settings.breaker_seconds * MS_IN_SECOND * US_IN_MS)
            raise
        self._failures[market] = 0
        return answer

    async def _turn(self, route: Route) -> None:
        """Waits until the limits let the request through. Raises: Banned while a ban holds that is longer than one would wait."""
        while wait := self._limits.take(route, self._now() // US_IN_MS):
            held = self._limits.held(route.endpoint.market) - self._now() // US_IN_MS
            if held > self._settings.wait_seconds_max * MS_IN_SECOND:
                raise Banned(f"the exchange lets nothing be sent to {route.endpoint.market} for another {held / MS_IN_SECOND:.0f} s")
            await self._sleep(wait / MS_IN_SECOND)

    async def _sent(self, route: Route, parameters: dict[str, str], symbol: str) -> bytes:
        endpoint = route.endpoint
        # A symbol is one part of a path and never a way to another.
        assert bool(symbol) is ("{symbol}" in endpoint.path), f"{endpoint.path} takes a symbol in its path, or none"
        assert not symbol or _SYMBOL.fullmatch(symbol), "a symbol is a word"
        query, headers = query_of(parameters), {}
        if endpoint.signed:
            assert self._key is not None, "a signed call was allowed"
            query = await self._signed(parameters, self._key)
            headers = {"X-MEXC-APIKEY": self._key.key}
        address = self._bases[endpoint.market] + endpoint.path.format(symbol=symbol) + (f"?{query}" if query else "")
        what = f"{endpoint.method} {endpoint.path.format(symbol=symbol)}"
        # What was signed must be sent as it was: the client would spell percent signs anew.
        url = URL(address, encoded=True)
        timeout = aiohttp.ClientTimeout(total=self._settings.answer_seconds, connect=self._settings.connect_seconds)
        try:
            async with self._http.request(endpoint.method, url, headers=headers, timeout=timeout, allow_redirects=False) as response:
                body = await _body_of(response, self._settings.answer_bytes_max)
                status, retry_after = response.status, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Only the kind: an address with its signature stands in some of these texts.
            said = f"{what}: {type(error).__name__}"
            raise (Unreachable(said) if endpoint.safe else OutcomeUnknown(f"{said}; it may have been done")) from None
        return self._answer(route, what, status, retry_after, body)

    def _answer(self, route: Route, what: str, status: int, retry_after: str, body: bytes) -> bytes:
        market, safe = route.endpoint.market, route.endpoint.safe
        if status in (_FREQUENT, _BANNED):
            seconds = seconds_of(retry_after, self._now())
            seconds = (BAN_SECONDS if status == _BANNED else RETRY_AFTER_SECONDS) if seconds is None else seconds
            self._hold(market, seconds)
            fault = Banned if status == _BANNED else TooFrequent
            raise fault(f"{what}: {status}, nothing may be sent for {seconds:.0f} s")
        if status == _FIREWALL and not body.lstrip().startswith(b"{"):
            self._hold(market, FIREWALL_SECONDS)
            raise Blocked(f"{what}: 403 by the exchange's firewall, nothing is sent for {FIREWALL_SECONDS:.0f} s")
        if status >= _BROKEN:
            raise Unreachable(f"{what}: {status}") if safe else OutcomeUnknown(f"{what}: {status}; it may have been done")
        try:
            said = msgspec.json.decode(body, type=_Said) if body.lstrip().startswith(b"{") else _Said()
        except (msgspec.MsgspecError, ValueError):
            raise Unreachable(f"{what}: must answer in JSON, was {body[:60]!r}") from None
        if market is Market.FUTURES and said.code == _FUTURES_FREQUENT:
            self._hold(market, route.endpoint.window_ms / MS_IN_SECOND)
            raise TooFrequent(f"{what}: 510, too frequent")
        if said.code not in (0, 200) or said.success is False or status >= 400:
            # What was sent may come back in it: keys and signatures are long words.
            raise Refused(said.code, f"{what}: {said.code} {_LONG_WORD.sub('…', said.msg or said.message)[:200]}")
        return bytes(said.data) if market is Market.FUTURES else body

    def may_sign_for(self, symbol: str) -> bool:
        """Whether there is a key, and the symbol is one that it is used for."""
        return self._key is not None and symbol in self._settings.allowed_symbols

    def _hold(self, market: Market, seconds: float) -> None:
        self._limits.hold(market, self._now() // US_IN_MS + int(seconds * MS_IN_SECOND))

    def _allow(self, route: Route, symbol: str | None) -> None:
        """Raises: NotAllowed, before anything is signed."""
        if self._key is None:
            raise NotAllowed(f"CDB_MEXC_KEY_FILE and CDB_MEXC_SECRET_FILE must be set for {route.endpoint.path}, were not")
        if symbol is not None and symbol not in self._settings.allowed_symbols:
            known = ", ".join(self._settings.allowed_symbols)
            raise NotAllowed(f"a signed call must name one of CDB_MEXC_ALLOWED_SYMBOLS ({known}), was {symbol}")

    async def _signed(self, parameters: dict[str, str], key: ApiKey) -> str:
        if self.clock_offset is None or not 0 <= self._now() - self._measured < self._settings.clock_seconds * MS_IN_SECOND * US_IN_MS:
            await self.measure_clock()
        assert self.clock_offset is not None
        stamp = (self._now() - self.clock_offset) // US_IN_MS
        query = query_of({**parameters, "recvWindow": str(self._settings.receive_window_ms), "timestamp": str(stamp)})
        return f"{query}&signature={signature(key.secret, query)}"

    async def measure_clock(self) -> int:
        """Our clock − the exchange's, µs, to half of the time that the question took. Raises: as `ask`."""
        asked = self._now()
        said = msgspec.json.decode(await self.ask(Route.TIME), type=_Time)
        self._measured = self._now()
        self.clock_offset = (asked + self._measured) // 2 - said.serverTime * US_IN_MS
        return self.clock_offset


def seconds_of(retry_after: str, now: int) -> float | None:
    """What Retry-After asks for, as a number or a date, at least 0 and at most three days; None where it says neither."""
    if retry_after.isdecimal():
        return min(float(retry_after), HELD_SECONDS_MAX)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now / (MS_IN_SECOND * US_IN_MS)
    return min(max(seconds, 0.0), HELD_SECONDS_MAX)


async def _body_of(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > bytes_max:
            raise aiohttp.ClientPayloadError(f"an answer must have at most {bytes_max} bytes")
    return bytes(body)
