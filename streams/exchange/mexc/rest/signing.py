"""MEXC's spot signature: HMAC-SHA256 in lower-case hex over query string and body, which it has to be the last parameter of."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlencode


def query_of(parameters: Mapping[str, str]) -> str:
    """Parameters as they are sent: percent-encoded, in the order given."""
    return urlencode(parameters, quote_via=quote)


def signature(secret: str, text: str) -> str:
    """Of the query string followed by the body."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
