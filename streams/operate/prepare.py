"""Makes a running stack ready for sessions: tables migrated, schemas registered, the sink configured and running."""

from collections.abc import Callable

from streams.log.codec import SchemaIds
from streams.operate.migrate import migrate
from streams.operate.registry import register
from streams.operate.sink import Sink, configuration
from streams.operate.stack.settings import Endpoints

# A Connect that has just started on a busy machine takes its time for the first task.
SINK_SECONDS_MAX = 120.0


def prepare(endpoints: Endpoints, report: Callable[[str], None]) -> SchemaIds:
    """
    Idempotent; a second time takes about a second.

    Raises: DatabaseError, RegistryDown, SchemaRefused, ConnectDown, SinkRefused.
    """
    applied = migrate(endpoints.postgres_dsn)
    if applied:
        report(f"migrated the database: {', '.join(applied)}")
    ids = register(endpoints.ccompat_url)
    config = configuration(
        jdbc_url=endpoints.jdbc_url, user=endpoints.postgres_user, secrets_folder=str(endpoints.secrets_folder)
    )
    Sink(endpoints.connect_url).apply(config, SINK_SECONDS_MAX)
    return ids
