"""The narrator: turns the trader's state into the picture people see, and counts decisions."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from optionsib.common.events import ApprovedOrder, DecisionRecord, PortfolioSnapshot, VaultState
from optionsib.common.session_view import BrokerGap, DecisionLine, OrderLine, SessionView, TradeLine
from optionsib.common.types import PRICE_SCALE, Contract, OrderLeg
from optionsib.data.live.chain import ChainSnapshot
from optionsib.execution.orders import OrderRecord
from optionsib.execution.portfolio import Trade

DECISIONS_SHOWN = 30


def describe_legs(legs: Sequence[OrderLeg], contracts: Mapping[int, Contract]) -> str:
    """Return e.g. ``14-07-18 +70C -72.5C`` for a set of legs, ``-100 SPY`` for shares."""
    words: list[str] = []
    expiry = ""
    for leg in legs:
        contract = contracts[leg.con_id]
        if not contract.kind:
            words.append(f"{leg.ratio:+d} {contract.symbol}")
            continue
        if contract.expiry_date != expiry:
            expiry = contract.expiry_date
            words.append(f"{expiry[2:4]}-{expiry[4:6]}-{expiry[6:]}")
        size = "" if abs(leg.ratio) == 1 else str(abs(leg.ratio))
        sign = "+" if leg.ratio > 0 else "-"
        words.append(f"{sign}{size}{contract.strike / PRICE_SCALE:g}{contract.right}")
    return " ".join(words)


class Narrator:
    """Keeps the last decisions and the counts; draws a ``SessionView`` on request."""

    def __init__(
        self, title: str, *, simulated: bool, notices: Sequence[str], contracts: Mapping[int, Contract]
    ) -> None:
        self.title = title
        self.simulated = simulated
        self.notices = tuple(notices)
        self.counts: Counter[str] = Counter()
        self._contracts = contracts
        self._lines: deque[DecisionLine] = deque(maxlen=DECISIONS_SHOWN)

    def tell(self, record: DecisionRecord) -> None:
        """Take note of one decision."""
        outcome = record.outcome
        if isinstance(outcome, ApprovedOrder):
            word, reason, order = "approved", "", outcome.order
            reason = f"{order.purpose} at {order.limit_price / PRICE_SCALE:.2f}"
        else:
            word, reason = outcome.layer, outcome.reason
        self.counts[word] += 1
        legs = record.risk.order.legs if record.risk else ()
        self._lines.append(
            DecisionLine(
                record.at_ns, record.candidate_id, describe_legs(legs, self._contracts), word, reason
            )
        )

    def picture(
        self,
        chain: ChainSnapshot,
        *,
        notices: Sequence[str],
        broker_gap: BrokerGap | None,
        session: tuple[int, int],
        state: str,
        portfolio: PortfolioSnapshot,
        vault: VaultState,
        trades: Sequence[tuple[Trade, int | None]],
        orders: Sequence[OrderRecord],
    ) -> SessionView:
        """Return the picture of this step; ``trades`` come with their mark (1/10000).

        ``notices`` are shown beside those of the whole session.
        """
        return SessionView(
            title=self.title,
            simulated=self.simulated,
            notices=(*self.notices, *notices),
            at_ns=chain.at_ns,
            session_open_ns=session[0],
            session_close_ns=session[1],
            state=state,
            underlying_bid=chain.underlying_bid,
            underlying_ask=chain.underlying_ask,
            portfolio=portfolio,
            vault=vault,
            trades=tuple(
                TradeLine(
                    trade.trade_id,
                    describe_legs(trade.open_legs, self._contracts),
                    1 if trade.apart else trade.quantity,
                    trade.entry_price,
                    mark,
                    trade.opened_ns,
                )
                for trade, mark in trades
            ),
            orders=tuple(
                OrderLine(
                    record.order.order_ref,
                    record.order.purpose,
                    describe_legs(record.order.legs, self._contracts),
                    record.limit_price,
                    record.filled,
                    record.order.quantity,
                    record.submitted_ns,
                )
                for record in orders
            ),
            decisions=tuple(self._lines),
            broker_gap=broker_gap,
            counts=dict(self.counts),
        )
