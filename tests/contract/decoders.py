"""
What checkers and real decoders make of each rule of `streams.contract.breaks`: pinned, so that nobody has to assume it.

The checker is the strictest: it asks what a reader understands, decoders only what they can turn into values, and the registry what
Avro's schema resolution allows. Where one of them differs from its rule's row for one change, `EXCEPTIONS` says so.
"""

from typing import Literal, NamedTuple

from streams.contract.breaks import Outcome
from tests.contract.schema_changes import Change

READS, ALTERS, FAILS = Outcome.READS, Outcome.ALTERS, Outcome.FAILS

Decoder = Literal["codec", "fastavro", "java"]
Direction = Literal["forward", "backward"]


class Row(NamedTuple):
    """
    One rule. `codec`: resolution by fastavro with the reader's logical types, as this project reads; `fastavro`: it alone, with the
    writer's; `java`: Avro for Java with the reader's logical types; `registry_refuses`: whether a change with this rule gets 409.
    """

    codec: Outcome
    fastavro: Outcome
    java: Outcome
    registry_refuses: bool


NO_RULE = Row(READS, READS, READS, False)

ROWS: dict[str, Row] = {
    "field_without_default": Row(FAILS, FAILS, FAILS, True),
    "type_changed": Row(FAILS, FAILS, FAILS, True),
    "null_not_read": Row(FAILS, FAILS, FAILS, True),
    "branch_not_read": Row(FAILS, FAILS, FAILS, True),
    "name_changed": Row(FAILS, FAILS, FAILS, True),
    # The names that count there have no namespace.
    "namespace_changed": Row(READS, READS, READS, False),
    "symbol_unknown": Row(FAILS, FAILS, FAILS, True),
    "fixed_size_changed": Row(FAILS, FAILS, FAILS, True),
    # Java puts a replacement character for what is no UTF-8.
    "bytes_become_text": Row(FAILS, FAILS, ALTERS, False),
    "text_becomes_bytes": Row(ALTERS, ALTERS, ALTERS, False),
    "digits_lost": Row(ALTERS, ALTERS, ALTERS, False),
    "symbol_read_as_default": Row(ALTERS, ALTERS, ALTERS, False),
    "symbol_removed": Row(ALTERS, ALTERS, ALTERS, False),
    # fastavro takes the writer's logical types and is right by that; whoever goes by the reader's is off by powers of ten.
    "decimal_scale_changed": Row(ALTERS, READS, ALTERS, False),
    "logical_type_changed": Row(ALTERS, READS, ALTERS, False),
    # No decoder counts digits; a column of that precision refuses the row.
    "decimal_precision_lowered": Row(READS, READS, READS, False),
    # Only Kafka Connect looks at these, and only people at units.
    "connect_name_changed": Row(READS, READS, READS, False),
    "meaning_changed": Row(READS, READS, READS, False),
}

EXCEPTIONS: dict[tuple[str, Direction, Decoder], Outcome] = {
    # A float of fastavro is one of Python: 64 bits.
    ("int to float", "backward", "codec"): READS,
    ("int to float", "backward", "fastavro"): READS,
    # It stays the decimal that the writer's schema says.
    ("decimal to string", "backward", "fastavro"): READS,
    # Java's reader looks at the names of enums and fixed, and at those of records only to choose a union's branch.
    ("nested record renamed", "forward", "java"): READS,
    ("nested record renamed", "backward", "java"): READS,
    ("record renamed", "forward", "java"): READS,
    ("record renamed", "backward", "java"): READS,
    ("record renamed with alias", "forward", "java"): READS,
}

# What Java's SchemaCompatibility, and the registry by it, refuse although Java's reader reads it.
JAVA_CHECK_REFUSES: frozenset[tuple[str, Direction]] = frozenset(
    (name, direction) for name, direction, decoder in EXCEPTIONS if decoder == "java"
)


def expected(change: Change, direction: Direction, decoder: Decoder) -> Outcome:
    """What `decoder` makes of the value that shows the change in that direction."""
    rule = change.forward if direction == "forward" else change.backward
    row = ROWS[rule] if rule else NO_RULE
    outcomes: dict[Decoder, Outcome] = {"codec": row.codec, "fastavro": row.fastavro, "java": row.java}
    return EXCEPTIONS.get((change.name, direction, decoder), outcomes[decoder])


def registry_refuses(change: Change) -> bool:
    """Whether a registry that demands FULL compatibility refuses the change."""
    return any(ROWS[rule].registry_refuses for rule in (change.forward, change.backward) if rule)
