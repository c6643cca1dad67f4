"""The state at any moment: through snapshots the same as from the beginning, and what the session's own records say."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.domain.records import CommandKind, OrderResult, PortfolioSnapshot
from streams.errors import ConfigError, LogError, ReplayMismatch
from streams.log.interface import Partition
from streams.log.memory import MemoryLog
from streams.replay.questions.moments import moment_of, span_of
from streams.replay.questions.state import state_at
from streams.replay.recorded.rerun import Rerun
from streams.replay.recorded.search import first_offset, time_of
from tests.replay.recordings import archived, calm, drilled, found, recorded
from tests.replay.test_backtest import Live, make_settings, play


def moments(live: Live) -> list[int]:
    """Times of decisions and the microseconds beside them, of snapshots, and a few where nothing happens."""
    span = span_of(recorded(live))
    results = found(live, "order_results", OrderResult)
    chosen = {results[len(results) * share // 7].time + away for share in range(7) for away in (-1, 0, 1)}
    even = {span.start + (span.end - span.start) * share // 9 for share in range(10)}
    cuts = {20_000_000 * (span.start // 20_000_000 + count) + away for count in (1, 2) for away in (-2, -1, 0)}
    return sorted(time for time in chosen | even | cuts if span.start <= time <= span.end)


@pytest.mark.parametrize("live", [calm, drilled])
def test_snapshot_and_what_follows_give_the_state_of_a_full_replay_at_any_moment(live: object) -> None:
    session = live()  # type: ignore[operator]
    asked = recorded(session)
    last = span_of(asked).end
    from_snapshot = 0
    for stage, number in asked.tasks():
        whole = Rerun(asked, stage, number, start=None, end=last)
        for time in moments(session):
            part = Rerun(asked, asked.stage(stage.name, number), number, start=time, end=time).reached(time)
            whole.reached(time)
            assert stage.encode(part.task.state) == stage.encode(whole.task.state), f"{stage.name} {number} at {time}"
            left, right = part.task.standing(), whole.task.standing()
            assert (left.outputs_count, left.outputs_digest) == (right.outputs_count, right.outputs_digest)
            from_snapshot += part.events < whole.events
    assert from_snapshot > 10


def test_state_agrees_with_every_portfolio_that_the_session_stated() -> None:
    live = drilled()
    stated = found(live, "portfolio_snapshots", PortfolioSnapshot)
    for one in stated[:: len(stated) // 6]:
        newest = [other for other in stated if other.account == one.account and other.time == one.time][-1]
        [held] = [each for each in state_at(recorded(live), one.time).accounts if each.account == one.account]
        assert (held.equity, held.cash, held.fees, held.exposure, held.risk_mode) == (
            newest.equity, newest.cash, newest.fees, newest.exposure, newest.risk_mode,
        )  # fmt: skip


def test_order_is_on_its_way_from_its_decision_to_its_result() -> None:
    live = calm()
    result = next(one for one in found(live, "order_results", OrderResult) if one.terminal)
    for time, waiting in ((result.time - 100_001, False), (result.time - 100_000, True), (result.time - 1, True), (result.time, False)):
        assert (result.order_id in {one.order_id for one in state_at(recorded(live), time).pending}) is waiting, time


def test_moments_are_named_by_time_seconds_or_offset() -> None:
    asked = recorded(calm())
    span = span_of(asked)
    assert moment_of("start", asked, span, name="AT") == span.start
    assert moment_of("+1.5", asked, span, name="AT") == span.start + 1_500_000
    assert moment_of("2023-11-14 22:13:21", asked, span, name="AT") == 1_700_000_001_000_000
    result = found(calm(), "order_results", OrderResult)[0]
    assert moment_of("order_results@0", asked, span, name="AT") == result.time


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("monday", "AT must be a UTC time"), ("2020-01-01", "AT must be 2023-11-14 22:13:2.* was 2020-01-01"),
        ("+9999", "what session drill holds, was"), ("gossip@3", "AT must name a topic of the session .*orders.*, was gossip"),
        ("orders/7@3", "AT must name a partition 0..0 of orders, was 7"), ("orders@99999", r"AT must name an offset 0\.\.\d+ of orders/0"),
    ],
)  # fmt: skip
def test_moment_that_is_none_is_refused_with_what_would_be(text: str, words: str) -> None:
    asked = recorded(calm())
    with pytest.raises(ConfigError, match=words):
        moment_of(text, asked, span_of(asked), name="AT")


def test_what_is_searched_for_is_found_wherever_it_stands() -> None:
    live = calm()
    place = live.layout.at("market_data", 0)
    messages = live.log.shelf(place).messages
    data = [message for message in messages if message.value is not None]
    for message in data[:: len(data) // 50]:
        for wanted in (message.time, message.time + 1):
            expected = next((other.offset for other in data if other.time >= wanted), live.log.end_offset(place))
            assert first_offset(live.log, place, wanted) == expected
    assert first_offset(live.log, place, 0, time_of) == data[0].offset
    assert first_offset(live.log, place, 1 << 62) == live.log.end_offset(place)


def test_altered_snapshot_shows_no_state() -> None:
    live = play(make_settings(), 6, ())
    place = live.layout.snapshots("risk", 0)
    alter(live.log, place, -1)
    with pytest.raises(ReplayMismatch, match=rf"{place.topic}/{place.number} offset \d+: the state must have the digest"):
        state_at(recorded(live), span_of(recorded(live)).end)


def test_state_of_a_session_that_this_program_decides_differently_is_not_shown() -> None:
    live = calm()
    risk = live.settings.risk.model_copy(update={"max_position_pct": Decimal("0.05")})
    other = recorded(live)._replace(settings=live.settings.model_copy(update={"risk": risk}))
    with pytest.raises(ReplayMismatch, match=r"outputs of risk task 0 the digest must be \w+, was \w+: this program decides differently"):
        state_at(other, span_of(other).start + 19_000_000)


def test_moment_before_what_the_log_still_holds_is_refused_with_what_is_gone() -> None:
    live = play(make_settings(), 7, ())
    asked = recorded(live)
    shortened = Shortened(live.log, live.layout.at("market_data", 0), 900)
    with pytest.raises(LogError, match=r"drill.market_data/0 must hold offset \d+ and what follows for this moment, begins at 900: what"):
        state_at(asked._replace(log=shortened), span_of(asked).start + 1_000_000)  # type: ignore[arg-type]
    assert state_at(asked._replace(log=shortened), span_of(asked).end).accounts  # type: ignore[arg-type]


class Shortened:
    """A log of which the beginning of one partition is gone."""

    def __init__(self, log: MemoryLog, place: Partition, first: int) -> None:
        self._log, self._place, self._first = log, place, first

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    def start_offset(self, partition: Partition) -> int:
        return self._first if partition == self._place else self._log.start_offset(partition)


def alter(log: MemoryLog, place: Partition, index: int) -> None:
    """Changes one bit near the end of a record."""
    messages = log.shelf(place).messages
    value = bytearray(messages[index].value or b"")
    value[-20] ^= 1
    messages[index] = messages[index]._replace(value=bytes(value))


def test_question_is_answered_of_the_log_as_it_stood_when_it_was_asked() -> None:
    live = play(make_settings(), 9, ())
    asked = recorded(live)
    place = live.layout.at("commands", 0)
    before = asked.log.end_offset(place)
    live.command(CommandKind.HALT, "late")
    assert asked.log.end_offset(place) == before < recorded(live).log.end_offset(place)


def test_replay_can_write_nothing() -> None:
    log = recorded(calm()).log
    before = {p: calm().log.end_offset(p) for p in (calm().layout.at("orders", 0), calm().layout.journal("risk", 0))}
    for attempt in (
        lambda: log.writer("drill-risk-0"), lambda: log.create({"drill.more": 1}), lambda: log.delete(["drill.orders"]),
        lambda: log.member("drill-risk", "drill.commands", on_assigned=lambda _: None, on_revoked=lambda *_: None),
    ):  # fmt: skip
        with pytest.raises(LogError, match="replay only reads"):
            attempt()
    assert {p: calm().log.end_offset(p) for p in before} == before


def test_state_is_shown_as_tables_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = archived(drilled(), tmp_path / "archive")
    assert run(["replay", "state", *options, "--at", "+20"], {}) == 0
    shown = capsys.readouterr().out
    assert "accounts" in shown and "limits" in shown and "markets" in shown
    assert run(["replay", "state", *options, "--at", "+20", "--json"], {}) == 0
    document = json.loads(capsys.readouterr().out)
    assert {one["account"] for one in document["accounts"]} == {"alpha", "beta"}
    assert {one["symbol"] for one in document["markets"]} == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    assert run(["replay", "state", *options, "--at", "+2000"], {}) == 2
    assert run(["replay", "state", "--session", "nobody", "--archive", str(tmp_path / "archive")], {}) == 2
