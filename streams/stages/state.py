"""
States to bytes and back: canonical JSON of msgspec structs.

Equal states give equal bytes: fields in definition order, dict keys sorted, decimals as their own text (exponent kept, so that
decoding gives the identical decimal). Dict keys must be text, values structs, enums, decimals, ints, text, lists, dicts.
"""

import hashlib
from typing import TypeVar

import msgspec

State = TypeVar("State", bound=msgspec.Struct)

_ENCODER = msgspec.json.Encoder(order="deterministic", decimal_format="string")


def encode_state(state: msgspec.Struct) -> bytes:
    """Canonical bytes of a state."""
    return _ENCODER.encode(state)


def decode_state(raw: bytes, kind: type[State]) -> State:
    """The state that `encode_state` wrote; raises `msgspec.ValidationError` for anything else, which is a bug."""
    return msgspec.json.decode(raw, type=kind)


def state_digest(raw: bytes) -> str:
    """sha256 of encoded state, in hex."""
    return hashlib.sha256(raw).hexdigest()
