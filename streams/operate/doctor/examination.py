"""The whole examination in its order, and the quick one before a start. Bounded in time: every question has its own limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from streams.errors import ConfigError, StackError
from streams.operate.connection import OFFLINE, Connection
from streams.operate.doctor import machine, services
from streams.operate.doctor.clock import kernel_finding
from streams.operate.findings import Finding, Level, failures
from streams.operate.runtime import open_log
from streams.operate.settings_check import check_settings
from streams.operate.stack import PART_NAMES, Stack

KAFKA_SECONDS_MAX = 6.0
SETTINGS_CHECKS = frozenset({"setting", "secret"})


class Patient(NamedTuple):
    """
    What is examined. `stack`: the local one, None where broker and database are others'; `connect_url`, `dsn`: None where nothing was said
    about them; `sessions`: those that must be there.
    """

    connection: Connection
    stack: Stack | None
    connect_url: str | None
    dsn: str | None
    sessions: tuple[str, ...] = ()


def patient_of(connection: Connection, stack: Stack, sessions: tuple[str, ...], *, is_local: bool) -> Patient:
    """
    Where everything is: of the local stack as its settings say, else as the connection says.

    Raises: ConfigError where the connection holds an address that is none.
    """
    if not is_local:
        return Patient(connection, None, connection.connect, connection.postgres_dsn(), sessions)
    try:
        endpoints = stack.endpoints()
    except StackError:
        # Never up yet: the processes' findings say so.
        return Patient(connection, stack, None, None, sessions)
    return Patient(connection, stack, endpoints.connect_url, endpoints.postgres_dsn, sessions)


def examine(patient: Patient, environment: Mapping[str, str]) -> list[Finding]:
    """Every finding, in the order in which one would mend them; parts are asked side by side."""
    connection = patient.connection
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(list, found) for found in (
            _machine(patient), _broker(patient),
            services.registry_findings(connection.registry) if connection.registry != OFFLINE else iter(()),
            _connect(patient), _database(patient),
            map(services.health_finding, filter(None, connection.health.split(","))),
        )]  # fmt: skip
        parts = [one.result() for one in asked]
    settings = [one for one in check_settings(environment) if one.level is not Level.OK] or [
        Finding("settings", "environment", Level.OK, "every setting keeps its rule: cdb env check shows them")
    ]
    return [*settings, *(finding for part in parts for finding in part)]


def _machine(patient: Patient) -> Iterator[Finding]:
    if patient.stack is not None:
        yield from machine.process_findings(patient.stack)
        yield from machine.port_findings(patient.stack.with_needs(PART_NAMES))
        yield machine.disk_finding(patient.stack.settings.data_folder, patient.stack.settings.free_bytes_min)
    yield from machine.container_findings()
    yield machine.disk_finding(patient.connection.backups, 0)
    yield kernel_finding()


def _broker(patient: Patient) -> Iterator[Finding]:
    connection = patient.connection.model_copy(update={"timeout_seconds": KAFKA_SECONDS_MAX})
    with open_log(connection, client_id="cdb-doctor") as log:
        yield from services.broker_findings(log, list(patient.sessions))


def _connect(patient: Patient) -> Iterator[Finding]:
    if patient.connect_url is not None:
        yield services.connect_finding(patient.connect_url)


def _database(patient: Patient) -> Iterator[Finding]:
    if patient.dsn is not None:
        yield from services.database_findings(patient.dsn)


def before_start(stack: Stack, environment: Mapping[str, str], parts: Iterable[str] = PART_NAMES) -> list[Finding]:
    """
    The quick look before `parts` of the local stack start: settings and secrets, and of what does not run yet programs, ports and disk. No
    part is asked anything. Raises: ConfigError for a part that is none.
    """
    waiting = [part for part in stack.with_needs(parts) if part.running() is None]
    settings = stack.settings
    room = [machine.disk_finding(settings.data_folder, settings.free_bytes_min)] if waiting else []
    return [*check_settings(environment), *machine.program_findings(waiting), *machine.port_findings(waiting), *room]


def must_be_able_to_start(stack: Stack, environment: Mapping[str, str], parts: Iterable[str] = PART_NAMES) -> None:
    """Raises: ConfigError where a setting or secret forbids a start, else StackError where the machine does; one line for each cause."""
    found = before_start(stack, environment, parts)
    if lines := failures(one for one in found if one.check in SETTINGS_CHECKS):
        raise ConfigError("\n".join(["NO-GO, nothing was started (cdb env check shows every setting):", *lines]))
    if lines := failures(found):
        raise StackError("\n".join(["NO-GO, nothing was started (cdb doctor looks at everything):", *lines]))
