"""
Instruments as the text of a file under `deploy/instruments`: what `streams.exchange.instruments.venue_instruments` reads back the same.

Every value of an entry stands there, so that a file says all by itself what an exchange said at a moment.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from streams.exchange.instruments import InstrumentSpec


def instruments_text(specs: Iterable[InstrumentSpec], *, at: int) -> str:
    """TOML, by symbol; `at`: µs when the exchange said so."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    lines = [f"# As the exchange listed them at {moment} UTC."]
    for spec in sorted(specs, key=lambda one: one.symbol):
        lines += ["", "[[instruments]]"]
        lines += [f"{name} = {_value(value)}" for name, value in spec.model_dump(exclude_none=True).items() if value not in ((), [])]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    match value:
        case Enum():
            return json.dumps(value.value)
        case Decimal():
            # As text, as in the other files: TOML's own numbers are floats to most that read them.
            return json.dumps(f"{value:f}")
        case int() | str():
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "{ " + ", ".join(f"{name} = {_value(one)}" for name, one in value.items() if one is not None) + " }"
        case list() | tuple():
            return "[" + "".join(f"\n    {_value(one)}," for one in value) + "\n]"
    raise AssertionError(f"an instrument holds no {type(value).__name__}")
