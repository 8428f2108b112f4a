"""What the order desk of the paper exchange does, switch by switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeskRules:
    """Rules of the desk; the defaults are those of the demo.

    Attributes
    ----------
    queue
        Resting orders wait behind the size displayed before them (see ``DisplayedBook``).
    working_orders_per_side
        Orders of one instrument and side that may work at once; None: any number.
    checks_funds
        Whether an order that the available funds do not cover is refused.
    master_client_id
        This client is told everything about the orders of all clients.
    commissions_of_others
        Whether reqExecutions repeats the commissions of other clients' executions to a client that is
        not the master. TWS does not; the executions themselves it repeats.
    tells_preset
        Whether an order without time in force gets notice 10349, as with an order preset of TWS.
    early_assignment
        Probability, for each short American option at each session close, that it is assigned although it
        has not expired, if it is in the money and worth no more than its intrinsic value.
    """

    queue: bool = False
    working_orders_per_side: int | None = 20
    checks_funds: bool = True
    master_client_id: int | None = None
    commissions_of_others: bool = True
    tells_preset: bool = False
    early_assignment: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.early_assignment <= 1.0:
            raise ValueError(f"early_assignment must be from 0 to 1, got {self.early_assignment}")
        if self.working_orders_per_side is not None and self.working_orders_per_side < 1:
            raise ValueError(f"working_orders_per_side must be 1 or more, got {self.working_orders_per_side}")
