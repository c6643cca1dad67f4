"""
What becomes of records that one schema wrote when a program with another schema reads them: the contract's own checker.

It follows Avro's schema resolution (fields by name or alias, promotions, unions branch by branch, enum defaults), and goes on where
that ends: what a decimal, a time or a number stands for must be the same on both sides. Each problem carries a value that shows it,
so that nobody has to take the checker's word: a decoder can be asked. `streams.contract.breaks` says what each rule means.

A reader reads by its own schema: it takes the writer's for finding the fields, and its own for what they are. (fastavro alone would
take the writer's logical types; Java Avro, Kafka Connect and this project's codec do not.)
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from streams.contract.avro import Schema, Types, connect_of, full_name, kind_of, logical_of
from streams.contract.meaning import meaning_of

# An unknown symbol read as one of these tells an older reader what is true: that it does not know.
NEUTRAL_SYMBOLS = frozenset({"UNKNOWN", "NONE"})

# Avro's promotions, and what is lost by them.
_PROMOTIONS: dict[tuple[str, str], str | None] = {
    ("int", "long"): None, ("int", "float"): "digits_lost", ("int", "double"): None, ("long", "float"): "digits_lost",
    ("long", "double"): "digits_lost", ("float", "double"): None, ("string", "bytes"): "text_becomes_bytes",
    ("bytes", "string"): "bytes_become_text",
}  # fmt: skip

Wrap = Callable[[Any], Any]


class Problem(NamedTuple):
    """One place where reading goes wrong. `value`: a whole record that the writer may write and that shows it."""

    field: str
    rule: str
    difference: str
    value: Any


def problems(writer: Schema, reader: Schema, *, reader_is_newer: bool) -> list[Problem]:
    """
    Everything that goes wrong when `reader` reads what `writer` wrote; empty where every record comes through as it was written.

    Both are record schemas that Avro accepts. Newer readers must know every symbol; older ones may read a new one as UNKNOWN.
    """
    return list(_Resolution(Types.of(writer), Types.of(reader), reader_is_newer).record())


class _Resolution:
    """One writer's schema resolved to one reader's. A pair of named types is followed once, where it is met first."""

    def __init__(self, writer: Types, reader: Types, reader_is_newer: bool) -> None:
        self._writer, self._reader, self._reader_is_newer = writer, reader, reader_is_newer
        self._followed: set[tuple[str, str]] = set()

    def record(self) -> Iterator[Problem]:
        writer, reader = self._writer.root, self._reader.root
        names = full_name(writer), full_name(reader)
        path = (reader if self._reader_is_newer else writer)["name"]
        if not _same_name(writer, reader):
            yield self._problem(path, "name_changed", f"{names[1]}, was {names[0]}", lambda value: value)
        elif names[0].rpartition(".")[0] != names[1].rpartition(".")[0]:
            yield self._problem(path, "namespace_changed", f"{names[1]}, was {names[0]}", lambda value: value)
        yield from self._records(writer, reader, path, lambda value: value)

    def _problem(self, path: str, rule: str, difference: str, wrap: Wrap) -> Problem:
        return Problem(path, rule, difference, wrap(self._writer.ordinary(self._writer.root)))

    def _types(self, writer: Schema, reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        writer, reader = self._writer.follow(writer), self._reader.follow(reader)
        if isinstance(writer, list):
            yield from self._from_union(writer, reader, path, wrap)
        elif isinstance(reader, list):
            chosen = self._branch(writer, reader)
            if chosen is None:
                yield Problem(path, *self._no_branch(writer), wrap(self._writer.ordinary(writer)))
            else:
                yield from self._types(writer, chosen, path, wrap)
        elif not self._matches(writer, reader):
            yield from self._mismatch(writer, reader, path, wrap)
        else:
            yield from self._logical(writer, reader, path, wrap)
            yield from self._inside(writer, reader, path, wrap)

    def _from_union(self, writer: list[Schema], reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        for branch in writer:
            kind = self._writer.follow(branch)
            chosen = self._branch(kind, reader if isinstance(reader, list) else [reader])
            if chosen is None:
                yield Problem(path, *self._no_branch(kind), wrap(self._writer.ordinary(kind)))
            else:
                yield from self._types(kind, chosen, path, wrap)

    def _no_branch(self, writer: Schema) -> tuple[str, str]:
        if writer == "null":
            return "null_not_read", "null is not among what is read"
        return "branch_not_read", f"{_told(writer)} is not among what is read"

    def _branch(self, writer: Schema, branches: list[Schema]) -> Schema | None:
        """The reader's branch for a type: the one of the same type, else the first that it is promoted to."""
        readers = [self._reader.follow(branch) for branch in branches]
        same = (each for each in readers if kind_of(each) == kind_of(writer) and self._matches(writer, each))
        promoted = (each for each in readers if self._matches(writer, each))
        return next(same, None) or next(promoted, None)

    def _matches(self, writer: Schema, reader: Schema) -> bool:
        """Whether Avro resolves the one to the other, what is inside apart."""
        kinds = kind_of(writer), kind_of(reader)
        if kinds[0] != kinds[1]:
            return kinds in _PROMOTIONS
        if kinds[0] in {"record", "enum", "fixed"}:
            return _same_name(writer, reader) and (kinds[0] != "fixed" or writer["size"] == reader["size"])
        return True

    def _mismatch(self, writer: Schema, reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        rule, difference = "type_changed", f"{_told(reader)}, was {_told(writer)}"
        if kind_of(writer) == kind_of(reader):
            rule = "name_changed" if not _same_name(writer, reader) else "fixed_size_changed"
            if rule == "fixed_size_changed":
                difference = f"{reader['size']} bytes, was {writer['size']}"
        yield Problem(path, rule, difference, wrap(self._writer.ordinary(writer)))

    def _logical(self, writer: Schema, reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        value = wrap(self._writer.ordinary(writer))
        promotion = _PROMOTIONS.get((kind_of(writer), kind_of(reader)))
        if promotion is not None:
            yield Problem(path, promotion, f"{_told(reader)}, was {_told(writer)}", value)
            return
        before, after = logical_of(writer), logical_of(reader)
        if before != after:
            yield from _logical_problem(before, after, path, value, wrap)
        if connect_of(writer) != connect_of(reader):
            yield Problem(path, "connect_name_changed", f"{connect_of(reader) or 'none'}, was {connect_of(writer) or 'none'}", value)

    def _inside(self, writer: Schema, reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        match kind_of(writer):
            case "record":
                yield from self._records(writer, reader, path, wrap)
            case "enum":
                yield from self._enums(writer, reader, path, wrap)
            case "array":
                yield from self._types(writer["items"], reader["items"], path, lambda value: wrap([value]))
            case "map":
                yield from self._types(writer["values"], reader["values"], path, lambda value: wrap({"key": value}))

    def _records(self, writer: Schema, reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        pair = writer["name"], reader["name"]
        if pair in self._followed:
            return
        self._followed.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        ordinary = self._writer.ordinary(writer)
        for field in reader["fields"]:
            names = (field["name"], *field.get("aliases", ()))
            found = next((written[name] for name in names if name in written), None)
            place = f"{path}.{field['name']}"
            if found is None:
                if "default" not in field:
                    yield Problem(place, "field_without_default", "", wrap(ordinary))
                continue
            name = found["name"]
            yield from self._types(
                found["type"], field["type"], place, lambda value, name=name: wrap({**ordinary, name: value})  # type: ignore[misc]
            )
            before, after = meaning_of(found.get("doc", "")), meaning_of(field.get("doc", ""))
            if before != after:
                yield Problem(place, "meaning_changed", f"{after or 'nothing said'}, was {before or 'nothing said'}", wrap(ordinary))

    def _enums(self, writer: Schema, reader: Schema, path: str, wrap: Wrap) -> Iterator[Problem]:
        unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if not unknown:
            return
        default = reader.get("default")
        if default is None:
            rule = "symbol_unknown"
        elif self._reader_is_newer:
            rule = "symbol_removed"
        elif default not in NEUTRAL_SYMBOLS:
            rule = "symbol_read_as_default"
        else:
            return
        read = "" if default is None else f", read as {default}"
        yield Problem(path, rule, f"{', '.join(unknown)} unknown{read}", wrap(unknown[0]))


def _logical_problem(before: Any, after: Any, path: str, value: Any, wrap: Wrap) -> Iterator[Problem]:
    if before is None or after is None or before[0] != after[0]:
        yield Problem(path, "logical_type_changed", f"{_logical_told(after)}, was {_logical_told(before)}", value)
    elif before[2] != after[2]:
        yield Problem(path, "decimal_scale_changed", f"{after[2]} places, was {before[2]}", value)
    elif after[1] < before[1]:
        yield Problem(path, "decimal_precision_lowered", f"{after[1]} digits, was {before[1]}", wrap(_longest(before)))


def _longest(logical: Any) -> Any:
    return Decimal((0, (9,) * logical[1], -logical[2]))


def _same_name(writer: Schema, reader: Schema) -> bool:
    """Whether a reader takes the writer's type for its own: by the name without namespace, or by an alias."""
    names = {name.rpartition(".")[2] for name in (reader["name"], *reader.get("aliases", ()))}
    return writer["name"].rpartition(".")[2] in names


def _told(schema: Schema) -> str:
    """A type in a word or two."""
    logical = logical_of(schema)
    name = f" {schema['name']}" if isinstance(schema, dict) and "name" in schema else ""
    return _logical_told(logical) if logical else f"{kind_of(schema)}{name}"


def _logical_told(logical: Any) -> str:
    if logical is None:
        return "a plain type"
    return f"decimal({logical[1]},{logical[2]})" if logical[0] == "decimal" else str(logical[0])
