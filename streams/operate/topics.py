"""
A session's topics on a log: created by the catalogue, listed, deleted.

A topic belongs to a session when its name is `<session>.<topic of the catalogue>`; everything else on the log (Connect's own
topics, the registry's) is nobody's session and is never touched.
"""

import schemas
from streams.log.interface import Log


def topic_name(session: str, topic: str) -> str:
    """The full name on the log."""
    return f"{session}.{topic}"


def create_session(log: Log, session: str, *, feeds: int, risk: int) -> None:
    """
    All topics of `session` exist when this returns, with `feeds` feed partitions and `risk` risk tasks (each ≥ 1).

    A session that exists keeps its records. Raises: LogError where it exists with other counts, which are fixed for a session.
    """
    specs = schemas.catalogue()
    log.create(
        {topic_name(session, name): schemas.partitions_of(name, feeds=feeds, risk=risk) for name in specs},
        {topic_name(session, name): spec.config for name, spec in specs.items()},
    )


def delete_session(log: Log, session: str) -> list[str]:
    """The topics of `session` that were there and are no more."""
    found = sorted(set(log.topics()) & {topic_name(session, name) for name in schemas.catalogue()})
    if found:
        log.delete(found)
    return found


def missing(log: Log, session: str) -> list[str]:
    """The topics that a session should have and has not."""
    return sorted({topic_name(session, name) for name in schemas.catalogue()} - set(log.topics()))


def sessions(log: Log) -> list[str]:
    """The sessions on a log, sorted by name; also one whose creation or deletion was cut short."""
    catalogue = schemas.catalogue()
    split = (name.rpartition(".") for name in log.topics())
    return sorted({session for session, _, topic in split if session and topic in catalogue})
