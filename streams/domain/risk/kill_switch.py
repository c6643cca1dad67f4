"""Check 1: the operator's switch. Latched in the account's state; `commands` turns it."""

from collections.abc import Iterator

from streams.domain.records import RiskMode
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Finding, Proposal


def kill_switch(proposal: Proposal) -> Iterator[Finding]:
    switch = proposal.account.switch
    yield Finding(
        "kill_switch", RejectionCode.KILL_SWITCH_HALT_ALL, switch is not RiskMode.HALT_ALL, note=switch.value,
        binds_exits=True,
    )
    yield Finding(
        "kill_switch", RejectionCode.KILL_SWITCH_REDUCE_ONLY, switch is not RiskMode.REDUCE_ONLY, note=switch.value,
    )
