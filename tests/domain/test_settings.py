"""Settings: what contradicts itself is refused in the settings' own words, and equal rules have one digest."""

from typing import Any

import pytest
from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import (
    AccountParameters,
    MarketParameters,
    Parameters,
    RiskParameters,
    SessionSettings,
    StrategyParameters,
)

MOMENTUM = {"name": "a", "kind": "momentum"}


def faults(model: type[Parameters], **given: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        model(**given)
    return faults_of(refused.value, model)


@pytest.mark.parametrize(("model", "given", "fault"), [
    (RiskParameters, {"max_position_pct": "0.9"}, "MAX_POSITION_PCT must be 0.01..0.25, was 0.9"),
    (RiskParameters, {"funding_grace_sec": "2.5"}, "FUNDING_GRACE_SEC must be a whole number 1..3600, was 2.5"),
    (
        RiskParameters, {"max_position_pct": "0.2", "max_total_exposure_pct": "0.1"},
        "MAX_POSITION_PCT must be at most MAX_TOTAL_EXPOSURE_PCT (0.1), was 0.2",
    ),
    (AccountParameters, {"initial_equity": 0}, "INITIAL_EQUITY must be above 0 and at most 1E+12, was 0"),
    (AccountParameters, {"name": "a b"}, "NAME must be text like ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$, was a b"),
    (AccountParameters, {"margin_mode": "NONE"}, "MARGIN_MODE must be 'ISOLATED' or 'CROSS', was NONE"),
    (MarketParameters, {"depth_steps": [1, "x"]}, "DEPTH_STEPS.1 must be a valid decimal, was x"),
    (StrategyParameters, {"name": "a"}, "KIND must be given, was missing"),
    (SessionSettings, {"strategies": [MOMENTUM] * 2}, "strategies must have different names, were a, a"),
    (
        SessionSettings, {"strategies": [MOMENTUM | {"accounts": ("nobody",)}]},
        "strategies.a.accounts must be among main, was nobody",
    ),
    (
        SessionSettings, {"accounts": [{"leverage": 11}]},
        "accounts.main.leverage must be at most LEVERAGE_MAX (10), was 11",
    ),
])
def test_a_fault_names_the_setting_its_rule_and_its_value(model: type[Parameters], given: dict[str, Any], fault: str) -> None:
    assert faults(model, **given) == [fault]


def test_every_fault_is_named_at_once() -> None:
    found = faults(AccountParameters, leverage=200, initial_equity=-1, colour="red")
    assert [line.partition(" ")[0] for line in found] == ["INITIAL_EQUITY", "LEVERAGE", "COLOUR"]


def test_the_same_rules_have_the_same_digest_in_every_session() -> None:
    live, other = SessionSettings(session="live"), SessionSettings(session="other")
    assert live.canonical() != other.canonical()
    assert live.digest() == other.digest() != SessionSettings(risk_tasks=2).digest()
    assert SessionSettings.model_validate_json(live.canonical()) == live
