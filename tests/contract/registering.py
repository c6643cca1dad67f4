"""Schemas that are not released, in the registry under subjects of their own, where no subject of ours notices them."""

import json
from typing import Any

import httpx

from streams.log.codec import SchemaIds


def register_apart(url: str, name: str, schema: Any) -> int:
    """The id under which producers write this schema; `url` is the base of the Confluent-compatible API."""
    body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
    with httpx.Client(timeout=30, trust_env=False) as client:
        client.put(f"{url}/config/apart.{name}", json={"compatibility": "NONE"}).raise_for_status()
        return int(client.post(f"{url}/subjects/apart.{name}/versions", json=body).raise_for_status().json()["id"])


def header(number: int) -> bytes:
    """The five bytes before a value that was written with schema `number`."""
    return b"\x00" + number.to_bytes(4, "big")


def with_writer(ids: SchemaIds, number: int, record: str, schema: Any) -> SchemaIds:
    """Ids that know one more version of a record."""
    return SchemaIds(ids.ids, {**ids.writers, number: (record, json.dumps(schema))})
