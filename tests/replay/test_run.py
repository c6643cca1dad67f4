"""A session played again: the same records in the order of time, stopped where a condition becomes true, led by a person's keys."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from streams.cli.__main__ import run
from streams.cli.replay_run import Desk
from streams.domain.records import Alert, Order, OrderResult, PortfolioSnapshot, Position, Side
from streams.errors import ConfigError
from streams.replay.questions.expression import _CODES, Condition, Scene, subjects_of
from streams.replay.questions.moments import span_of
from streams.replay.questions.player import Happening, Player, Shown
from tests.replay.recordings import archived, calm, drilled, found, recorded, refused


def rejected() -> Order:
    return next(one for one in found(refused(), "orders", Order) if one.rejection_code == "TOTAL_EXPOSURE")


def portfolio() -> PortfolioSnapshot:
    return found(calm(), "portfolio_snapshots", PortfolioSnapshot)[-1]


def holds(text: str) -> bool:
    """Asked about a rejected order of the account whose portfolio is stated."""
    return Condition(text).holds(Scene(subjects_of(rejected()), portfolio()))


@pytest.mark.parametrize(
    "text",
    [
        "reject.code == EXPOSURE", "reject.code == TOTAL_EXPOSURE", "EXPOSURE == reject.code", "reject.code in (MARGIN, EXPOSURE)",
        "reject.code != KILL_SWITCH", "not reject.code == MARGIN", "reject.measured > reject.limit", "order.side == BUY",
        "order.approved == False and reject.code == EXPOSURE", "equity > 90_000 and drawdown < 0.5", "0 <= drawdown < 0.5",
        "abs(-equity) == equity", "equity - cash == exposure or equity > 1", "reject.symbol not in ('A', 'B')",
        "fill.price > 1 or equity > 1",
        "risk_mode == RUNNING", "reject.limit == 0.15", "reject.limit * 2 == 0.30", "equity / 2 < equity", "not order.approved",
    ],
)  # fmt: skip
def test_condition_that_is_true(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "reject.code == MARGIN", "fill.price > 0", "not fill.price > 0", "fill.price > 0 and equity > 1", "drawdown > 0.5",
        "equity / 0 > 1", "order.approved", "alert.code == DATA_STALE", "order.stop_price > 0", "order.stop_price < 0",
        "risk_mode != RUNNING",
    ],
)  # fmt: skip
def test_condition_that_is_not_or_that_asks_for_what_is_not_there(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("reject.code == EXPOSURES", "it is never EXPOSURES; did you mean .*EXPOSURE"),
        ("reject.cod == MARGIN", "did you mean reject.code"),
        ("gossip.code == X", "subjects are alert, allocation"), ("drawdwn > 0.05", "drawdwn: names are .*drawdown"),
        ("drawdown", "must be true or false, was a number"), ("drawdown > 'a'", "a number cannot be compared with a text"),
        ("drawdown >", "must be a condition like"), ("__import__('os')", "comparisons, and, or, not"), ("order.checks.x > 1", "names are"),
        ("(lambda: 1)() > 0", "comparisons, and"), ("mark.depth > 1", "mark has"), ("order.side > BUY", "a text is compared by == or !="),
        ("order.side == LONG", "it is never LONG"), ("drawdown in 5", "in is followed by a list"), ("equity == equty", "equty: names are"),
        ("drawdown > 0x10", "written in decimals"), ("drawdown ** 9 > 1", "comparisons, and"), ("drawdown is 1", "comparisons are"),
        ("equity and drawdown > 1", "a truth must stand here"), ("not main", "main: names are"),
        ("1 < 2 " * 100, "at most 500 characters"), ("", "must be a condition like"), ("drawdown > 1j", "names are"),
    ],
)  # fmt: skip
def test_condition_that_is_none_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Condition(text)


def test_every_check_can_be_named_for_its_codes() -> None:
    orders = found(calm(), "orders", Order) + found(refused(), "orders", Order)
    checks = {one["check"].upper() for order in orders for one in json.loads(order.checks)}
    assert len(checks) > 10 and checks <= _CODES


def test_playing_gives_every_record_once_in_the_order_of_time() -> None:
    live = drilled()
    span = span_of(recorded(live))
    played = [one for one, _ in Player(recorded(live), span.start, span.end).play()]
    times = [one.time for one in played]
    assert times == sorted(times)
    shown = [record.event_id for one in played for topic, record in one.records if topic == "orders"]
    assert sorted(shown) == sorted(one.event_id for one in found(live, "orders", Order)) and shown
    assert all(record.time == one.time for one in played for _, record in one.records)


def test_playing_a_part_gives_what_happened_in_it_first_and_last_moment_included() -> None:
    live = calm()
    results = found(live, "order_results", OrderResult)
    start, end = results[2].time, results[-2].time
    played = Player(recorded(live), start, end).play()
    shown = {record.event_id for one, _ in played for topic, record in one.records if topic == "positions"}
    assert shown == {one.event_id for one in found(live, "positions", Position) if start <= one.time <= end}


def stops(live: object, text: str) -> list[tuple[int, str]]:
    session = live()  # type: ignore[operator]
    span = span_of(recorded(session))
    return [(one.time, words) for one, words in Player(recorded(session), span.start, span.end, Condition(text)).play() if words]


def test_condition_on_records_stops_at_each_of_them() -> None:
    expected = [one.event_id for one in found(refused(), "orders", Order) if one.rejection_code == "TOTAL_EXPOSURE"]
    assert ", ".join(words for _, words in stops(refused, "reject.code == EXPOSURE")).split(", ") == expected
    fills = [one.event_id for one in found(calm(), "order_results", OrderResult) if one.quantity and one.side is Side.BUY]
    assert sorted(", ".join(words for _, words in stops(calm, "fill.side == BUY")).split(", ")) == sorted(fills)


def test_condition_on_an_account_stops_where_it_becomes_true() -> None:
    stated = found(calm(), "portfolio_snapshots", PortfolioSnapshot)
    limit = max(one.drawdown for one in stated) / 2
    [(first, _), *_] = hits = stops(calm, f"drawdown > {limit}")
    assert first <= next(one.time for one in stated if one.drawdown > limit)
    assert not [one for one in stated if one.time < first and one.drawdown > limit]
    assert 1 <= len(hits) <= 12
    of_alpha = [time for time, words in hits if "account alpha" in words]
    assert stops(calm, f"drawdown > {limit} and account == alpha or equity < 0") == [(time, "account alpha") for time in of_alpha]


class Script:
    """Keys pressed at given moments of a clock that only waiting moves."""

    pressed_by_hand = True

    def __init__(self, *keys: tuple[float, str]) -> None:
        self.clock = 0.0
        self.keys = list(keys)

    def now(self) -> float:
        return self.clock

    def wait(self, seconds: float) -> str:
        if self.keys and self.keys[0][0] <= self.clock + max(seconds, 0):
            at, key = self.keys.pop(0)
            self.clock = max(self.clock, at)
            return key
        self.clock += max(seconds, 0)
        return ""


def ticks() -> Iterator[tuple[Happening, str]]:
    """An alert each second for ten seconds; the condition is met at the sixth."""
    alert = found(drilled(), "alerts", Alert)[0]
    for second in range(1, 11):
        yield Happening(second * 1_000_000, [Shown("alerts", alert)], 1, {}), "account alpha" if second == 6 else ""


def played(script: Script, speed: int | None = 1) -> tuple[int, float]:
    console = Console(quiet=True)
    desk = Desk(recorded(drilled()), console, console.status(""), script, frozenset({"alerts"}), speed, as_json=False)
    return desk.run(ticks(), 0).time, script.clock


def test_session_plays_in_its_own_timing_or_faster() -> None:
    assert played(Script((100.0, " "))) == (10_000_000, pytest.approx(104, abs=0.5))
    assert played(Script((100.0, " ")), speed=10)[1] == pytest.approx(100.4, abs=0.5)
    assert played(Script((0.55, "+"), (100.0, " ")))[1] == pytest.approx(102, abs=0.6)


def test_space_pauses_and_goes_on_and_q_ends() -> None:
    assert played(Script((2.5, " "), (50.0, " "), (200.0, " "))) == (10_000_000, pytest.approx(204, abs=0.6))
    assert played(Script((3.5, "q"))) == (3_000_000, pytest.approx(3.5, abs=0.1))


def test_step_goes_to_the_next_line_and_waits() -> None:
    time, _ = played(Script((2.5, " "), (10.0, "s"), (20.0, "s"), (30.0, "q")))
    assert time == 4_000_000


def test_run_stops_at_its_condition_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = archived(refused(), tmp_path / "archive")
    assert run(["replay", "run", *options, "--speed", "max", "--until", "reject.code == EXPOSURE"], {}) == 0
    shown = capsys.readouterr().out
    assert "refused TOTAL_EXPOSURE" in shown and rejected().event_id in shown.replace("\n", "")
    assert run(["replay", "run", *options, "--speed", "max", "--until", "drawdown > 0.5"], {}) == 1
    assert "never true" in capsys.readouterr().out
    assert run(["replay", "run", *options, "--speed", "max", "--from", "+5", "--to", "+15", "--show", "signals", "--json"], {}) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines and {one["topic"] for one in lines} == {"signals"}
    for wrong in (["--speed", "0x"], ["--until", "nonsense("], ["--from", "+20", "--to", "+10"], ["--show", "gossip"]):
        assert run(["replay", "run", *options, *wrong], {}) == 2
