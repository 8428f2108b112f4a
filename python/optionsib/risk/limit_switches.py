"""Switches of the limits: states, the account, contracts that are suspended, and resets of what tripped.

1. ``switch_event`` makes the event to journal, or says what is wrong with it; nothing has changed then.
2. ``apply_switch`` moves the switch. The same fold over the journal leaves every switch where it was.
3. A halt never loosens: ``Halted`` leaves ``CANCEL_ONLY`` as it is. Only ``Resumed`` makes the state
   ``ACTIVE``.
"""

from __future__ import annotations

import typing

from optionsib.common.events import AnyEvent, Halted, Resumed, SwitchSet
from optionsib.risk.limit_changes import LimitChangeError
from optionsib.risk.limits import LimitChecker, State

SWITCHES: tuple[str, ...] = typing.get_args(typing.get_type_hints(SwitchSet)["switch"])
_YES = {"yes": True, "no": False}


def switch_event(
    checker: LimitChecker, switch: str, value: str, *, reason: str, operator: str, at_ns: int
) -> SwitchSet:
    """Return the event that moves ``switch`` of ``checker`` to ``value`` (see ``SwitchSet``).

    Raises
    ------
    LimitChangeError
        If there is no operator or reason, no such switch, or the value is none of it. ``state`` does not
        become active here, nor halted: those are the daemon's commands ``resume`` and ``halt``.
    """
    operator, reason = operator.strip(), reason.strip()
    if not operator or not reason:
        raise LimitChangeError(
            f"a switch needs an operator and a reason, got {operator!r} and {reason!r}; nothing was changed"
        )
    expected = _expected(checker, switch)
    if expected is not None and value not in expected:
        raise LimitChangeError(
            f"{switch} = {value!r}: expected {', '.join(expected) or 'no value'}; nothing was changed"
        )
    if switch == "reset_repeated_executions" and not value:
        raise LimitChangeError("reset_repeated_executions needs a strategy; nothing was changed")
    return SwitchSet(at_ns=at_ns, switch=switch, value=value, reason=reason, operator=operator)  # type: ignore[arg-type]


def apply_switch(checker: LimitChecker, event: AnyEvent) -> None:
    """Fold a journaled event in; others than switches, halts and their ends change nothing."""
    match event:
        case Halted():
            if checker.state is not State.CANCEL_ONLY:
                checker.set_halted(True)
        case Resumed():
            checker.set_halted(False)
        case SwitchSet(switch="state"):
            checker.set_state(State[event.value.upper()])
        case SwitchSet(switch="account_state"):
            checker.set_account_state(State[event.value.upper()])
        case SwitchSet(switch="account_enabled"):
            checker.set_account_enabled(_YES[event.value])
        case SwitchSet(switch="suspend" | "trade"):
            checker.set_tradable(int(event.value), event.switch == "trade")
        case SwitchSet(switch="reset_repeated_executions"):
            checker.reset_repeated_executions(event.value)
        case SwitchSet(switch="reset_protection"):
            checker.reset_protection()
        case _:
            pass


def _expected(checker: LimitChecker, switch: str) -> list[str] | None:
    """Return the values that a switch takes; None where any word does."""
    match switch:
        case "state":
            return ["reduce_only", "cancel_only"]
        case "account_state":
            return [state.name.lower() for state in State]
        case "account_enabled":
            return list(_YES)
        case "suspend" | "trade":
            return [str(con_id) for con_id in checker.con_ids]
        case "reset_protection":
            return [""]
        case "reset_repeated_executions":
            return None
        case _:
            raise LimitChangeError(
                f"{switch!r} is no switch: expected one of {', '.join(SWITCHES)}; nothing was changed"
            )
