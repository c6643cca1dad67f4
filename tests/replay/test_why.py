"""Why something happened, and why an order was refused: chains against every record of a session, and changes against the decision."""

import json
from collections import Counter
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.domain.records import Alert, LedgerEntry, Mark, Order, OrderResult, Position, Purpose, Signal
from streams.errors import ConfigError
from streams.log.interface import Message, Partition
from streams.log.journal import read_range
from streams.replay.questions.chain import Link, why
from streams.replay.questions.decision import Decision
from streams.replay.questions.places import Placed, Places, TakenCommand, TimerCause
from streams.replay.questions.whynot import whynot
from streams.replay.recorded.search import first_offset
from streams.replay.whatif.settings_changed import changed
from tests.replay.recordings import CODEC, archived, drilled, found, recorded, refused

TOPICS = (
    "market_data", "instruments", "candles", "marks", "signals", "orders", "order_results", "ledger_entries", "positions",
    "portfolio_snapshots", "allocations", "alerts",
)  # fmt: skip


def links(link: Link) -> list[Link]:
    """A link and all that hangs from it."""
    return [link, *(other for one in link.links for other in links(one))]


@pytest.mark.parametrize("topic", TOPICS)
def test_every_record_is_found_where_it_stands_by_its_id_alone(topic: str) -> None:
    live = drilled()
    places = Places(recorded(live))
    count = 0
    for number in range(live.layout.count(topic)):
        place = live.layout.at(topic, number)
        data = [one for one in read_range(live.log, place, 0, live.log.end_offset(place)) if one.value is not None]
        for message in data[:: len(data) // 12 + 1]:
            record = CODEC.decode(message.value or b"")
            assert places.record(record.event_id) == Placed(topic, number, message.offset, record)
            count += 1
    assert count


def test_chain_of_a_fill_goes_from_the_market_to_every_line_of_the_ledger_that_it_made() -> None:
    live = drilled()
    entries = found(live, "ledger_entries", LedgerEntry)
    for result in found(live, "order_results", OrderResult):
        if not result.quantity:
            continue
        chain = why(recorded(live), result.event_id)
        every = links(chain.root)
        [asked] = [one for one in every if one.role == "asked"]
        assert asked.event_id == result.event_id
        made = {one.event_id for one in links(asked)}
        assert {one.event_id for one in entries if one.causation_id == result.event_id} <= made
        assert result.order_id in {one.event_id for one in every}
        assert all(one.role in ("met", "saw") or one.after is None or one.after >= 0 for one in every)
        assert chain.root.event_id == result.correlation_id or isinstance(chain.root.cause, TimerCause | TakenCommand)


def test_entry_is_told_from_its_push_by_its_signal_and_what_the_decision_saw() -> None:
    live = drilled()
    order = next(one for one in found(live, "orders", Order) if one.approved and one.purpose is Purpose.ENTRY)
    chain = why(recorded(live), order.event_id)
    spine = [chain.root]
    while spine[-1].role == "cause":
        spine.append(next(one for one in spine[-1].links if one.role in ("cause", "asked")))
    assert [one.cause.topic for one in spine if isinstance(one.cause, Placed)] == ["market_data", "signals", "orders"]
    [saw] = [one for one in spine[-1].links if one.role == "saw"]
    assert isinstance(saw.cause, Placed) and isinstance(saw.cause.record, Mark) and saw.cause.record.mark == order.decision_mark
    fill = next(one for one in spine[-1].links if one.role == "effect")
    assert fill.after == 100_000
    assert any(one.role == "met" for one in fill.links)


def test_position_is_told_with_the_fill_that_made_it_and_its_ledger() -> None:
    live = drilled()
    position = found(live, "positions", Position)[3]
    every = links(why(recorded(live), position.event_id).root)
    kinds = Counter(type(one.cause.record).__name__ for one in every if isinstance(one.cause, Placed))
    assert kinds["OrderResult"] == 1 and kinds["Position"] == 1 and kinds["LedgerEntry"] >= 1
    assert [one.event_id for one in every if one.role == "asked"] == [position.event_id]


def test_alert_of_a_command_is_told_from_the_operators_word() -> None:
    live = drilled()
    alert = next(one for one in found(live, "alerts", Alert) if "/command/" in one.causation_id)
    root = why(recorded(live), alert.event_id).root
    assert isinstance(root.cause, TakenCommand) and root.cause.time == alert.time
    assert root.cause.placed.topic == "commands"


@pytest.mark.parametrize(
    "event_id",
    ["live/orders/1", "drill/feed/simulated/BTCUSDT/99999999", "drill/risk/signals/feed/simulated/BTCUSDT/3/alpha/0/alpha/0", "drill/x", "",
     "drill/feed/simulated/NOPE/1", "drill/timer/day/*/1700000000000000", "drill/command/none"],
)  # fmt: skip
def test_id_of_nothing_is_refused(event_id: str) -> None:
    with pytest.raises(ConfigError, match="^ID must"):
        why(recorded(drilled()), event_id)


class LongPartition:
    """A partition of a million messages that are made when they are read; counts the looks."""

    messages = 1_000_000

    def __init__(self, alike: int = 1) -> None:
        self.looks = 0
        self.alike = alike

    def start_offset(self, partition: Partition) -> int:
        return 0

    def end_offset(self, partition: Partition) -> int:
        return self.messages

    def reader(self, positions: dict[Partition, int]) -> "LongPartition":
        self.looks += 1
        [self.at] = positions.values()
        return self

    def poll(self, count: int, timeout: float) -> list[Message]:
        # Quiet for the first half, then busy: a steady rate is a bad guess.
        start, self.at = self.at, min(self.at + count, self.messages)
        return [Message("t", 0, at, None, b"", (), self.time(at)) for at in range(start, self.at)]

    def time(self, offset: int) -> int:
        offset -= offset % self.alike
        return offset * 1000 if offset < 500_000 else 500_000_000 + (offset - 500_000) * 10

    def position(self, partition: Partition) -> int:
        return self.at

    def close(self) -> None: ...


def test_a_moment_in_a_million_records_is_found_by_a_few_looks() -> None:
    for wanted in (0, 77_777, 499_000, 500_001, 777_777, 999_999):
        log = LongPartition()
        assert first_offset(log, Partition("t", 0), log.time(wanted)) == wanted  # type: ignore[arg-type]
        assert log.looks <= 14


def test_of_many_records_of_one_moment_the_first_is_found() -> None:
    for wanted in (0, 70_000, 700_000, 999_600):
        log = LongPartition(alike=700)
        assert first_offset(log, Partition("t", 0), log.time(wanted)) == wanted // 700 * 700  # type: ignore[arg-type]


def refusals(code: str) -> list[Order]:
    return [one for one in found(refused(), "orders", Order) if one.rejection_code == code]


def failed(order: Order) -> list[str]:
    """The codes of the checks that failed."""
    return [one["code"] for one in json.loads(order.checks) if not one["passed"]]


def test_smallest_change_is_the_measured_value_and_a_step_less_refuses() -> None:
    """By hand: with the smallest order the exposure would be `measured`, so the limit must be that, to the next millionth."""
    order = refusals("TOTAL_EXPOSURE")[0]
    answer = whynot(recorded(refused()), order.event_id)
    [change] = [one for one in answer.alone if one.setting == "risk.max_total_exposure_pct"]
    assert order.measured is not None
    assert Decimal(change.to) == order.measured.quantize(Decimal("0.000001"), ROUND_CEILING) and change.was == "0.15"
    decision = Decision(recorded(refused()), Places(recorded(refused())).record(order.event_id))
    for to, approved in ((change.to, True), (str(Decimal(change.to) - Decimal("0.000001")), False)):
        again = decision.under(changed(refused().settings, {change.setting: to}))
        assert again is not None and again.approved is approved
    assert answer.decided is not None and answer.decided.approved and answer.decided.quantity > 0
    assert failed(order) == ["TOTAL_EXPOSURE", "BELOW_MINIMUM"]


def test_every_change_that_is_named_lets_the_order_pass() -> None:
    live = refused()
    for code in sorted({one.rejection_code or "" for one in found(live, "orders", Order) if not one.approved}):
        order = refusals(code)[-1]
        answer = whynot(recorded(live), order.event_id)
        decision = Decision(recorded(live), Places(recorded(live)).record(order.event_id))
        for change in answer.alone:
            again = decision.under(changed(live.settings, {change.setting: change.to}))
            assert again is not None and again.approved, f"{code}: {change}"
        if answer.together:
            again = decision.under(changed(live.settings, {one.setting: one.to for one in answer.together}))
            assert again is not None and again.approved and len(answer.together) > 1
        assert bool(answer.decided) is bool(answer.alone or answer.together)


def test_short_beyond_a_limit_passes_with_the_accounts_switch_and_the_limit_together() -> None:
    order = next(one for one in refusals("SHORTS_NOT_ALLOWED") if "TOTAL_EXPOSURE" in failed(one))
    answer = whynot(recorded(refused()), order.event_id)
    assert not answer.alone
    assert [one.setting for one in answer.together] == [f"accounts.{order.account}.shorts_allowed", "risk.max_total_exposure_pct"]
    assert answer.decided is not None and answer.decided.approved


def test_nothing_helps_an_entry_into_what_is_held_already() -> None:
    held = whynot(recorded(refused()), refusals("POSITION_ALREADY_OPEN")[0].event_id)
    assert (held.alone, held.together, held.decided) == ([], [], None)


def test_whynot_of_what_was_not_refused_is_refused() -> None:
    approved = next(one for one in found(refused(), "orders", Order) if one.approved)
    for event_id, word in ((approved.event_id, "approved order"), (found(refused(), "signals", Signal)[0].event_id, "Signal")):
        with pytest.raises(ConfigError, match=f"ID must be that of a refused order, was that of an {word}"):
            whynot(recorded(refused()), event_id)


def test_answers_are_drawn_and_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # An id says its session itself.
    options = archived(refused(), tmp_path / "archive")[2:]
    result = found(refused(), "order_results", OrderResult)[0]
    order = refusals("TOTAL_EXPOSURE")[0]
    assert run(["replay", "why", result.event_id, *options], {}) == 0
    assert "ledger" in capsys.readouterr().out
    assert run(["replay", "why", result.event_id, *options, "--json"], {}) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["chain"]["links"]
    assert run(["replay", "whynot", order.event_id, *options], {}) == 0
    assert "proven" in capsys.readouterr().out
    assert run(["replay", "whynot", order.event_id, *options, "--json"], {}) == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["setting"].startswith("risk.")
    assert run(["replay", "whynot", "drill/nothing", *options], {}) == 2
