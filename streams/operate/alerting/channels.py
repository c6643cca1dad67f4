"""
Alertmanager's configuration, from a few settings: a webhook, e-mail, both, or none (alerts then show on its page and in Grafana).

It is written as JSON, which is YAML too. Alerts of one session, account and name come as one message; what is critical comes again
after an hour while it lasts, the rest after four. Durations are wall time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streams.errors import ConfigError

PREFIX = "CDB_ALERT_"
# A short alert and its end may share a message; nobody waits longer than this for the first.
GROUP_WAIT, GROUP_INTERVAL = "2s", "15s"
REPEAT_CRITICAL, REPEAT_WARNING = "1h", "4h"

_ADDRESS = r"^[^@\s]+@[^@\s]+$"


class Channels(BaseModel):
    """Who is told. Each description is the rule as messages say it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webhook_url: str | None = Field(None, pattern=r"^https?://\S+$", description="an http address that takes Alertmanager's POST")
    email_to: str | None = Field(None, pattern=_ADDRESS, description="an e-mail address")
    email_from: str | None = Field(None, pattern=_ADDRESS, description="an e-mail address")
    smtp: str | None = Field(None, pattern=r"^[^\s:]+:\d{1,5}$", description="HOST:PORT of a mail server that speaks STARTTLS")
    smtp_user: str | None = Field(None, min_length=1, description="the mail server's user")
    smtp_password_file: Path | None = Field(None, description="a file that holds the password alone, as Alertmanager sees it")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Channels:
        """
        What `CDB_ALERT_…` variables say.

        Raises: ConfigError with one line for each name that is unknown or breaks its rule.
        """
        chosen = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX) and value}
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            raise ConfigError("\n".join(_line(dict(fault), cls) for fault in error.errors())) from error

    @model_validator(mode="after")
    def mail_is_complete(self) -> Self:
        named = {"EMAIL_TO": self.email_to, "EMAIL_FROM": self.email_from, "SMTP": self.smtp}
        missing = [PREFIX + name for name, value in named.items() if value is None]
        if 0 < len(missing) < len(named):
            raise ValueError(f"{', '.join(missing)} must be given for e-mail, was not")
        if (self.smtp_user is None) != (self.smtp_password_file is None):
            raise ValueError(f"{PREFIX}SMTP_USER and {PREFIX}SMTP_PASSWORD_FILE must be given together, was one alone")
        return self


def configuration(channels: Channels) -> str:
    """Alertmanager's configuration file."""
    receiver: dict[str, Any] = {"name": "operators"}
    if channels.webhook_url is not None:
        receiver["webhook_configs"] = [{"url": channels.webhook_url, "send_resolved": True}]
    document: dict[str, Any] = {"route": _route(), "inhibit_rules": _inhibitions(), "receivers": [receiver]}
    if channels.email_to is not None:
        receiver["email_configs"] = [{"to": channels.email_to, "send_resolved": True}]
        document["global"] = {"smtp_smarthost": channels.smtp, "smtp_from": channels.email_from}
        if channels.smtp_user is not None:
            document["global"] |= {
                "smtp_auth_username": channels.smtp_user, "smtp_auth_password_file": str(channels.smtp_password_file),
            }  # fmt: skip
    return json.dumps(document, indent=2) + "\n"


def _route() -> dict[str, Any]:
    return {
        "receiver": "operators",
        "group_by": ["alertname", "session", "account"],
        "group_wait": GROUP_WAIT, "group_interval": GROUP_INTERVAL, "repeat_interval": REPEAT_WARNING,
        "routes": [{"receiver": "operators", "matchers": ['severity="critical"'], "repeat_interval": REPEAT_CRITICAL}],
    }  # fmt: skip


def _inhibitions() -> list[dict[str, Any]]:
    """Who knows that an objective burns fast need not hear that it burns slowly as well."""
    return [{
        "source_matchers": ['objective=~".+"', 'severity="critical"'], "target_matchers": ['objective=~".+"', 'severity="warning"'],
        "equal": ["objective", "session", "group"],
    }]  # fmt: skip


def _line(fault: dict[str, Any], model: type[BaseModel]) -> str:
    if not fault["loc"]:
        return str(fault["msg"]).removeprefix("Value error, ")
    name = str(fault["loc"][0])
    field = model.model_fields.get(name)
    if field is None:
        known = ", ".join(PREFIX + each.upper() for each in model.model_fields)
        return f"{PREFIX}{name.upper()} is no setting of alerts; they are {known}"
    # Addresses of webhooks are often secrets themselves.
    shown = "another" if name == "webhook_url" else repr(fault["input"])
    return f"{PREFIX}{name.upper()} must be {field.description}, was {shown}"
