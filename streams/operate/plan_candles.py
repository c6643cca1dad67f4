"""
From what a person asks for to the parameters of a candle feed: whose candles a file holds, their interval, and which of them.

Whose candles they are is told by --instrument, else by the file's name: `BTC_USDT-1m-spot.feather` and `BTC_USDT_USDT-1h-futures.feather`
as freqtrade names them, or a symbol before the first of `_-.` (`DOGEUSDT_2026.csv`). A name that fits none or several is refused.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import CandleFile, FeedParameters
from streams.domain.records import InstrumentKind
from streams.errors import ConfigError
from streams.exchange.candle_files import read_candles
from streams.exchange.candle_rules import interval_of
from streams.exchange.candle_series import instrument_of
from streams.exchange.candles import CandleFeed
from streams.exchange.instruments import FOLDER, InstrumentSpec, venue_instruments
from streams.exchange.simulated import EXCHANGE as SIMULATED
from streams.operate.candle_ask import CandleAsk

_OF_FREQTRADE = re.compile(r"^([A-Z0-9]+)_([A-Z0-9]+?)(_[A-Z0-9]+)?-\d+[smhd](?:-(\w+))?\.")
_SYMBOL_FIRST = re.compile(r"^([A-Z0-9]+(?:_USD[TC]?)?)[_.-]")
_INTERVAL = re.compile(r"^(\d+)([smhd]?)$")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def candle_parameters(
    files: tuple[Path, ...], ask: CandleAsk, *, duration_seconds: int | None, now: int | None
) -> FeedParameters:
    """
    The feed that reads these files. `now`: the wall clock's µs, where candles must have ended by then.

    Raises: ConfigError with one line for each fault of the ask; FeedError for the first row that breaks a rule.
    """
    if not files:
        raise ConfigError("FEED_FILES must name at least one file of candles with --feed candles, was empty")
    faults: list[str] = []
    fields: dict[str, Any] = {"kind": "candles", "duration_seconds": duration_seconds}
    fields |= {"path": ask.path} if ask.path is not None else {}
    fields |= {"path_steps": ask.path_steps} if ask.path_steps is not None else {}
    for name, field, text in (("--from", "from_time", ask.start), ("--to", "to_time", ask.end)):
        fields[field] = None if text is None else _time(name, text, faults)
    declared = None if ask.interval is None else _interval(ask.interval, faults)
    candles = owned(files, ask.instruments, (), faults)
    names = list(dict.fromkeys(file.instrument for file in candles))
    fields["candles"] = candles
    fields["marks"] = owned(ask.marks, (), names, faults)
    fields["funding"] = owned(ask.funding, (), names, faults)
    try:
        checked = FeedParameters.model_validate(fields)
    except ValidationError as error:
        faults += [f"FEED.{line}" for line in faults_of(error, FeedParameters)]
    if faults:
        raise ConfigError("\n".join(faults))
    seconds = interval_of([read_candles(candles[0].path)], declared)
    symbols = tuple(dict.fromkeys(instrument_of(name, FOLDER).symbol for name in names))
    planned = checked.model_copy(update={"interval_seconds": seconds, "symbols": symbols})
    feed = CandleFeed(planned, now=now)
    return planned.model_copy(update={"from_time": feed.start, "to_time": feed.end})


def owned(files: Iterable[Path], named: tuple[str, ...], among: Iterable[str], faults: list[str]) -> tuple[CandleFile, ...]:
    """
    Each file with its instrument. `named`: one for each file or one for all; `among`: which ones it can be, empty for any; a
    single one holds whatever the file is called, unless the name tells of other assets, known ones or not.
    """
    files = tuple(files)
    if named and len(named) not in (1, len(files)):
        faults.append(f"--instrument must be given once or for each of {len(files)} files, was given {len(named)} times")
        return ()
    found = []
    for place, file in enumerate(files):
        try:
            spec = instrument_of(named[min(place, len(named) - 1)], FOLDER) if named else _recognised(file, tuple(among))
        except ConfigError as fault:
            faults.append(str(fault))
            continue
        found.append(CandleFile(path=str(file.resolve()), instrument=f"{spec.exchange}:{spec.symbol}"))
    return tuple(found)


def _recognised(file: Path, among: tuple[str, ...]) -> InstrumentSpec:
    venues = sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem != SIMULATED)
    everywhere = [spec for venue in venues for spec in venue_instruments(venue).values()]
    known = [instrument_of(name, FOLDER) for name in among] or everywhere
    fitting = [spec for spec in known if _fits(file.name, spec)]
    told = _told_pair(file.name, {spec.quote_asset for spec in everywhere})
    if len(known) == 1 and told in (None, _pair(known[0])):
        fitting = known
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{spec.exchange}:{spec.symbol}" for spec in fitting or known)
    if among and told is not None and not fitting:
        raise ConfigError(f"{file.name} must be of {names}, was of {told} by its name")
    word = "several fit" if fitting else "none fits"
    way = "call it like BTC_USDT-1m-spot.feather" if among else "say --instrument VENUE:SYMBOL"
    raise ConfigError(f"{file.name} must name its instrument: {word} of {names}; {way}")


def _pair(spec: InstrumentSpec) -> str:
    return spec.base_asset + spec.quote_asset


def _told_pair(name: str, quotes: set[str]) -> str | None:
    """The assets that a file's name tells of, as `BTCUSDT`; None where it begins with no pair in one of `quotes`."""
    if found := _OF_FREQTRADE.match(name):
        return found[1] + found[2]
    first = _SYMBOL_FIRST.match(name)
    symbol = "" if first is None else first[1].replace("_", "")
    return symbol if any(symbol.endswith(quote) and symbol != quote for quote in quotes) else None


def _fits(name: str, spec: InstrumentSpec) -> bool:
    if found := _OF_FREQTRADE.match(name):
        base, quote, settle, kind = found.groups()
        perpetual = settle is not None or kind in ("futures", "mark", "funding_rate")
        return (base, quote, perpetual) == (spec.base_asset, spec.quote_asset, spec.kind is InstrumentKind.PERPETUAL)
    first = _SYMBOL_FIRST.match(name)
    return first is not None and first.group(1) == spec.symbol


def _time(name: str, text: str, faults: list[str]) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        faults.append(f"{name} must be a UTC time like 2024-08-05 or '2024-08-05 13:00', was {text}")
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution


def _interval(text: str, faults: list[str]) -> int | None:
    found = _INTERVAL.match(text)
    seconds = 0 if found is None else int(found.group(1)) * _SECONDS[found.group(2)]
    if not 1 <= seconds <= _SECONDS["d"]:
        faults.append(f"--interval must be 1s..1d like 1m, 15m, 1h, was {text}")
        return None
    return seconds
