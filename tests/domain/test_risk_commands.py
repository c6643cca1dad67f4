"""What operators may do, and that each command leaves an alert."""

import pytest

from streams.domain.parameters import AccountParameters
from streams.domain.records import Alert, AlertLevel, CommandKind, Order, Purpose, Record, RiskMode, Side
from tests.domain.risk_stories import D, Story, make_settings, only


def said(records: list[Record]) -> tuple[str, str]:
    [alert] = only(Alert, records)
    return alert.code, alert.message


def halted() -> Story:
    story = Story()
    story.mark("100")
    story.command(CommandKind.HALT)
    return story


def test_a_halt_refuses_every_order_until_two_words_resume() -> None:
    story = halted()
    assert story.signal(Side.BUY, "100").rejection_code == "KILL_SWITCH_HALT_ALL"
    assert said(story.command(CommandKind.RESUME_REQUEST))[0] == "COMMAND_TAKEN"
    assert story.signal(Side.BUY, "100").rejection_code == "KILL_SWITCH_HALT_ALL"
    code, message = said(story.command(CommandKind.RESUME_CONFIRM, operator="bob"))
    assert code == "COMMAND_TAKEN" and "asked for by ann" in message
    assert story.signal(Side.BUY, "100").approved


def test_a_halt_says_where_the_switch_stands() -> None:
    story = Story()
    story.mark("100")
    assert said(story.command(CommandKind.HALT)) == ("COMMAND_TAKEN", "HALT by ann: switch HALT_ALL")


def test_the_switch_survives_a_restart() -> None:
    story = halted()
    story.command(CommandKind.RESUME_REQUEST)
    story.state = story.stage.decode(story.stage.encode(story.state))
    assert story.signal(Side.BUY, "100").rejection_code == "KILL_SWITCH_HALT_ALL"
    story.command(CommandKind.RESUME_CONFIRM)
    assert story.signal(Side.BUY, "100").approved


def test_reduce_only_refuses_entries_and_lets_exits_pass() -> None:
    story = Story(symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    story.mark("100", symbol="ETHUSDT")
    story.command(CommandKind.REDUCE_ONLY)
    assert story.signal(Side.BUY, "100", symbol="ETHUSDT").rejection_code == "KILL_SWITCH_REDUCE_ONLY"
    assert story.signal(Side.SELL, "100").approved


def test_a_confirmation_without_a_request_is_refused_and_recorded() -> None:
    assert said(halted().command(CommandKind.RESUME_CONFIRM)) == (
        "COMMAND_REFUSED", "RESUME_CONFIRM by ann: no RESUME_REQUEST came before",
    )


def test_a_request_is_forgotten_after_five_minutes() -> None:
    story = halted()
    story.command(CommandKind.RESUME_REQUEST)
    story.wait("300.1")
    assert said(story.command(CommandKind.RESUME_CONFIRM))[0] == "COMMAND_REFUSED"
    assert story.account().mode is RiskMode.HALT_ALL


@pytest.mark.parametrize("seconds", [1, 301])
def test_a_request_serves_one_confirmation(seconds: int) -> None:
    story = halted()
    story.command(CommandKind.RESUME_REQUEST)
    story.wait(seconds)
    story.command(CommandKind.RESUME_CONFIRM)
    assert said(story.command(CommandKind.RESUME_CONFIRM)) == (
        "COMMAND_REFUSED", "RESUME_CONFIRM by ann: no RESUME_REQUEST came before",
    )


def test_a_new_halt_makes_an_open_request_void() -> None:
    story = halted()
    story.command(CommandKind.RESUME_REQUEST)
    story.command(CommandKind.HALT)
    assert said(story.command(CommandKind.RESUME_CONFIRM))[0] == "COMMAND_REFUSED"


@pytest.mark.parametrize("kind", [CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM, CommandKind.RESET])
def test_what_loosens_needs_a_justification(kind: CommandKind) -> None:
    assert said(halted().command(kind, justification=" "))[1].endswith("justification must not be empty")


def test_a_command_needs_an_operator() -> None:
    assert said(halted().command(CommandKind.REDUCE_ONLY, operator=""))[0] == "COMMAND_REFUSED"


def test_reduce_only_does_not_loosen_a_halt() -> None:
    story = halted()
    assert said(story.command(CommandKind.REDUCE_ONLY))[0] == "COMMAND_REFUSED"
    assert story.account().mode is RiskMode.HALT_ALL


def test_a_request_while_running_is_refused() -> None:
    assert said(Story().command(CommandKind.RESUME_REQUEST))[0] == "COMMAND_REFUSED"


def test_a_cancel_finds_no_resting_orders_and_says_so() -> None:
    assert said(Story().command(CommandKind.CANCEL)) == (
        "COMMAND_REFUSED", "CANCEL by ann: no resting orders to cancel",
    )


def test_flatten_closes_every_position_and_its_answer_counts_them() -> None:
    story = Story(symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    story.long("100", symbol="ETHUSDT")
    made = story.command(CommandKind.FLATTEN)
    assert [(o.symbol, o.purpose, o.quantity, o.approved) for o in only(Order, made)] == [
        ("BTCUSDT", Purpose.FLATTEN, 100, True), ("ETHUSDT", Purpose.FLATTEN, 100, True),
    ]
    assert said(made) == ("COMMAND_TAKEN", "FLATTEN by ann: 2 exits ordered, 0 already in flight, 0 refused")


def test_flatten_of_one_symbol_leaves_the_others() -> None:
    story = Story(symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    story.long("100", symbol="ETHUSDT")
    assert [o.symbol for o in only(Order, story.command(CommandKind.FLATTEN, symbol="ETHUSDT"))] == ["ETHUSDT"]


def test_flatten_in_a_halt_is_refused_order_by_order() -> None:
    story = Story()
    story.long("100")
    story.command(CommandKind.HALT)
    made = story.command(CommandKind.FLATTEN)
    assert [o.rejection_code for o in only(Order, made)] == ["KILL_SWITCH_HALT_ALL"]
    assert said(made)[0] == "COMMAND_REFUSED"


def test_flatten_reaches_an_entry_that_is_still_on_its_way() -> None:
    story = Story()
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert said(story.command(CommandKind.FLATTEN))[1].endswith("0 exits ordered, 1 already in flight, 0 refused")
    story.result(order, price="100")
    assert [o.purpose for o in only(Order, story.mark("100"))] == [Purpose.FLATTEN]


def test_a_command_for_all_is_answered_by_each_account_and_one_for_another_task_by_none() -> None:
    story = Story(make_settings(accounts=[AccountParameters(name="b"), AccountParameters(name="a")]))
    made = story.command(CommandKind.HALT, account="*")
    answers = [(alert.account, alert.level) for alert in only(Alert, made)]
    assert answers == [("a", AlertLevel.INFO), ("b", AlertLevel.INFO)]
    assert story.command(CommandKind.HALT, account="elsewhere") == []


def test_a_reset_starts_the_peak_anew_or_the_breaker_would_trip_again() -> None:
    story = Story(make_settings(
        circuit_breaker_threshold_pct=D("0.05"), stop_loss_pct=D("0.5"), max_daily_drawdown_pct=D("0.2"),
        risk_per_trade_pct=D("0.1"), max_position_pct=D("0.25"), max_symbol_exposure_pct=D("0.25"),
    ))
    story.long("100")  # 200 units: 20,000 of 100,000
    [order] = only(Order, story.mark("75"))
    story.result(order, price="75")
    assert story.account().mode is RiskMode.HALT_ALL
    code, message = said(story.command(CommandKind.RESET))
    assert (code, message) == (
        "COMMAND_TAKEN", "RESET by ann: circuit breakers cleared, peak equity is now 95000; mode RUNNING",
    )
    assert story.signal(Side.BUY, "75").approved


def test_a_command_that_nobody_knows_is_refused() -> None:
    assert said(Story().command(CommandKind.UNKNOWN))[1].endswith("the command is not known to this version")


def test_flatten_leaves_an_exit_on_its_way_to_its_end_and_closes_what_is_left() -> None:
    story = Story()
    story.long("100")
    exit_order = story.signal(Side.SELL, "100")
    assert said(story.command(CommandKind.FLATTEN))[1].endswith("0 exits ordered, 1 already in flight, 0 refused")
    story.result(exit_order, price="100", quantity=D(40))
    assert [(o.purpose, o.quantity) for o in only(Order, story.mark("100"))] == [(Purpose.EXIT, 60)]
