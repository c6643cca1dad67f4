"""`cdb exchange account` and `cdb exchange test-order`: the two things that a key is for, and neither moves any money."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import environment_of
from streams.domain.records import OrderType, Side
from streams.exchange.mexc.listings import rest_client
from streams.exchange.mexc.rest import answers
from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.settings import MexcSettings
from streams.exchange.wall import wall_time

Answer = TypeVar("Answer")
AsJson = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]
TYPES = (OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER, OrderType.IMMEDIATE_OR_CANCEL, OrderType.FILL_OR_KILL)


def account_command(context: typer.Context, as_json: AsJson = False) -> None:
    """
    Show the balances of the account that CDB_MEXC_KEY_FILE and CDB_MEXC_SECRET_FILE open at MEXC. Nothing of it is on paper.

    Examples:

        cdb exchange account

        cdb exchange account --json | jq '.balances[] | select(.free != "0")'
    """
    found = _asked(context, answers.account)
    if as_json:
        balances = [{"asset": one.asset, "free": f"{one.free:f}", "locked": f"{one.locked:f}"} for one in found.balances]
        typer.echo(json.dumps({"can_trade": found.canTrade, "balances": balances}, indent=2))
        return
    table = Table(pad_edge=False, box=None)
    for name, justify in (("asset", "left"), ("free", "right"), ("locked", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for one in found.balances:
        table.add_row(one.asset, f"{one.free:,f}", f"{one.locked:,f}")
    Console().print(table)


def order_command(
    context: typer.Context,
    symbol: Annotated[str, typer.Option(metavar="NAME", help="One of CDB_MEXC_ALLOWED_SYMBOLS.")],
    side: Annotated[Side, typer.Option(help="BUY or SELL.")],
    kind: Annotated[OrderType, typer.Option("--type", metavar="|".join(TYPES), help="How it would execute.")] = OrderType.LIMIT,
    quantity: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Base units.", show_default=False)] = None,
    price: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Quote units; not of MARKET.", show_default=False)] = None,
    quote: Annotated[str | None, typer.Option(metavar="AMOUNT", help="Quote units to spend, of MARKET BUY.", show_default=False)] = None,
) -> None:
    """
    Let MEXC say whether it would take an order. It validates and executes nothing, and is the only order that this program can send.

    Exit code 0: it would be taken; 1: refused, with MEXC's code and words, or no answer; 2: a symbol that may not be signed for.

    Examples:

        cdb exchange test-order --symbol BTCUSDC --side BUY --quantity 0.001 --price 60000
    """
    named = {"quantity": quantity, "price": price, "quoteOrderQty": quote}
    order = {"symbol": symbol, "side": side.value, "type": kind.value}
    order |= {name: value for name, value in named.items() if value is not None}
    _asked(context, lambda client: answers.order_is_valid(client, order))
    typer.echo(f"MEXC would take it: {' '.join(order.values())}")


def _asked(context: typer.Context, question: Callable[[RestClient], Awaitable[Answer]]) -> Answer:
    settings = MexcSettings.from_environment(environment_of(context))

    async def ask() -> Answer:
        async with rest_client(settings, wall_time) as (_, client):
            return await question(client)

    return asyncio.run(ask())
