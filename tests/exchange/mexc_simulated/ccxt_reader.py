"""
Run by ccxt's own Python: reads the exchange at the addresses given, prints what it saw as one JSON object. Nothing of ours is imported.

    ccxt_reader.py REST_URL SPOT_WEBSOCKET FUTURES_WEBSOCKET
"""

import asyncio
import json
import sys

import ccxt.pro

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
WATCHED = 15


async def seen(rest: str, spot: str, futures: str) -> dict[str, object]:
    exchange = ccxt.pro.mexc({"enableRateLimit": False, "options": {"fetchMarkets": {"types": {"spot": True, "swap": {"linear": True}}}}})
    exchange.urls["api"] = {
        "spot": {"public": rest, "private": rest},
        "contract": {"public": f"{rest}/api/v1/contract", "private": f"{rest}/api/v1/private"},
        "spot2": {"public": rest, "private": rest}, "broker": {"private": rest}, "ws": {"spot": spot, "swap": futures},
    }  # fmt: skip
    exchange.has["fetchCurrencies"] = False
    try:
        markets = await exchange.load_markets()
        found: dict[str, object] = {"markets": {name: {
            key: market[key] for key in ("id", "type", "precision", "contractSize", "maker", "taker", "limits", "active")
        } for name, market in markets.items()}}  # fmt: skip
        for symbol in (SPOT, SWAP):
            found[symbol] = {
                "trades": [slim(one) for one in await exchange.fetch_trades(symbol, limit=100)],
                "ticker": {key: value for key, value in (await exchange.fetch_ticker(symbol)).items() if key in {"last", "bid", "ask"}},
                "book": await book(exchange, symbol),
                "candles": await exchange.fetch_ohlcv(symbol, "1m"),
                "watched": await watched(exchange, symbol),
            }
        funding = await exchange.fetch_funding_rate(SWAP)
        found["funding"] = {key: funding[key] for key in ("fundingRate", "fundingTimestamp", "interval")}
        return found
    finally:
        await exchange.close()


async def book(exchange, symbol: str) -> dict[str, object]:
    read = await exchange.fetch_order_book(symbol, 50)
    return {side: [level[:2] for level in read[side]] for side in ("bids", "asks")} | {"version": read["nonce"]}


async def watched(exchange, symbol: str) -> list[dict[str, object]]:
    """Trades off the websocket, in their order."""
    got: list[dict[str, object]] = []
    while len(got) < WATCHED:
        got += [slim(one) for one in await asyncio.wait_for(exchange.watch_trades(symbol), 30)]
    return got


def slim(trade) -> dict[str, object]:
    return {key: trade[key] for key in ("timestamp", "side", "price", "amount")}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(seen(*sys.argv[1:4]))))
