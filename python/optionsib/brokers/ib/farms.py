"""The broker's data farms: which are up, and whose quotes come through which.

A farm that breaks is no disconnect: orders go on, its quotes are stale until they tick again. TWS names
farms in free text (``Market data farm connection is broken:usopt``) and never says which contract is
served by which; a farm that cannot be told apart by its name counts for every contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.health import FarmState
from optionsib.common.types import Contract

FarmKind = Literal["market data", "history", "definitions"]
_KIND: Mapping[int, FarmKind] = {
    2103: "market data",
    2104: "market data",
    2110: "market data",
    2105: "history",
    2106: "history",
    2157: "definitions",
    2158: "definitions",
}
_TO_SERVERS = "TWS to its servers"  # 2110 names no farm
# Beginnings of farm names -> what they serve of US stocks, indexes and their options.
_SERVES: tuple[tuple[str, frozenset[str]], ...] = (
    ("usopt", frozenset({"OPT"})),
    ("usfarm", frozenset({"STK", "IND"})),
    *((name, frozenset()) for name in ("usfuture", "cashfarm", "eufarm", "jfarm", "hfarm", "usbond")),
)


class FarmBoard:
    """What was last said about each farm of this connection."""

    def __init__(self) -> None:
        self._farms: dict[str, FarmState] = {}

    def states(self) -> tuple[FarmState, ...]:
        """Return all farms by name."""
        return tuple(self._farms[name] for name in sorted(self._farms))

    def new_session(self) -> None:
        """Forget what the last connection said; a new one names its farms again."""
        self._farms.clear()

    def hear(self, code: int, message: str, at_ns: int) -> FarmState | None:
        """Take a notice about a farm; return the farm if it went down or came back.

        Repeats of what is known change nothing.
        """
        if code not in codes.FARM_DOWN | codes.FARM_UP:
            return None
        up = code in codes.FARM_UP
        name = _TO_SERVERS if code == 2110 else message.rpartition(":")[2].strip() or "?"
        was_cut_off = False
        if up and _KIND[code] == "market data":  # there is no notice of its own that TWS is back
            was_cut_off = self._farms.pop(_TO_SERVERS, None) is not None
        before = self._farms.get(name)
        if before is not None and before.up == up and not was_cut_off:
            return None
        flaps = (before.flaps if before else 0) + (not up)
        now = FarmState(name=name, kind=_KIND[code], up=up, since_ns=at_ns, flaps=flaps)
        self._farms[name] = now
        return None if before is None and up and not was_cut_off else now

    @property
    def is_cut_off(self) -> bool:
        """Whether TWS has said that it has no connection to its servers (2110)."""
        return _TO_SERVERS in self._farms

    def link_restored(self) -> None:
        """Hear that the broker's link is back as a whole."""
        self._farms.pop(_TO_SERVERS, None)

    def is_down_for(self, contract: Contract) -> bool:
        """Tell whether a farm that may serve the contract's quotes is down."""
        return any(
            not farm.up and farm.kind == "market data" and serves(farm.name, contract)
            for farm in self._farms.values()
        )


def serves(farm: str, contract: Contract) -> bool:
    """Tell whether a farm of this name may serve the contract's quotes; unknown names serve all."""
    for beginning, kinds in _SERVES:
        if farm.lower().startswith(beginning):
            return contract.security_type in kinds
    return True
