"""Our client against the simulated MEXC, in virtual time: its wall is the exchange's market time, less what our clock is wrong by."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.settings import MexcSettings
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.settings import ApiKey
from streams.exchange.mexc_simulated.truth import RestAsked
from tests.exchange.mexc_rest.scripted import Share
from tests.exchange.mexc_simulated.exchanges import mexc
from tests.exchange.mexc_simulated.virtual_loop import run
from tests.exchange.sessions import T0

Story = Callable[[RestClient, SimulatedMexc], Awaitable[Any]]


def wall_now(off: int = 0) -> Callable[[], int]:
    """T0 and on with the loop; `off`: µs that it is ahead of the exchange's."""
    loop = asyncio.get_running_loop()
    return lambda: T0 + off + int(loop.time() * 1_000_000)


def settings_for(folder: Path, base: str, **chosen: Any) -> MexcSettings:
    """With the simulated exchange's key in files, and limits of the folder's own."""
    key = ApiKey()
    (folder / "key").write_text(key.key)
    (folder / "secret").write_text(key.secret)
    return MexcSettings(
        **{
            "spot_rest": base, "futures_rest": base, "key_file": folder / "key", "secret_file": folder / "secret",
            "limits_file": folder / "limits.sqlite", **chosen,
        }
    )  # fmt: skip


def told(
    story: Story, folder: Path, *symbols: str, off: int = 0, history_seconds: int = 120, exchange: dict[str, Any] | None = None,
    **chosen: Any,
) -> Any:  # fmt: skip
    """What a story about a client and the exchange comes to."""

    async def tell() -> Any:
        async with mexc(*(symbols or ("BTCUSDC", "BTC_USDT")), history_seconds=history_seconds, **exchange or {}) as server:
            settings = settings_for(folder, server.rest_url, **chosen)
            with SharedLimits(settings.limits_file, settings.limit_share) as limits:
                async with aiohttp.ClientSession() as http:
                    return await story(RestClient(http, settings, limits, wall_now(off), random=Share(0.5)), server)

    return run(tell())


def asked(server: SimulatedMexc, path: str = "") -> list[RestAsked]:
    """What the exchange was asked, whatever it answered."""
    return [one for one in server.exchange.truth.of(RestAsked) if one.path.endswith(path)]
