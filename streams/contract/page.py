"""All topics, records and fields as one HTML page for people: it opens offline and loads nothing."""

from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

import schemas
from streams.contract.avro import Types, fields
from streams.contract.comparison import told
from streams.contract.lock import is_released
from streams.contract.meaning import meaning_of, words_of
from streams.contract.readers import readers


class Row(NamedTuple):
    """One field as the page shows it."""

    name: str
    kind: str
    unit: str
    sign: str
    words: str
    readers: str


class Section(NamedTuple):
    """One topic with its record."""

    topic: schemas.TopicSpec
    doc: str
    version: str
    rows: list[Row]


def page() -> str:
    """The page, the same for the same schemas."""
    environment = Environment(loader=PackageLoader("streams.contract", "."), autoescape=True, undefined=StrictUndefined)
    sections = [_section(spec) for spec in schemas.catalogue().values()]
    return environment.get_template("page.html.j2").render(sections=sections)


def _section(spec: schemas.TopicSpec) -> Section:
    schema = schemas.schema(spec.record)
    newest = len(schemas.released(spec.record))
    version = f"version {newest}" if is_released(spec.record) else f"version {newest} and changed since"
    return Section(spec, schema["doc"], version, [_row(spec.record, path, field) for path, field in fields(Types.of(schema))])


def _row(record: str, path: str, field: dict[str, Any]) -> Row:
    name, doc = path.partition(".")[2], field["doc"]
    meaning = meaning_of(doc)
    who = [reader.name for reader in readers() if name in reader.reads.get(record, ()) and not reader.name.startswith("table ")]
    unit, sign = (meaning.unit, meaning.sign) if meaning else ("", "")
    return Row(name, told(field["type"]), unit, sign, words_of(doc), ", ".join(who))
