"""
What the container `cdb_prepare` does once, before feed and stages start: tables, schemas, sink, and the session's topics and manifest.

A session that is there goes on as it was made; its settings count only when it is made. Addresses are those of
docker-compose.kafka.yml; chosen are SESSION, SEED and STRATEGIES (a file of deploy/strategies).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from streams.errors import ConfigError, StreamsError
from streams.operate import sessions
from streams.operate.connection import Connection
from streams.operate.plan import STRATEGIES_FOLDER, Ask, settings_of
from streams.operate.prepare import prepare
from streams.operate.runtime import open_runtime
from streams.operate.stack import Endpoints

SECRETS = Path("/run/secrets")
ATTEMPTS_MAX, ATTEMPT_SECONDS = 5, 3.0


def endpoints() -> Endpoints:
    """The services of the compose file, as its containers reach them; in URLs by their names without underscore, for Java."""
    return Endpoints(
        bootstrap="cdb_kafka:9092",
        registry_url="http://cdb-registry:8080",
        registry_health_url="http://cdb-registry:9000/health/ready",
        connect_url="http://cdb-connect:8083",
        postgres_host="cdb-postgres",
        postgres_port=5432,
        postgres_database="claire_de_binare",
        postgres_user="claire",
        postgres_password=SecretStr((SECRETS / "postgres_password").read_text().strip()),
        secrets_folder=SECRETS,
    )


def ask(environment: Mapping[str, str]) -> Ask:
    """The session that the environment asks for, a simulated market that begins now. Raises: ConfigError for a SEED that is no number."""
    seed = environment.get("SEED") or "1"
    if not seed.isdecimal():
        raise ConfigError(f"SEED must be a whole number, was {seed}")
    chosen = environment.get("STRATEGIES")
    return Ask(
        session=environment.get("SESSION") or "live", seed=int(seed), start_time=time.time_ns() // 1000,
        strategies=STRATEGIES_FOLDER / chosen if chosen else None,
    )  # fmt: skip


def main() -> int:
    """The exit code: 0 when everything is there."""
    found, asked = endpoints(), ask(os.environ)
    prepare(found, print)
    connection = Connection(bootstrap=found.bootstrap, registry=found.ccompat_url)
    with open_runtime(connection, client_id="cdb-prepare") as runtime:
        present = {each.name for each in sessions.listing(runtime.log, runtime.codec) if each.manifest is not None}
        if asked.session in present:
            print(f"session {asked.session} is there and goes on")
            return 0
        sessions.create(
            runtime.log, runtime.codec, settings_of(asked), schema_ids=runtime.schema_ids, code_version=runtime.code_version,
            time=asked.start_time,
        )  # fmt: skip
        print(f"session {asked.session} is made")
    return 0


def insist() -> int:
    """The exit code of `main`, which is tried again where a part that has only just come up was too slow to answer."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return main()
        except StreamsError as fault:
            print(f"cdb_prepare: {fault}", file=sys.stderr, flush=True)
            if not fault.retriable or attempt == ATTEMPTS_MAX:
                return fault.exit_code
            time.sleep(ATTEMPT_SECONDS)
    raise AssertionError("the last attempt returns")


if __name__ == "__main__":
    sys.exit(insist())
