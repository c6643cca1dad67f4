"""
What MEXC lists, as the session's instruments: asked at the start, again every hour, and told on where something of them has changed.

The first version of an instrument holds from ever on; a later one from when it was heard. What is listed no more is offline.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import aiohttp

from streams.domain.records import InstrumentKind, InstrumentStatus
from streams.errors import ConfigError, FeedError
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.events import Market
from streams.exchange.mexc.instruments import perpetual_instrument, spot_instrument
from streams.exchange.mexc.rest.answers import contracts, fees, market_of, spot_symbols
from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.settings import MexcSettings

logger = logging.getLogger(__name__)

REACH_SECONDS_MAX = 9.0


@asynccontextmanager
async def rest_client(settings: MexcSettings, now: Callable[[], int]) -> AsyncIterator[tuple[aiohttp.ClientSession, RestClient]]:
    """HTTP, and a client of REST by it. `now`: the wall clock's µs. Raises: FeedError where the limits' file cannot be used."""
    with SharedLimits(settings.limits_file, settings.limit_share) as limits:
        async with aiohttp.ClientSession() as http:
            yield http, RestClient(http, settings, limits, now)


async def listed(client: RestClient, symbols: Iterable[str] | None) -> dict[str, InstrumentSpec]:
    """
    Those of the symbols that MEXC lists; None for all, without those whose listing breaks a rule: nobody asked for one of them. Where a
    key may sign for a spot symbol, its fees are the account's own.

    Raises: FeedError as REST, or for a listing of a symbol asked for that breaks a rule.
    """
    wanted = None if symbols is None else set(symbols)
    markets = set(Market) if wanted is None else {market_of(symbol) for symbol in wanted}
    found: list[InstrumentSpec | None] = []
    if Market.SPOT in markets:
        for one in await spot_symbols(client, wanted):
            own = await fees(client, one.symbol) if client.may_sign_for(one.symbol) else None
            found.append(_read(partial(spot_instrument, one, 0, own), named=wanted is not None))
    if Market.FUTURES in markets:
        perpetuals = await contracts(client, wanted)
        found += [_read(partial(perpetual_instrument, one, 0), named=wanted is not None) for one in perpetuals]
    return {spec.symbol: spec for spec in found if spec is not None}


def _read(make: Callable[[], InstrumentSpec], *, named: bool) -> InstrumentSpec | None:
    try:
        return make()
    except FeedError as error:
        if named:
            raise
        logger.warning("left out: %s", error)
        return None


def reach(settings: MexcSettings, symbols: Iterable[str], now: Callable[[], int]) -> list[InstrumentSpec]:
    """
    The symbols' instruments, asked now.

    Raises: FeedError where MEXC cannot be reached within 10 s, saying how to run on recordings; ConfigError for a symbol that it does
    not list.
    """
    symbols = sorted(set(symbols))

    async def ask() -> dict[str, InstrumentSpec]:
        async with asyncio.timeout(REACH_SECONDS_MAX), rest_client(settings, now) as (_, client):
            return await listed(client, symbols)

    try:
        found = asyncio.run(ask())
    except (FeedError, TimeoutError) as error:
        why = str(error) or f"no answer within {REACH_SECONDS_MAX:g} s"
        addresses = ", ".join(dict.fromkeys((settings.spot_rest, settings.futures_rest)))
        raise FeedError(
            f"MEXC cannot be reached at {addresses}: {why}\n"
            "to run without it: cdb paper --feed recorded FILE… (recordings, as cdb record makes them), or cdb paper (simulated market)"
        ) from error
    unknown = [symbol for symbol in symbols if symbol not in found]
    if unknown:
        raise ConfigError(f"FEED_SYMBOLS must be listed by MEXC (BTCUSDT on spot, BTC_USDT a perpetual), was {', '.join(unknown)}")
    return [found[symbol] for symbol in symbols]


def changed(known: Mapping[str, InstrumentSpec], heard: Mapping[str, InstrumentSpec], at: int) -> list[InstrumentSpec]:
    """What is to be told on of what was heard at `at` (µs): each symbol whose instrument is another one than was known, from then on."""
    found = []
    for symbol, before in sorted(known.items()):
        after = heard.get(symbol) or before.model_copy(update={"status": InstrumentStatus.OFFLINE})
        if after.model_copy(update={"valid_from": before.valid_from}) != before:
            found.append(after.model_copy(update={"valid_from": at}))
    return found


def contract_sizes(specs: Iterable[InstrumentSpec]) -> dict[str, Decimal]:
    """Base units of one contract of each perpetual."""
    return {spec.symbol: spec.contract_size for spec in specs if spec.kind is InstrumentKind.PERPETUAL}
