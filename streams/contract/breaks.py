"""
What a change of a schema can break, by name: what becomes of a record, why, and what to do instead.

`FAILS`: a reader cannot read some record. `ALTERS`: it reads without complaint, and what it gets is not what was written. Of the second
kind decoders and the registry say little or nothing, which is why the contract has a checker of its own.
"""

from enum import StrEnum
from typing import NamedTuple


class Outcome(StrEnum):
    READS = "reads"
    ALTERS = "alters"
    FAILS = "fails"


class Break(NamedTuple):
    """One way to break a reader."""

    outcome: Outcome
    problem: str
    instead: str


_NEW_FIELD = 'keep the field as it is and add another one beside it, as ["null", …] with default null'
_NEW_TYPE = "keep the name, and its alias where it had another one"

BREAKS: dict[str, Break] = {
    "field_without_default": Break(
        Outcome.FAILS, "the reader wants a field that is not written, and has no default for it",
        'a field that comes or goes must be optional in every version: ["null", …] with default null',
    ),
    "type_changed": Break(Outcome.FAILS, "the reader wants another type, and Avro turns none into the other", _NEW_FIELD),
    "null_not_read": Break(
        Outcome.FAILS, "null may be written, and the reader takes none",
        "keep the field as it is; what can be absent is a new field beside it",
    ),
    "branch_not_read": Break(Outcome.FAILS, "a branch of the union may be written that the reader does not have", _NEW_FIELD),
    "name_changed": Break(Outcome.FAILS, "the reader knows the type by another name", _NEW_TYPE),
    "namespace_changed": Break(
        Outcome.FAILS, "the reader knows the record in another namespace, which is its subject in the registry too", _NEW_TYPE,
    ),
    "symbol_unknown": Break(
        Outcome.FAILS, "a symbol may be written that the reader does not know, and its enum has no default",
        "give the enum a default in a version before, or keep to the symbols there are",
    ),
    "fixed_size_changed": Break(Outcome.FAILS, "the reader wants another number of bytes", _NEW_FIELD),
    "bytes_become_text": Break(Outcome.FAILS, "bytes that are no UTF-8 may be written, and the reader takes them for text", _NEW_FIELD),
    "text_becomes_bytes": Break(Outcome.ALTERS, "the reader gets bytes where text was written", _NEW_FIELD),
    "digits_lost": Break(Outcome.ALTERS, "the reader keeps 53 or 24 bits of a number that may have more", _NEW_FIELD),
    "symbol_read_as_default": Break(
        Outcome.ALTERS, "a symbol that the older reader does not know is read as its default, which means something else",
        "add symbols only to enums whose default is UNKNOWN or NONE; else a new field beside it",
    ),
    "symbol_removed": Break(
        Outcome.ALTERS, "a symbol that older records hold is read as the default", "keep the symbol, and stop to write it",
    ),
    "decimal_scale_changed": Break(
        Outcome.ALTERS, "the reader puts the decimal point elsewhere: every amount is off by powers of ten", _NEW_FIELD,
    ),
    "decimal_precision_lowered": Break(
        Outcome.ALTERS, "numbers of more digits may be written than the reader says it takes", "keep the precision",
    ),
    "logical_type_changed": Break(Outcome.ALTERS, "the reader takes the same bytes for something else", _NEW_FIELD),
    "connect_name_changed": Break(
        Outcome.ALTERS, "Kafka Connect takes the same bytes for something else, and the sink writes another value or stops",
        "keep connect.name",
    ),
    "meaning_changed": Break(
        Outcome.ALTERS, "unit or sign is another one: the number is read right and understood wrong", _NEW_FIELD,
    ),
}  # fmt: skip
