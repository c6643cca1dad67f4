"""Accounts of a session: from the command line, from a strategies file, and every fault named."""

from pathlib import Path

import pytest

from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.operate.plan import Ask, settings_of

STRATEGY = '[[strategy]]\nname = "m"\nkind = "momentum"\n'


def settings(tmp_path: Path, *accounts: str, file: str = "", strategy: str = STRATEGY, equity: str | None = None) -> SessionSettings:
    path = tmp_path / "s.toml"
    path.write_text(strategy + file, encoding="utf-8")
    return settings_of(Ask("s", strategies=path, accounts=accounts, equity=equity))


def test_account_of_the_command_line_has_the_fields_it_names(tmp_path):
    [one] = settings(tmp_path, "main:equity=50000,leverage=5,margin_mode=cross,shorts_allowed=true").accounts
    assert (one.name, one.initial_equity, one.leverage, one.margin_mode, one.shorts_allowed) == ("main", 50000, 5, "CROSS", True)


def test_several_accounts_stand_side_by_side_and_a_strategy_that_names_none_trades_all(tmp_path):
    found = settings(tmp_path, "big:equity=50000", "small", equity="700")
    assert [(one.name, one.initial_equity) for one in found.accounts] == [("big", 50000), ("small", 700)]
    assert found.strategies[0].accounts == ("big", "small")


def test_strategy_that_names_its_accounts_trades_those(tmp_path):
    found = settings(tmp_path, "big", "small", strategy=STRATEGY + 'accounts = ["small"]\n')
    assert found.strategies[0].accounts == ("small",)


def test_accounts_of_a_file_are_changed_and_joined_by_the_command_line(tmp_path):
    file = '[[account]]\nname = "a"\ninitial_equity = 1000\nLEVERAGE = 3\n[[account]]\nname = "b"\n'
    found = settings(tmp_path, "a:equity=2000", "c", file=file)
    fields = [(one.name, one.initial_equity, one.leverage) for one in found.accounts]
    assert fields == [("a", 2000, 3), ("b", 100_000, 1), ("c", 100_000, 1)]


def test_nothing_said_is_one_account(tmp_path):
    found = settings(tmp_path)
    assert [(one.name, one.initial_equity) for one in found.accounts] == [("main", 100_000)]
    assert found.strategies[0].accounts == ("main",)


@pytest.mark.parametrize(
    ("accounts", "fault"),
    [
        (("a:leverage=500",), r"^ACCOUNT a: LEVERAGE must be 1\.\.125, was 500$"),
        (("a:equity=-1",), r"^ACCOUNT a: INITIAL_EQUITY must be above 0 and at most 1E\+12, was -1$"),
        (("a:margin_mode=half",), r"^ACCOUNT a: MARGIN_MODE must be 'ISOLATED' or 'CROSS', was HALF$"),
        (("a:shorts_allowed=perhaps",), r"^ACCOUNT a: SHORTS_ALLOWED must be .*, was perhaps$"),
        (("b c",), r"^ACCOUNT b c: NAME must be text like .*, was b c$"),
        (("a:lever=5",), r"^--account a:lever=5: fields must be name=value with a name of currency, equity, .*, was lever=5$"),
        (("a:equity",), r"^--account a:equity: fields must be name=value .*, was equity$"),
        (("a", "a"), r"^--account must name each account once, was a more than once$"),
        (("a:leverage=20",), r"^accounts\.a\.leverage must be at most LEVERAGE_MAX \(10\), was 20$"),
    ],
)
def test_wrong_account_is_refused_with_field_rule_and_value(tmp_path, accounts, fault):
    with pytest.raises(ConfigError, match=fault):
        settings(tmp_path, *accounts)


def test_every_fault_of_accounts_is_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, "a:leverage=500,margin_mode=half", "b:equity=0")
    assert len(str(refused.value).splitlines()) == 3


def test_faulty_account_of_a_file_is_named_with_the_file(tmp_path):
    with pytest.raises(ConfigError, match=r"s\.toml: account 1: LEVERAGE must be 1\.\.125, was 0$"):
        settings(tmp_path, file='[[account]]\nname = "a"\nleverage = 0\n')
    with pytest.raises(ConfigError, match="^account names must be different, was a more than once$"):
        settings(tmp_path, file='[[account]]\nname = "a"\n[[account]]\nname = "a"\n')
