"""Limits as versioned data: who asked for a change, who else agreed, and what holds.

1. Version 1 is the configuration. A change is proposed by one person and approved by another; only then
   does the next version hold.
2. The same person cannot do both. Every proposal has a number of its own: who approves one that another has
   replaced meanwhile approves nothing.
3. Nothing here decides by itself: ``propose`` and ``approve`` return events, the caller journals them, and
   ``apply`` folds them in. The same fold over the journal gives the same limits after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from optionsib.common.config import LimitsConfig
from optionsib.common.errors import OptionsIBError
from optionsib.common.events import AnyEvent, LimitsApproved, LimitsProposed
from optionsib.risk.limit_values import limit_values


class LimitChangeError(OptionsIBError):
    """A change of limits that is refused; what held before still holds."""


class LimitHistory:
    """The limits in force, their version, and the proposal that waits for a second person.

    Parameters
    ----------
    limits
        Those of the configuration: version 1.

    Examples
    --------
    >>> history = LimitHistory(LimitsConfig(max_open_orders=5))
    >>> _ = history.apply(history.propose({"max_open_orders": "9"}, "more names", "ann", at_ns=1))
    >>> history.limits.max_open_orders
    5
    >>> history.apply(history.approve(2, "bob", at_ns=2))  # by "ann" it would be refused
    True
    >>> history.version, history.limits.max_open_orders
    (2, 9)
    """

    def __init__(self, limits: LimitsConfig) -> None:
        self.limits = limits
        self.version = 1
        self.pending: LimitsProposed | None = None

    def propose(
        self, changes: Mapping[str, str], reason: str, operator: str, *, at_ns: int
    ) -> LimitsProposed:
        """Return the proposal to journal; a later one takes the place of one that waits.

        Raises
        ------
        LimitChangeError
            If there is no operator, no reason or no change, a name is unknown, or a value is not allowed.
        """
        operator, reason = operator.strip(), reason.strip()
        if not operator or not reason:
            raise LimitChangeError(
                f"a proposal needs an operator and a reason, got {operator!r} and {reason!r}; "
                "nothing was changed"
            )
        if self._changed(changes) == self.limits:
            raise LimitChangeError("the proposal changes nothing")
        latest = self.version if self.pending is None else self.pending.version
        return LimitsProposed(
            at_ns=at_ns, version=latest + 1, changes=dict(changes), reason=reason, operator=operator
        )

    def approve(self, version: int, operator: str, *, at_ns: int) -> LimitsApproved:
        """Return the approval to journal.

        Raises
        ------
        LimitChangeError
            If no such version waits, or who approves is nobody or the one who proposed.
        """
        operator = operator.strip()
        if self.pending is None or self.pending.version != version:
            waits = "none" if self.pending is None else f"version {self.pending.version}"
            raise LimitChangeError(f"version {version} does not wait for approval ({waits} does)")
        if not operator:
            raise LimitChangeError("an approval needs an operator; nothing was changed")
        if operator.casefold() == self.pending.operator.casefold():
            raise LimitChangeError(
                f"version {version} is by {self.pending.operator!r}: another person must approve"
            )
        return LimitsApproved(at_ns=at_ns, version=version, operator=operator)

    def apply(self, event: AnyEvent) -> bool:
        """Fold a journaled event in; tell whether other limits hold now."""
        match event:
            case LimitsProposed():
                self.pending = event
            case LimitsApproved() if self.pending is not None and self.pending.version == event.version:
                self.limits = self._changed(self.pending.changes)
                self.version = event.version
                self.pending = None
                return True
            case _:
                pass
        return False

    def _changed(self, changes: Mapping[str, str]) -> LimitsConfig:
        fixed = {"scenario_spot_moves", "scenario_volatility_moves"}
        known = set(LimitsConfig.model_fields) - fixed
        unknown = sorted(set(changes) - known)
        if unknown:
            raise LimitChangeError(
                f"{unknown[0]!r} is no limit that can change: expected one of {sorted(known)}"
            )
        values: dict[str, Any] = dict(self.limits.model_dump())
        for name, text in changes.items():
            if name == "restricted":
                values[name] = tuple(symbol.strip() for symbol in text.split(",") if symbol.strip())
            else:
                values[name] = text.strip() or None
        try:
            limits = LimitsConfig(**values)
            limit_values(limits)  # what the engine would not take must not reach the journal
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise LimitChangeError(
                f"{name} = {changes.get(name)!r}: {first['msg']}; nothing was changed"
            ) from error
        except (ValueError, OverflowError) as error:
            raise LimitChangeError(f"{error}; nothing was changed") from error
        return limits
