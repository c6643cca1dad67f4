"""
The accounts of a session: what a strategies file lists, changed and joined by what the command line says.

An account on the command line is `NAME` or `NAME:field=value,field=value`, with the fields equity, currency, leverage, margin_mode
and shorts_allowed. One that the file names too keeps the file's other fields. Without any there is one account, `main`.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import AccountParameters, StrategyParameters

_FIELDS = {name: name for name in AccountParameters.model_fields if name != "name"} | {"equity": "initial_equity"}


def accounts_of(
    listed: Iterable[dict[str, Any]], texts: Iterable[str], *, equity: str | None, faults: list[str]
) -> tuple[AccountParameters, ...]:
    """
    The session's accounts. `listed`: a file's; `texts`: the command line's; `equity`: start equity of accounts that name none.

    What is wrong is added to `faults`, a line each; a faulty account is left out.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for fields in listed:
        name = fields.get("name", AccountParameters().name)
        if name in wanted:
            faults.append(f"account names must be different, was {name} more than once")
        wanted[name] = fields
    said: set[str] = set()
    for text in texts:
        name, _, rest = text.partition(":")
        if name in said:
            faults.append(f"--account must name each account once, was {name} more than once")
        said.add(name)
        wanted[name] = {**wanted.get(name, {}), "name": name, **_fields(text, rest, faults)}
    found = []
    for fields in wanted.values() or [{}]:
        if equity is not None:
            fields = {"initial_equity": equity, **fields}
        try:
            found.append(AccountParameters.model_validate(fields))
        except ValidationError as error:
            name = fields.get("name", AccountParameters().name)
            faults += [f"ACCOUNT {name}: {line}" for line in faults_of(error, AccountParameters)]
    return tuple(found)


def trading(strategies: Iterable[StrategyParameters], accounts: Iterable[AccountParameters]) -> tuple[StrategyParameters, ...]:
    """The strategies; those that name no accounts trade all of them."""
    every = tuple(account.name for account in accounts)
    return tuple(one if "accounts" in one.model_fields_set else one.model_copy(update={"accounts": every}) for one in strategies)


def _fields(text: str, rest: str, faults: list[str]) -> dict[str, str]:
    fields = {}
    for part in filter(None, rest.split(",")):
        word, equals, value = part.partition("=")
        field = _FIELDS.get(word.strip().lower())
        if field is None or not equals:
            known = ", ".join(sorted(_FIELDS.keys() - {"initial_equity"}))
            faults.append(f"--account {text}: fields must be name=value with a name of {known}, was {part}")
            continue
        fields[field] = value.strip().upper() if field == "margin_mode" else value.strip()
    return fields
