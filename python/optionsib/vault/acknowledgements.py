"""Alarms that would stand for ever: a person looks, says why trading may go on, and answers for it."""

from __future__ import annotations

from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultAcknowledged
from optionsib.vault.conditions import standing, unacknowledged
from optionsib.vault.ledger import VaultLedger


def acknowledge(
    ledger: VaultLedger, trade_id: str, *, reason: str, operator: str, at_ns: int
) -> list[VaultAcknowledged]:
    """Journal that ``operator`` answers for every standing alarm of a trade; return what was acknowledged.

    Raises
    ------
    SettlementError
        If there is nothing of this trade to acknowledge, nobody says who and why, or something of the trade
        is still due on the chain; nothing is journaled.
    """
    if not reason.strip() or not operator.strip():
        raise SettlementError("an acknowledgement needs a reason and a name")
    waiting = unacknowledged(ledger)
    own = {condition: words for (condition, trade), words in waiting.items() if trade == trade_id}
    if not own:
        raise SettlementError(_nothing(ledger, trade_id, sorted({trade for _, trade in waiting})))
    due = [
        state.intent.kind
        for state in ledger.intents.values()
        if state.intent.trade_id == trade_id and not state.is_over
    ]
    if due:
        raise SettlementError(
            f"{due[0]} of trade {trade_id} is still due on the chain: wait until it has settled"
        )
    events = [
        VaultAcknowledged(
            at_ns=at_ns,
            condition=str(condition),
            trade_id=trade_id,
            details=words,
            reason=reason,
            operator=operator,
        )
        for condition, words in own.items()
    ]
    for event in events:
        ledger.acknowledge(event)
    return events


def described(event: VaultAcknowledged) -> str:
    """Return an acknowledgement as a sentence."""
    return f"{event.condition} {event.details}; acknowledged by {event.operator}: {event.reason}"


def _nothing(ledger: VaultLedger, trade_id: str, waiting: list[str]) -> str:
    expected = f"expected one of {', '.join(waiting)}" if waiting else "nothing waits for an acknowledgement"
    for event in ledger.acknowledged.values():
        if event.trade_id == trade_id and (event.condition, trade_id) in standing(ledger):
            return (
                f"trade {trade_id} was acknowledged by {event.operator} already ({event.reason}); {expected}"
            )
    return f"trade {trade_id!r} has no alarm to acknowledge; {expected}"
