from pathlib import Path

import pytest

from streams.domain.parameters import RiskParameters, SessionSettings
from streams.errors import ConfigError
from streams.operate.strategies import strategies_from
from streams.stages.signals import SignalsStage

SHIPPED = Path(__file__).parents[2] / "deploy" / "strategies"


def faults(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        strategies_from(file)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def test_shipped_default_is_the_documented_defaults():
    file = strategies_from(SHIPPED / "default.toml")
    [strategy] = file.strategies
    assert strategy.parameters == {
        "SIGNAL_LOOKBACK_MIN": "15", "SIGNAL_THRESHOLD_PCT": "3.0", "SIGNAL_MIN_VOLUME": "100000", "SIGNAL_REPEAT_SEC": "5",
    }  # fmt: skip
    assert file.risk == RiskParameters()


@pytest.mark.parametrize("name", sorted(file.name for file in SHIPPED.glob("*.toml")))
def test_every_shipped_file_makes_a_session(name):
    file = strategies_from(SHIPPED / name)
    SignalsStage(SessionSettings(strategies=file.strategies, risk=file.risk, market=file.market), 0)


def test_shipped_short_recording_has_the_documented_numbers():
    parameters = strategies_from(SHIPPED / "short-recording.toml").strategies[0].parameters
    assert [parameters[f"SIGNAL_{name}"] for name in ("LOOKBACK_MIN", "THRESHOLD_PCT", "MIN_VOLUME")] == [
        "1",
        "0.03",
        "0",
    ]


def test_numbers_stand_plain_or_as_texts_and_stay_exact(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[strategy]]\nname="a"\nkind="momentum"\nsymbols=["BTCUSDT"]\n[strategy.parameters]\nSIGNAL_THRESHOLD_PCT=0.1\n'
        "[risk]\nSTOP_LOSS_PCT=0.1\n[market]\nDEPTH_STEPS=[500, 0.3]\n"
    )
    read = strategies_from(file)
    assert read.strategies[0].parameters == {"SIGNAL_THRESHOLD_PCT": "0.1"}
    assert read.strategies[0].symbols == ("BTCUSDT",)
    assert (str(read.risk.stop_loss_pct), [str(step) for step in read.market.depth_steps]) == ("0.1", ["500", "0.3"])


def test_every_fault_is_named_at_once_with_field_rule_and_value(tmp_path):
    found = faults(
        tmp_path,
        'bogus=1\n[[strategy]]\nname="a"\nkind="momentum"\nparameters={SIGNAL_THRESHOLD_PCT=200, SIGNAL_REPEAT_SEC=1.5}\n'
        '[[strategy]]\nname="a"\nkind="magic"\n[[strategy]]\nname="b c"\n[risk]\nMAX_POSITION_PCT=0.9\n[market]\nDEPTH_STEPS=[1, "x"]\n',
    )
    assert found == [
        "bogus must be one of strategy, risk, market, account, was unknown",
        "strategy a: SIGNAL_THRESHOLD_PCT must be 0.001..100, was 200",
        "strategy a: SIGNAL_REPEAT_SEC must be a whole number 1..3600, was 1.5",
        "strategy a: KIND must be one of mean_reversion, momentum, trend, was magic",
        "strategy b c: NAME must be text like ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$, was b c",
        "strategy b c: KIND must be given, was missing",
        "strategy names must be different, was a more than once",
        "risk: MAX_POSITION_PCT must be 0.01..0.25, was 0.9",
        "market: DEPTH_STEPS.1 must be a valid decimal, was x",
    ]


def test_limits_that_contradict_each_other_are_named(tmp_path):
    text = '[[strategy]]\nname="a"\nkind="momentum"\n[risk]\nMAX_POSITION_PCT=0.2\nMAX_TOTAL_EXPOSURE_PCT=0.1\n'
    assert faults(tmp_path, text) == ["risk: MAX_POSITION_PCT must be at most MAX_TOTAL_EXPOSURE_PCT (0.1), was 0.2"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "strategy must be at least one [[strategy]] table, was missing"),
        ("strategy=3", "strategy must be at least one [[strategy]] table, was 3"),
        ("risk=3\n[[strategy]]\nname='a'\nkind='momentum'", "risk must be a table, was 3"),
        (
            "[[strategy]]\nname='a'\nkind='momentum'\nparameters=3",
            "strategy a: PARAMETERS must be a valid dictionary, was 3",
        ),
        (
            "[[strategy]]\nname='a'\nkind='momentum'\nparameters={SIGNAL_MIN_VOLUME=true}",
            "strategy a: PARAMETERS.SIGNAL_MIN_VOLUME must be a valid string, was True",
        ),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, fault):
    assert faults(tmp_path, text) == [fault]


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml: strategies file must be readable text"):
        strategies_from(tmp_path / "absent.toml")
    assert "strategies file must be TOML" in faults(tmp_path, "[[strategy")[0]
