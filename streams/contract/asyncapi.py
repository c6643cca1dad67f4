"""
The topics of a session as an AsyncAPI 3 document: what stands where, under which key, in which Avro schema, who reads it.

Addresses carry the session as a parameter. Payloads are the newest released schemas, whole, as Avro 1.9 multi-format objects; the
binding of each message says how the id stands before the value. What only this project knows stands under `x-` names.
"""

import json
from importlib import metadata
from typing import Any

import schemas
from streams.contract.readers import readers_of

VERSION = "3.0.0"
AVRO = "application/vnd.apache.avro+json;version=1.9.0"


def document() -> dict[str, Any]:
    """The document as JSON objects, the same for the same schemas."""
    specs = schemas.catalogue()
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Claire de Binare", "version": metadata.version("claire-de-binare"),
            "description": "Paper trading on Apache Kafka. Each session has its own topics; schemas are shared by all of them.",
        },
        "defaultContentType": "application/vnd.apache.avro",
        "channels": {name: _channel(spec) for name, spec in specs.items()},
        "operations": {f"read_{name}": _operation(spec) for name, spec in specs.items()},
        "components": {"messages": {spec.record: _message(spec) for spec in specs.values()}},
    }  # fmt: skip


def _channel(spec: schemas.TopicSpec) -> dict[str, Any]:
    config = {
        "cleanup.policy": [spec.cleanup], "retention.ms": spec.retention_ms, "max.message.bytes": spec.message_bytes_max,
    }  # fmt: skip
    return {
        "address": "{session}." + spec.name,
        "title": spec.name,
        "description": spec.doc,
        "parameters": {"session": {"description": "The session's name."}},
        "messages": {spec.record: {"$ref": f"#/components/messages/{spec.record}"}},
        "bindings": {"kafka": {"topicConfiguration": config, "bindingVersion": "0.5.0"}},
        "x-partitions": spec.partitions,
        "x-watermarks": spec.merged,
        **({"x-postgres-table": spec.table} if spec.table else {}),
    }


def _operation(spec: schemas.TopicSpec) -> dict[str, Any]:
    found = readers_of(spec.record)
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{spec.name}"},
        "summary": f"Read by {', '.join(found) if found else 'nobody but replay'}.",
        "messages": [{"$ref": f"#/channels/{spec.name}/messages/{spec.record}"}],
    }


def _message(spec: schemas.TopicSpec) -> dict[str, Any]:
    newest = schemas.released(spec.record)[-1]
    payload = json.loads(newest.text)
    return {
        "name": schemas.full_name(spec.record),
        "title": spec.record,
        "summary": payload["doc"],
        "contentType": "application/vnd.apache.avro",
        "payload": {"schemaFormat": AVRO, "schema": payload},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": spec.key},
                # The Confluent wire format: a zero byte, then the id in four bytes, big-endian.
                "schemaIdLocation": "payload", "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "RecordNameStrategy", "bindingVersion": "0.5.0",
            }
        },
        "x-version": newest.number,
    }  # fmt: skip
