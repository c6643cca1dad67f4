"""
What broker, registry, Connect and Postgres say of themselves, each by a question of its own protocol that changes nothing.

A part that cannot be asked is one finding, and what hangs on it is not looked at: the cause is named once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.records import RECORDS
from streams.errors import ConfigError, LogError
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions, topics, web
from streams.operate.doctor.clock import clock_finding, offset_from
from streams.operate.findings import Finding, Level
from streams.operate.migrate import CONNECT_SECONDS_MAX, DatabaseError, pending
from streams.operate.registry import COMPATIBILITY
from streams.operate.sink import ConnectDown, Sink

ANSWER_SECONDS_MAX = 3.0


def broker_findings(log: Log, wanted: list[str]) -> Iterator[Finding]:
    """The broker, and the topics of each session on it; of `wanted` sessions also that they are there."""
    try:
        present = log.topics()
    except LogError as fault:
        yield Finding("kafka", "broker", Level.FAIL, str(fault))
        return
    yield Finding("kafka", "broker", Level.OK, f"{len(present)} topics")
    there = topics.sessions(log)
    for name in sorted({*there, *wanted}):
        if name in there:
            yield _topics_finding(log, name, present, Level.FAIL if name in wanted else Level.WARN)
        else:
            yield Finding("topics", name, Level.FAIL, f"session must be one of {', '.join(there) or 'none yet'}")


def _topics_finding(log: Log, session: str, present: dict[str, int], level: Level) -> Finding:
    """Whether every topic of a session is there with the partitions that its settings ask for. Of a session not asked for, faults warn."""
    try:
        codec: Codec = sessions.codec_of(log, session)
        manifest = sessions.manifest(log, codec, session)
        settings = SessionSettings.model_validate_json(manifest.settings)
    except (ConfigError, LogError, ValueError) as fault:
        return Finding("topics", session, level, str(fault).partition("\n")[0])
    counts = {
        topics.topic_name(session, name): schemas.partitions_of(name, feeds=settings.partitions, risk=settings.risk_tasks)
        for name in schemas.catalogue()
    }
    wrong = [f"{topic} must have {count} partitions, has {present.get(topic, 0)}" for topic, count in counts.items()
             if present.get(topic) != count]  # fmt: skip
    if wrong:
        return Finding("topics", session, level, "; ".join(wrong[:3]))
    return Finding("topics", session, Level.OK, f"{len(counts)} topics, {manifest.status.lower()}")


def registry_findings(url: str) -> Iterator[Finding]:
    """Whether each record's newest released schema is the subject's newest, under full compatibility. `url` as `register` takes it."""
    missing, loose, other = [], [], []
    try:
        subjects = _json(f"{url}/subjects")
        for name in RECORDS:
            subject, newest = schemas.full_name(name), schemas.released(name)[-1]
            if subject not in subjects:
                missing.append(name)
                continue
            versions = _json(f"{url}/subjects/{subject}/versions")
            latest = _json(f"{url}/subjects/{subject}/versions/{max(versions)}")
            if json.loads(latest["schema"]) != json.loads(newest.text):
                other.append(name)
            found = _json(f"{url}/config/{subject}").get("compatibilityLevel")
            if found != COMPATIBILITY:
                loose.append(f"{name} ({found})")
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as fault:
        yield Finding("schemas", "registry", Level.FAIL, f"registry {url} must answer: {type(fault).__name__} {fault}")
        return
    if missing:
        # The first start registers them.
        yield Finding("schemas", "subjects", Level.WARN, f"{len(missing)} of {len(RECORDS)} not registered yet, such as {missing[0]}")
    else:
        yield Finding("schemas", "subjects", Level.OK, f"{len(RECORDS)} registered")
    if other:
        yield Finding("schemas", "versions", Level.FAIL, f"newest version must be ours, is not for {', '.join(other)}: run the newest cdb")
    if loose:
        yield Finding("schemas", "compatibility", Level.FAIL, f"must be {COMPATIBILITY}, is not for {', '.join(loose)}")


def _json(url: str) -> Any:
    answer = web.client().get(url, timeout=ANSWER_SECONDS_MAX)
    answer.raise_for_status()
    return answer.json()


def connect_finding(url: str) -> Finding:
    """Whether the sink and all its tasks run."""
    try:
        status = Sink(url).status()
    except ConnectDown as fault:
        return Finding("connectors", "sink", Level.FAIL, str(fault))
    if status is None:
        return Finding("connectors", "sink", Level.WARN, "not configured yet: the first session does it")
    if status.running:
        return Finding("connectors", "sink", Level.OK, f"running, {len(status.tasks)} task(s)")
    tasks = "; ".join(f"task {one.number} {one.state} {one.trace}".strip() for one in status.tasks)
    return Finding("connectors", "sink", Level.FAIL, f"must run, is {status.state}: {tasks or 'no task'}")


def database_findings(dsn: str) -> Iterator[Finding]:
    """Whether Postgres answers, has every migration and table, and what its clock says."""
    try:
        waiting = pending(dsn)
        with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX) as connection:
            offset = offset_from(connection)
            rows = connection.execute("SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
                                      "WHERE n.nspname = current_schema() AND relkind IN ('r', 'v', 'p')").fetchall()  # fmt: skip
    except (psycopg.Error, DatabaseError, ConfigError) as fault:
        yield Finding("tables", "postgres", Level.FAIL, str(fault).strip().partition("\n")[0])
        return
    yield clock_finding("postgres", offset)
    if waiting:
        yield Finding("tables", "migrations", Level.WARN, f"not applied yet, the next start does it: {', '.join(waiting)}")
        return
    yield Finding("tables", "migrations", Level.OK, "all applied")
    lacking = sorted({spec.table for spec in schemas.catalogue().values() if spec.table} - {name for (name,) in rows})
    yield Finding("tables", "tables", Level.FAIL if lacking else Level.OK, f"missing: {', '.join(lacking)}" if lacking else "all there")


def health_finding(url: str) -> Finding:
    """What a process says of itself on its health page."""
    try:
        answer = web.client().get(url, timeout=ANSWER_SECONDS_MAX)
    except httpx.HTTPError as fault:
        return Finding("health", url, Level.FAIL, f"must answer: {type(fault).__name__} {fault}")
    return Finding("health", url, Level.OK if answer.is_success else Level.FAIL, answer.text.strip()[:200])
