"""Records with any values their types allow, derived from the structs."""

import json
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import islice
from random import Random
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import strategies as st

import schemas
from streams.contract.meaning import RANGES, meaning_of
from streams.domain.money import EXACT, SCALE
from streams.domain.records import Candle, Order, OrderType, Record
from streams.domain.rules import TIME_MAX, broken_rule
from streams.operate.rows import JSON_FIELDS
from tests.contract.samples import SAMPLES

DECIMAL_MAX = 10**38 - 1
_WITHOUT_NUL = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


class ValuesAsked(NamedTuple):
    """How many values of each record are drawn, and from which seed."""

    count: int
    seed: int


VALUES = pytest.StashKey[ValuesAsked]()


def decimals() -> st.SearchStrategy[Decimal]:
    """Every value of decimal(38,12)."""
    small = st.integers(-(10**6), 10**6)
    return (small | st.integers(-DECIMAL_MAX, DECIMAL_MAX)).map(_amount)


def records(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Any record of that type, also one that breaks the rules."""
    return st.builds(kind, **_fields(kind))


@st.composite
def valid_records(draw: st.DrawFn, kind: type[Record]) -> Record:
    """Any record of that type that breaks no rule: the sample with values of any kind, as far as the rules take them."""
    values = draw(st.fixed_dictionaries(_valid_fields(kind)))
    names = sorted(values)
    Random(draw(st.integers(0, 2**32))).shuffle(names)
    values = _related(kind, values)
    return _taken(SAMPLES[kind], {name: values[name] for name in names})


def _related(kind: type[Record], values: dict[str, Any]) -> dict[str, Any]:
    """The values with those changed that the rules bind to others, which by chance hardly ever fit."""
    if kind is Candle:
        low, first, last, high = sorted(values[name] for name in ("low", "open", "close", "high"))
        interval, opened = values["interval_seconds"] % 10**6 + 1, values["open_time"] // 2
        return {
            **values, "low": low, "open": first, "close": last, "high": high, "interval_seconds": interval, "open_time": opened,
            "close_time": opened + interval * 1_000_000,
        }  # fmt: skip
    if kind is Order:
        is_cancel = values["order_type"] is OrderType.CANCEL
        decided: dict[str, Any] = {"rejection_code": None}
        if not values["approved"]:
            decided = {"rejection_code": values["rejection_code"] or "", "quantity": Decimal(0)}
        return {
            **values, **decided, "target_order_id": (values["target_order_id"] or "") if is_cancel else None,
            "expires_at": None if values["expires_at"] is None else max(values["expires_at"], values["time"]),
        }  # fmt: skip
    return values


def _taken(found: Record, values: dict[str, Any]) -> Record:
    """The record with as many of the values as the rules take: all, or those of each half that they take."""
    changed = msgspec.structs.replace(found, **values)
    if broken_rule(changed) is None:
        return changed
    if len(values) == 1:
        return found
    half = len(values) // 2
    return _taken(_taken(found, dict(islice(values.items(), half))), dict(islice(values.items(), half, None)))


@cache
def _valid_fields(kind: type[Record]) -> dict[str, st.SearchStrategy[Any]]:
    """Values within the range that each field's doc states, texts as a table holds them; JSON where JSON belongs."""
    fields = _fields(kind)
    for name, hint in get_type_hints(kind).items():
        if hint is str:
            fields[name] = st.text(_WITHOUT_NUL, min_size=int(name in ("session", "event_id")), max_size=12)
        elif hint == str | None:
            fields[name] = st.none() | st.text(_WITHOUT_NUL, max_size=12)
    for field in schemas.schema(kind.__name__)["fields"]:
        name, meaning = field["name"], meaning_of(field["doc"])
        sign = meaning.sign if meaning is not None else ""
        if name in JSON_FIELDS:
            fields[name] = _json_texts(list if getattr(SAMPLES[kind], name).startswith("[") else dict)
        elif sign in RANGES:
            within = _within(sign, is_whole="decimal" not in str(field["type"]), is_time="timestamp" in str(field["type"]))
            fields[name] = st.none() | within if isinstance(field["type"], list) else within
    return fields


def _within(sign: str, *, is_whole: bool, is_time: bool) -> st.SearchStrategy[Any]:
    """Numbers of such a range, to its ends."""
    if is_whole:
        return st.integers(0, TIME_MAX if is_time else 2**63 - 1)
    one = 10**SCALE
    low, high = {
        "> 0": (1, DECIMAL_MAX), ">= 0": (0, DECIMAL_MAX), ">= 1": (one, DECIMAL_MAX), "0..1": (0, one), "0..100": (0, 100 * one),
    }[sign]  # fmt: skip
    small = st.integers(low, min(high, low + 10**6))
    return (small | st.integers(low, high)).map(_amount)


def _amount(number: int) -> Decimal:
    return EXACT.scaleb(Decimal(number), -SCALE)


def _json_texts(kind: type) -> st.SearchStrategy[str]:
    numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=12).map(float)
    texts = st.text(_WITHOUT_NUL, max_size=8)
    leaves = st.none() | st.booleans() | numbers | texts
    values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(texts, leaves, max_size=2)
    tops = st.lists(values, max_size=2) if kind is list else st.dictionaries(texts, values, max_size=2)
    return st.builds(json.dumps, tops, ensure_ascii=st.booleans())


def _fields(kind: type) -> dict[str, st.SearchStrategy[Any]]:
    return {name: _values(hint) for name, hint in get_type_hints(kind).items()}


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if hint is Decimal:
        return decimals()
    if hint is str:
        return st.text(max_size=12)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(-(2**63), 2**63 - 1)
    if hint is bytes:
        return st.binary(max_size=40)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if get_origin(hint) is UnionType:
        return st.none() | _values(next(each for each in get_args(hint) if each is not NoneType))
    assert get_origin(hint) is list, hint
    (item,) = get_args(hint)
    return st.lists(st.builds(item, **_fields(item)), max_size=3)
