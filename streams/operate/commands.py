"""
An operator's word to the risk stage: put on every partition of `commands` in one transaction under one id, and believed only when
every risk task's committed journal names it.

What came of it are the alerts that the command caused, one for each account it concerns. A command that nobody takes in time stays on
the log and is taken later: silence is never a refusal. Times are µs of wall time, because nothing a command decides depends on them.
"""

import secrets
import time
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import Alert, Command, CommandKind, JournalEntry
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.commands import EVERY_ACCOUNT, NEEDS_JUSTIFICATION
from streams.domain.rules import broken_rule
from streams.errors import ConfigError
from streams.log.codec import Codec
from streams.log.interface import Log, Partition
from streams.log.journal import read_range, taken_of
from streams.log.layout import Layout

RISK = "risk"
LOOK_SECONDS = 0.2
READ_MAX = 2000
TEXT_MAX = 500


class Request(NamedTuple):
    """What is asked of whom, by whom and why; `symbol` None for every one."""

    kind: CommandKind
    operator: str
    justification: str = ""
    account: str = EVERY_ACCOUNT
    symbol: str | None = None


class Outcome(NamedTuple):
    """What one account's risk said to a command."""

    account: str
    taken: bool
    message: str


class Sent(NamedTuple):
    """A command on the log, and where the answers will stand."""

    command: Command
    journals: dict[int, tuple[Partition, int]]  # by risk task: from where to read
    alerts: list[tuple[Partition, int]]


def check(settings: SessionSettings, request: Request) -> None:
    """Raises: ConfigError with one line for each fault of a request to this session."""
    faults = []
    accounts = [account.name for account in settings.accounts]
    if request.account != EVERY_ACCOUNT and request.account not in accounts:
        faults.append(f"ACCOUNT must be {EVERY_ACCOUNT} or one of {', '.join(accounts)}, was {request.account}")
    if request.symbol is not None and request.symbol not in settings.feed.symbols:
        faults.append(f"SYMBOL must be one of {', '.join(settings.feed.symbols)}, was {request.symbol}")
    if not request.operator.strip():
        faults.append("OPERATOR must not be empty, was empty")
    if request.kind in NEEDS_JUSTIFICATION and not request.justification.strip():
        faults.append(f"JUSTIFICATION must not be empty for {request.kind.value}, was empty")
    faults += [
        f"{name} must be at most {TEXT_MAX} characters, was {len(said)}"
        for name, said in (("OPERATOR", request.operator), ("JUSTIFICATION", request.justification)) if len(said) > TEXT_MAX
    ]
    if faults:
        raise ConfigError("\n".join(faults))


def send(log: Log, codec: Codec, settings: SessionSettings, request: Request, *, now: int) -> Sent:
    """
    The command, committed on every partition of `commands`; `now` in µs of wall time.

    Raises: ConfigError as `check`; LogError where the log cannot be reached: then it may be on the log or not.
    """
    check(settings, request)
    layout = Layout.of(settings)
    # Of its own: two operators at once must not fence each other.
    name = f"{now}-{secrets.token_hex(4)}"
    command = _record(settings.session, name, request, now)
    rule = broken_rule(command)
    assert rule is None, f"command {command.event_id} breaks the rule {rule}"
    journals = {task: layout.journal(RISK, task) for task in range(settings.risk_tasks)}
    alerts = [layout.at("alerts", number) for number in range(layout.count("alerts"))]
    sent = Sent(
        command, {task: (place, log.end_offset(place)) for task, place in journals.items()},
        [(place, log.end_offset(place)) for place in alerts],
    )  # fmt: skip
    value = codec.wire(command)
    writer = log.writer(f"{settings.session}-operator-{name}")
    try:
        writer.begin()
        for number in range(layout.count("commands")):
            writer.append(layout.at("commands", number), key=request.account.encode(), value=value, time=now)
        writer.commit()
    finally:
        writer.close()
    return sent


def _record(session: str, name: str, request: Request, now: int) -> Command:
    event_id = f"{session}/command/{name}"
    return Command(
        event_id=event_id, causation_id=event_id, correlation_id=event_id, session=session, time=now, account=request.account,
        kind=request.kind, symbol=request.symbol, operator=request.operator, justification=request.justification,
    )  # fmt: skip


class Confirmation:
    """Looks for the committed journal entries that name a command, one for each risk task; to be closed."""

    def __init__(self, log: Log, codec: Codec, sent: Sent) -> None:
        self._log, self._codec, self.sent = log, codec, sent
        self._tasks = {place: task for task, (place, _) in sent.journals.items()}
        self._reader = log.reader(dict(sent.journals.values()))

    @property
    def waiting(self) -> list[int]:
        """The risk tasks that have not taken it yet."""
        return sorted(self._tasks.values())

    def look(self, seconds: float = 0.0) -> bool:
        """Reads what is new, waiting for it at most `seconds`; whether every risk task has taken the command."""
        for message in self._reader.poll(READ_MAX, seconds):
            if message.value is None:
                continue
            entry = self._codec.decode(message.value, JournalEntry)
            assert isinstance(entry, JournalEntry)
            if any(taken.command_id == self.sent.command.event_id for taken in taken_of(entry)):
                self._tasks.pop(Partition(message.topic, message.partition), None)
        return not self._tasks

    def wait(self, seconds_max: float) -> bool:
        """Looks until every risk task has taken it, or the time is over."""
        deadline = time.monotonic() + seconds_max
        while not self.look(LOOK_SECONDS):
            if time.monotonic() > deadline:
                return False
        return True

    def outcomes(self) -> list[Outcome]:
        """What risk said for each account so far, by the alerts that the command caused; sorted by account."""
        command = self.sent.command
        cause = f"{command.session}/command/{command.event_id}"
        found = []
        for place, start in self.sent.alerts:
            for message in read_range(self._log, place, start, self._log.end_offset(place)):
                alert = self._codec.decode(message.value or b"", Alert)
                assert isinstance(alert, Alert)
                if alert.causation_id == cause and alert.code in _ANSWERS:
                    found.append(Outcome(alert.account, alert.code == AlertCode.COMMAND_TAKEN.name, alert.message))
        return sorted(found)

    def close(self) -> None:
        self._reader.close()


_ANSWERS = (AlertCode.COMMAND_TAKEN.name, AlertCode.COMMAND_REFUSED.name)
