"""
Whether a signed spot request is one that the key's owner made: key, signature, time window, and the symbols that the key may use.

The signature is HMAC-SHA256 in lower-case hex over query string and body as they were sent, without the signature itself.
"""

import hashlib
import hmac

from streams.exchange.mexc_simulated.answers import Asked, Refused
from streams.exchange.mexc_simulated.clock import ExchangeClock
from streams.exchange.mexc_simulated.settings import ApiKey

WINDOW_MS, WINDOW_MS_MAX = 5_000, 60_000
AHEAD_MS_MAX = 1_000


async def check(asked: Asked) -> dict[str, str]:
    """The request's parameters. Raises: Refused as MEXC would."""
    request, key = asked.request, asked.exchange.settings.api_key
    body = (await request.read()).decode()
    if request.headers.get("X-MEXC-APIKEY") != key.key:
        raise Refused(400, 10072, "Api key info invalid")
    query = request.rel_url.raw_query_string
    parts = [part for part in f"{query}&{body}".split("&") if part]
    signatures = [part.partition("=")[2] for part in parts if part.startswith("signature=")]
    unsigned = "&".join(part for part in query.split("&") if part and not part.startswith("signature="))
    unsigned += "&".join(part for part in body.split("&") if part and not part.startswith("signature="))
    if not signatures or not hmac.compare_digest(signature(key, unsigned), signatures[-1]):
        raise Refused(400, 700002, "Signature for this request is not valid.")
    values = {**dict(request.query), **dict(part.partition("=")[::2] for part in body.split("&") if part)}
    _check_time(asked.exchange.clock, values)
    if "symbol" in values and values["symbol"] not in key.symbols:
        raise Refused(400, 10007, "symbol not support api")
    return values


def signature(key: ApiKey, unsigned: str) -> str:
    return hmac.new(key.secret.encode(), unsigned.encode(), hashlib.sha256).hexdigest()


def _check_time(clock: ExchangeClock, values: dict[str, str]) -> None:
    try:
        sent, window = int(values["timestamp"]), int(values.get("recvWindow", WINDOW_MS))
    except (KeyError, ValueError) as error:
        raise Refused(400, 33333, "param 'timestamp' is invalid") from error
    if window > WINDOW_MS_MAX:
        raise Refused(400, 700005, "recvWindow must less than 60000")
    now = clock.said_ms()
    if not (sent < now + AHEAD_MS_MAX and now - sent <= window):
        raise Refused(400, 700003, "Timestamp for this request is outside of the recvWindow.")
