"""Records with any values their types allow, derived from the structs."""

import json
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from streams.domain.money import EXACT, SCALE
from streams.domain.records import Record
from streams.domain.rules import broken_rule
from streams.operate.rows import JSON_FIELDS
from tests.contract.samples import SAMPLES

DECIMAL_MAX = 10**38 - 1


def decimals() -> st.SearchStrategy[Decimal]:
    """Every value of decimal(38,12)."""
    small = st.integers(-(10**6), 10**6)
    return (small | st.integers(-DECIMAL_MAX, DECIMAL_MAX)).map(lambda number: EXACT.scaleb(Decimal(number), -SCALE))


def records(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Any record of that type, also one that breaks the rules."""
    return st.builds(kind, **_fields(kind))


@st.composite
def valid_records(draw: st.DrawFn, kind: type[Record]) -> Record:
    """Any record of that type that breaks no rule: the sample with values of any kind, as far as the rules take them one by one."""
    found = SAMPLES[kind]
    fields = {name: _json_texts() if name in JSON_FIELDS else values for name, values in _fields(kind).items()}
    for name in draw(st.permutations(sorted(fields))):
        changed = msgspec.structs.replace(found, **{name: draw(fields[name])})
        found = changed if broken_rule(changed) is None else found
    return found


def _json_texts() -> st.SearchStrategy[str]:
    numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=12).map(float)
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=8)
    values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=5), leaves, max_size=2)
    tops = st.lists(values, max_size=2) | st.dictionaries(st.text(max_size=5), values, max_size=2)
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
