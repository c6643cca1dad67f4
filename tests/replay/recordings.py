"""Recorded sessions that questions are put to: made once for a run of the tests, read by all of them."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TypeVar

from streams.domain.records import Record
from streams.log.archive import export
from streams.log.codec import SchemaIds
from streams.operate import sessions
from streams.operate.runtime import STAGES
from streams.replay.recorded.recorded import Recorded
from streams.replay.summary import records_of
from tests.replay.test_backtest import CODEC, DRILL, Live, make_settings, play

Kind = TypeVar("Kind", bound=Record)


@cache
def drilled() -> Live:
    """Two accounts on two risk tasks, three symbols on two partitions, five commands, snapshots every 20 s; 40 s of market."""
    return play(make_settings(partitions=2, risk_tasks=2), 1, DRILL)


@cache
def calm() -> Live:
    """The same market on one partition and one risk task, without commands."""
    return play(make_settings(), 5, ())


@cache
def refused() -> Live:
    """The calm market with room for one position and a half."""
    settings = make_settings()
    limits = {
        "max_total_exposure_pct": Decimal("0.15"), "stop_loss_pct": Decimal("0.02"), "take_profit_pct": None,
        "allocation_warmup": Decimal(1), "stop_out_cooldown_sec": 0, "max_correlated_exposure_pct": Decimal(1),
        "max_strategy_exposure_pct": Decimal(1),
    }  # fmt: skip
    return play(settings.model_copy(update={"risk": settings.risk.model_copy(update=limits)}), 8, ())


def recorded(live: Live) -> Recorded:
    return Recorded.of(live.log, CODEC, live.settings, STAGES)


def found(live: Live, topic: str, kind: type[Kind]) -> list[Kind]:
    """All records of a topic in the order of time."""
    records = sorted(records_of(live.log, live.layout, CODEC, topic), key=lambda record: record.time)
    return [record for record in records if isinstance(record, kind)]


def archived(live: Live, folder: Path) -> list[str]:
    """The session as an archive, and the options that name it."""
    sessions.create(live.log, CODEC, live.settings, schema_ids=SchemaIds.offline(), code_version="test", time=1)
    export(live.log, folder, list(live.log.topics()))
    return ["--session", live.settings.session, "--archive", str(folder)]


