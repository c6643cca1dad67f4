"""From what a person asks for to a session's settings: what is chosen where nothing is said, and every fault at once."""

from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.exchange.service import feed_of
from streams.operate.plan import STRATEGIES_FOLDER, Ask, going_on, settings_of
from tests.exchange.sessions import small_recording, write_lines


def test_nothing_said_is_the_simulated_market_with_its_own_strategies() -> None:
    settings = settings_of(Ask(session="monday", start_time=7))
    assert (settings.session, settings.feed.kind, settings.feed.seed, settings.feed.start_time) == ("monday", "simulated", 1, 7)
    assert settings.strategies == settings_of(Ask("x", strategies=STRATEGIES_FOLDER / "simulated.toml")).strategies


def test_a_file_is_a_recorded_feed_of_its_symbols(tmp_path: Path) -> None:
    path = Path(write_lines(tmp_path / "spot_btcusdt.jsonl", small_recording()))
    settings = settings_of(Ask("monday", files=(path,), duration_seconds=0))
    assert (settings.feed.kind, settings.feed.symbols, settings.feed.files) == ("recorded", ("BTCUSDT",), (str(path),))
    assert settings.feed.duration_seconds is None


def test_shipped_perpetual_strategies_are_traded_by_an_account_of_each_margin_mode() -> None:
    settings = settings_of(Ask("x", strategies=STRATEGIES_FOLDER / "perpetual.toml", symbols=("BTC_USDT",)))
    assert settings.feed.symbols == ("BTC_USDT",)
    assert [(one.name, one.margin_mode, one.leverage) for one in settings.accounts] == [("isolated", "ISOLATED", 5), ("cross", "CROSS", 5)]
    assert settings.strategies[0].accounts == ("isolated", "cross")


def test_symbols_are_chosen_of_the_simulated_market_alone(tmp_path: Path) -> None:
    path = Path(write_lines(tmp_path / "spot_btcusdt.jsonl", small_recording()))
    with pytest.raises(ConfigError, match="--symbol must be given for the simulated feed or mexc alone, was ETHUSDT with --feed recorded"):
        settings_of(Ask("monday", files=(path,), symbols=("ETHUSDT",)))


def test_every_fault_is_said_at_once_with_field_rule_and_value() -> None:
    ask = Ask("bad name!", feed="recorded", strategies=Path("/nowhere.toml"), equity="-5", partitions=65)
    with pytest.raises(ConfigError) as refused:
        settings_of(ask)
    said = str(refused.value).splitlines()
    assert len(said) == 5
    assert said[0].startswith("/nowhere.toml: strategies file must be readable text")
    assert said[1] == "FEED_FILES must name at least one recording with --feed recorded, was empty"
    assert said[2] == "ACCOUNT main: INITIAL_EQUITY must be above 0 and at most 1E+12, was -5"
    assert said[3].startswith("SESSION must be text like ") and said[3].endswith(", was bad name!")
    assert said[4] == "PARTITIONS must be a whole number 1..64, was 65"


@pytest.mark.parametrize(
    ("ask", "fault"),
    [
        (Ask("s", feed="nyse"), "FEED must be mexc, simulated, recorded or candles, was nyse"),
        (Ask("s", feed="simulated", files=(Path("a.gz"),)), "FEED_FILES must be empty with --feed simulated, was a.gz"),
    ],
)
def test_feed_that_is_none_is_refused(ask: Ask, fault: str) -> None:
    with pytest.raises(ConfigError, match=f"^{fault}$"):
        settings_of(ask)


def test_session_that_is_only_named_goes_on_by_the_settings_it_was_made_with() -> None:
    made = settings_of(Ask("monday", seed=5, equity="5000", duration_seconds=60, start_time=1))
    assert going_on(Ask("monday", start_time=2), made) == made
    assert going_on(Ask("monday", seed=5, equity="5000", start_time=2), made) == made


def test_session_does_not_go_on_by_other_settings_and_each_is_named() -> None:
    made = settings_of(Ask("monday", seed=5, duration_seconds=60, start_time=1))
    with pytest.raises(ConfigError) as refused:
        going_on(Ask("monday", seed=6, equity="5000", start_time=2), made)
    assert str(refused.value).splitlines() == [
        "ACCOUNTS.MAIN.INITIAL_EQUITY must be 100000 as session monday was made, was 5000",
        "FEED.SEED must be 5 as session monday was made, was 6",
    ]


def test_mexc_is_a_live_feed_of_its_symbols_and_no_backtest():
    settings = settings_of(Ask("s", feed="mexc", symbols=("ETHUSDT", "ETH_USDT"), start_time=7, duration_seconds=60))
    assert (settings.feed.kind, settings.feed.symbols, settings.feed.start_time) == ("mexc", ("ETHUSDT", "ETH_USDT"), 7)
    with pytest.raises(ConfigError, match="FEED must be simulated, recorded or candles where nothing is live, was mexc"):
        feed_of(settings)
