"""
Whether a JSON value has the shape of an Avro schema: names are texts, types are names, lists or objects, and so on.

Asked before anything else looks at a schema, since neither fastavro nor the checks here expect a number where a name belongs. What is
missing altogether fastavro names.
"""

from collections.abc import Iterator
from typing import Any

Fault = tuple[str, str]  # the path of the field, and what is wrong

_TEXTS = ("name", "namespace", "doc", "logicalType", "connect.name", "order")
_NUMBERS = ("precision", "scale", "size")
_LISTS = ("aliases", "symbols")
# Where an attribute belongs.
_OF = {"items": {"array"}, "values": {"map"}, "fields": {"record", "error"}, "symbols": {"enum"}}


def shape_faults(schema: Any, path: str) -> Iterator[Fault]:
    """Everything within a schema that cannot be what it must be; `path` is the name that it goes by."""
    if isinstance(schema, str):
        return
    if isinstance(schema, list):
        if not schema:
            yield path, "a union must have branches, was empty"
        for branch in schema:
            yield from shape_faults(branch, path)
    elif isinstance(schema, dict):
        yield from _attributes(schema, path)
        yield from _inside(schema, path)
    else:
        yield path, f"a type must be a name, a list or an object, was {schema!r}"


def _attributes(node: dict[str, Any], path: str) -> Iterator[Fault]:
    for name in _TEXTS:
        if name in node and not isinstance(node[name], str):
            yield path, f"'{name}' must be a text, was {node[name]!r}"
    for name in _NUMBERS:
        if name in node and (not isinstance(node[name], int) or isinstance(node[name], bool) or node[name] < 0):
            yield path, f"'{name}' must be a number from 0, was {node[name]!r}"
    for name in _LISTS:
        found = node.get(name, ["x"])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found) or (name == "symbols" and not found):
            yield path, f"'{name}' must be a list of names, was {found!r}"


def _inside(node: dict[str, Any], path: str) -> Iterator[Fault]:
    kind = node.get("type")
    for name, kinds in _OF.items():
        if name in node and isinstance(kind, str) and kind not in kinds:
            yield path, f"'{name}' must stand in {' or '.join(sorted(kinds))}, was in {kind}"
    for name in ("type", "items", "values"):
        if name in node:
            yield from shape_faults(node[name], path)
    if kind == "record" and not isinstance(node.get("fields"), list):
        yield path, "'fields' must be a list"
    for field in node["fields"] if isinstance(node.get("fields"), list) else ():
        if not isinstance(field, dict):
            yield path, f"a field must be an object, was {field!r}"
            continue
        own = f"{path}.{field['name']}" if isinstance(field.get("name"), str) else path
        yield from _attributes(field, own)
        if "type" in field:
            yield from shape_faults(field["type"], own)
