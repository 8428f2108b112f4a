"""A random trading client of the gateway against a paper exchange in which things go wrong all the time.

Orders of every kind are placed, changed and cancelled, and futures, options on them and currencies are
traded by hand in the same account, while faults come and go: messages lost, held,
doubled and reordered, links and farms that flap, cuts, restarts with reissued order ids, silent
requests, half-open sockets, fills while away, late and corrected commissions, corrected executions,
liquidations, orders that suddenly live twice, refusals. In the end all faults are lifted, and the
gateway's state must equal the exchange's exactly: orders, executions, positions, cash and commissions.

    python scripts/soak_ib.py --seed 7 --minutes 10

The market and the choice of what happens next follow from the seed; when it happens depends on the
machine. Exit status 1 and one line a difference if the two disagree.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from optionsib.brokers.api import BrokerState
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.ib import IBGateway
from optionsib.brokers.ib.guards import market_limit
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeeRow, FeesConfig, GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import CommissionReport, Execution, Quote
from optionsib.common.ports import ContractQuery, TapeQuote, TapeStep
from optionsib.common.types import OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg, price_to_money
from optionsib.data.synthetic import SimulatedUniverse

DATE = dt.date(2014, 6, 6)
OPEN_NS = int(dt.datetime(2014, 6, 6, 13, 30, tzinfo=dt.UTC).timestamp()) * SECOND_NS
SPEED = 10.0  # simulated seconds a second
STRIKES = (66, 68, 70, 72)
CASH = 1_000_000_000_000
CLIENT_ID = 1
ENDS = {"Filled": "filled", "Cancelled": "cancelled", "ApiCancelled": "cancelled", "Inactive": "rejected"}
FEES = FeesConfig(
    rows=(
        FeeRow(
            name="commission",
            per_contract=Decimal("0.65"),
            minimum_per_order=Decimal("1.00"),
            valid_from=dt.date(2014, 1, 1),
            source="soak",
            verified=False,
        ),
    )
)


class RandomTape:
    """Calls and puts of one expiry around a share that wanders; a step a second."""

    name = "SOAK"
    simulated = True
    sha256 = "0" * 64
    session_open_ns = OPEN_NS

    def __init__(self, seed: int, seconds: int) -> None:
        self._random = random.Random(seed)
        self._seconds = seconds
        self.session_close_ns = OPEN_NS + (seconds + 600) * SECOND_NS
        self.underlying = Contract(1, "SOAK", "STK", trading_class="SOAK")
        self.contracts = [
            Contract(
                con_id=100 + len(STRIKES) * side + place,
                symbol="SOAK",
                security_type="OPT",
                multiplier=100,
                right=right,  # type: ignore[arg-type]
                strike=strike * 10_000,
                expiry_date="20140620",
                expiry_ns=OPEN_NS + 14 * 86_400 * SECOND_NS,
                trading_class="SOAK",
                tick_grid=OPTION_GRID,
            )
            for place, strike in enumerate(STRIKES)
            for side, right in enumerate("CP")
        ]
        self.contracts.sort(key=lambda c: c.con_id)

    def steps(self) -> Iterator[TapeStep]:
        """Yield quotes until the session closes."""
        spot = 690_000
        for second in range(1, self._seconds + 600):
            spot += self._random.randrange(-15, 16) * 100
            quotes = [TapeQuote(1, spot - 100, 5, spot + 100, 5)]
            for contract in self.contracts:
                inner = max(contract.kind * (spot - contract.strike), 0)
                middle = OPTION_GRID.floor(max(inner + 12_000 - abs(spot - contract.strike) // 8, 1_000))
                width = OPTION_GRID.increment(middle)
                size = self._random.randrange(1, 12)
                quotes.append(TapeQuote(contract.con_id, middle - width, size, middle + width, size))
            yield TapeStep(OPEN_NS + second * SECOND_NS, tuple(quotes))


class Chaos:
    """Arms a random fault, lets it last a while, lifts it."""

    def __init__(self, exchange: PaperExchange, market: SimulatedUniverse, seed: int) -> None:
        self._exchange = exchange
        self._random = random.Random(seed ^ 0xC4A05)
        self._lots = _traded_by_hand(market)
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(0.1, 1.0))
            self._trade_by_hand()
            name = self._random.choice(sorted(self._faults()))
            self.counts[name] += 1
            lift = self._faults()[name]()
            if lift is not None:
                await asyncio.sleep(self._random.uniform(0.1, 3.0))
                lift()

    def _faults(self) -> dict[str, Callable[[], Callable[[], object] | None]]:
        faults, chance = self._exchange.faults, self._random
        message = chance.choice(["openOrder", "orderStatus", "execDetails", "commission"])

        def arm(*actions: Callable[[], object], lift: Callable[[], object] | None = None) -> Any:
            def act() -> Callable[[], object] | None:
                for action in actions:
                    action()
                return lift

            return act

        count = chance.randrange(1, 4)
        kinds = ["openOrder", "orderStatus", "execDetails", "commission"]
        chance.shuffle(kinds)
        request = chance.choice(
            ["positions", "openOrders", "completedOrders", "executions", "placeOrder", "cancelOrder", "all"]
        )
        code = chance.choice([110, 201, 321])
        return {
            "drop": arm(lambda: faults.drop(message, count)),
            "hold": arm(lambda: faults.hold(message, count), lift=faults.release),
            "duplicate": arm(lambda: faults.duplicate(message, count)),
            "reorder": arm(lambda: faults.reorder(kinds), lift=faults.release),
            "cut": arm(lambda: faults.cut(CLIENT_ID)),
            "fill_while_away": arm(faults.fill_while_away),
            "fill_now": arm(faults.fill_now),
            "restart": arm(lambda: faults.restart(count, 0.2)),
            "linger": arm(lambda: faults.lingering_session(CLIENT_ID, 0.5), lambda: faults.cut(CLIENT_ID)),
            "link": arm(
                lambda: faults.connectivity(1100),
                lift=lambda: faults.connectivity(1101 if count == 1 else 1102),
            ),
            "farm": arm(
                lambda: faults.farm("usopt", False),
                lift=lambda: faults.farm("usopt", True, silent=count == 1),
            ),
            "silence": arm(lambda: faults.silence(request), lift=lambda: faults.speak(late=count == 1)),
            "half_open": arm(faults.half_open, lift=faults.resume),
            "late commission": arm(
                lambda: faults.commission_delay(0.5, "-1" if count == 1 else None),
                lift=lambda: faults.commission_delay(0),
            ),
            "refuse": arm(lambda: faults.error(code, "placeOrder")),
            "information": arm(lambda: faults.error(10349, "placeOrder")),
            "feed": arm(faults.freeze_feed, lift=faults.thaw),
            "correct commission": arm(self._correct_commission),
            "correct execution": arm(self._correct_execution),
            "liquidate": arm(self._liquidate),
            "twin": arm(self._twin),
        }

    def _trade_by_hand(self) -> None:
        """Trade what nobody's program does, one contract after the other."""
        con_id, lot = self._lots[0]
        self._lots.append(self._lots.pop(0))
        action, quantity = self._random.choice(("BUY", "SELL")), lot * self._random.randrange(1, 4)
        try:
            self._exchange.faults.place_by_hand(con_id, action, quantity)
            self.counts["by hand"] += 1
        except ValueError:  # too many of them wait, or the account cannot carry one more
            self.counts["by hand, refused"] += 1

    async def close_futures_and_currencies(self) -> None:
        """Close by hand what moves cash while it is held; the rest keeps its place."""
        account = self._exchange._desk.account
        for _ in range(200):
            self._exchange._desk.cancel_all(self._exchange.now_ns)
            open_positions = [
                (con_id, held.quantity)
                for con_id, held in account.positions()
                if held.quantity and account.directory.by_id[con_id].security_type in ("FUT", "CASH")
            ]
            if not open_positions:
                return
            for con_id, quantity in open_positions:
                self._exchange.faults.place_by_hand(con_id, "SELL" if quantity > 0 else "BUY", abs(quantity))
            await asyncio.sleep(0.1)
        raise BrokerError("futures and currencies cannot be closed")

    def _correct_commission(self) -> None:
        records = [record for record in self._exchange._desk.log if record.con_id]
        if records:
            self._exchange.faults.correct_commission(self._random.choice(records).execution_id)

    def _correct_execution(self) -> None:
        """Correct a price by a cent: what was filled stays filled."""
        records = [record for record in self._exchange._desk.log if record.con_id]
        if records:
            record = self._random.choice(records)
            self._exchange.faults.correct_execution(record.execution_id, price=(record.price + 100) / 10_000)

    def _liquidate(self) -> None:
        account = self._exchange._desk.account
        held = [
            (con_id, one.quantity)
            for con_id, one in account.positions()
            if one.quantity and con_id in account.directory.tape_ids
        ]
        if held:
            con_id, quantity = self._random.choice(held)
            self._exchange.faults.liquidate(con_id, min(abs(quantity), 2), 1.0)

    def _twin(self) -> None:
        working = [order.order_ref for order in self._exchange._desk.working()]
        if working:
            self._exchange.faults.twin_order(self._random.choice(working))


class Trader:
    """Sends random orders and keeps books from what the gateway hands out, and from nothing else."""

    def __init__(self, port: int, tape: RandomTape, seed: int) -> None:
        self._random = random.Random(seed ^ 0x7DE2)
        self.clock = SteppedClock(0)
        config = GatewayConfig(
            port=port, client_id=CLIENT_ID, request_timeout_seconds=2.0, heartbeat_seconds=1.0
        )
        gateway = BrokerAdapterFactory(
            clock=self.clock,
            pace="real",
            step_seconds=1.0 / SPEED,
            broker_time=True,
            messages_per_second=500,
        ).create(config)
        assert isinstance(gateway, IBGateway)
        self.gateway = gateway
        self.contracts = {contract.con_id: contract for contract in tape.contracts}
        self.quotes: dict[int, Quote] = {}
        self.orders: list[str] = []
        self.executions: dict[str, Execution] = {}  # by id without its version
        self.commissions: dict[str, int] = {}  # by id without its version
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Connect and watch everything."""
        await self.gateway.connect()
        chain = await self.gateway.option_chain("SOAK")
        self.contracts = {contract.con_id: contract for contract in chain.options}
        await self.gateway.subscribe([chain.underlying, *chain.options])

    async def trade(self, until: float) -> None:
        """Do one thing a step until the monotonic time ``until``; connect again whenever that is needed."""
        while time.monotonic() < until:
            try:
                await self._step()
                await self._act()
                self.take()
            except BrokerError as error:
                self.counts["refused" if self.gateway.ready else "lost"] += 1
                self.last_error = error
                if not self.gateway.ready:
                    await self.connect_again(until)

    async def connect_again(self, until: float) -> None:
        """Connect again, for as long as it takes."""
        while not self.gateway.ready:
            try:
                await self.gateway.reconnect(attempts=3, first_wait_seconds=0.1)
                self.counts["reconnects"] += 1
            except BrokerError:
                if time.monotonic() > until + 60.0:
                    raise

    async def come_to_rest(self) -> BrokerState:
        """Cancel everything, wait for the last word, and ask for the broker's state."""
        for _ in range(30):
            try:
                await self.connect_again(time.monotonic())
                await self.gateway.cancel_all()
                await self.gateway.settle()
                await self._step()
                self.take()
                state = await self.gateway.refresh()
                self.take()
                if not state.working_orders:
                    return state
            except BrokerError as error:
                self.last_error = error
        raise BrokerError(f"the gateway does not come to rest: {self.last_error}")

    async def _step(self) -> None:
        time_ns = await self.gateway.step()
        if time_ns is not None:
            self.clock.advance(time_ns)

    def take(self) -> None:
        """Fold what the gateway handed out into the books."""
        self.quotes |= {quote.con_id: quote for quote in self.gateway.take_quotes()}
        for event in self.gateway.take_events():
            if isinstance(event, Execution):
                self.executions[_stem(event.execution_id)] = event
            elif isinstance(event, CommissionReport):
                self.commissions[_stem(event.execution_id)] = event.amount

    async def _act(self) -> None:
        chance = self._random
        deeds = {
            "place": (self._place, 5),
            "modify": (self._modify, 2),
            "cancel": (self._cancel, 2),
            "bracket": (self._bracket, 1),
            "preview": (self._preview, 1),
            "settle": (self.gateway.settle, 2),
            "wait": (self._step, 3),
        }
        (name,) = chance.choices(list(deeds), [weight for _, weight in deeds.values()])
        await deeds[name][0]()
        self.counts[name] += 1

    def _reference(self) -> str:
        self.orders.append(f"soak-{len(self.orders) + 1}")
        return self.orders[-1]

    def _price(self, legs: tuple[OrderLeg, ...]) -> int:
        """Return a limit near the market, on the grid, of the right sign."""
        net = 0
        for leg in legs:
            quote = self.quotes.get(leg.con_id)
            if quote is None or quote.bid is None or quote.ask is None:
                raise BrokerError("nothing is quoted yet")
            net += leg.ratio * (quote.ask if leg.ratio > 0 else quote.bid)
        net += self._random.randrange(-12, 6) * 100
        if len(legs) > 1:
            return net // 100 * 100
        limit = self.contracts[legs[0].con_id].tick_grid.passive(net)
        return max(limit, 100) if legs[0].ratio > 0 else min(limit, -100)

    def _order(self, ref: str, legs: tuple[OrderLeg, ...], **more: Any) -> Order:
        limit = more.pop("limit_price") if "limit_price" in more else self._price(legs)
        return Order(ref, ref, legs, more.pop("quantity", 1), limit, "open", "soak", **more)

    async def _place(self) -> None:
        chance = self._random
        con_ids = chance.sample(sorted(self.contracts), 2)
        sign = chance.choice((1, -1))
        legs: tuple[OrderLeg, ...] = (OrderLeg(con_ids[0], sign),)
        if chance.random() < 0.4:
            legs = (OrderLeg(con_ids[0], 1), OrderLeg(con_ids[1], -chance.choice((1, 2))))
        more: dict[str, Any] = {"quantity": chance.randrange(1, 6)}
        if len(legs) > 1:
            more["guaranteed"] = chance.random() < 0.5
        kind = chance.random()
        if kind < 0.2:
            more["time_in_force"] = chance.choice(("IOC", "GTC"))
        elif kind < 0.3:
            more |= {
                "order_type": "MKT",
                "limit_price": market_limit("", legs, self.contracts, self.quotes.get, self.clock.now_ns()),
            }
        elif kind < 0.4 and len(legs) == 1 and sign < 0:
            stop = -self.contracts[con_ids[0]].tick_grid.floor(-self._price(legs))
            more |= {"order_type": "STP", "stop_price": stop, "limit_price": 0}
        elif kind < 0.45 and len(legs) == 1 and sign < 0:
            more |= {"order_type": "TRAIL", "trail_percent": 300, "limit_price": 0}
        order = self._order("", legs, **more)
        await self.gateway.place(Order(self._reference(), *_after_reference(order)))

    async def _bracket(self) -> None:
        con_id = self._random.choice(sorted(self.contracts))
        parent = self._order("", (OrderLeg(con_id, 1),), quantity=2)
        grid = self.contracts[con_id].tick_grid
        profit = -grid.ceil(parent.limit_price + 2_000)
        loss = min(-grid.floor(parent.limit_price - 2_000), -100)
        ref = self._reference()
        exit_legs = (OrderLeg(con_id, -1),)
        children = [
            self._order(f"{ref}-tp", exit_legs, quantity=2, limit_price=profit, parent_ref=ref),
            self._order(
                f"{ref}-sl", exit_legs, quantity=2, limit_price=0, order_type="STP", stop_price=loss,
                parent_ref=ref,
            ),
        ]  # fmt: skip
        self.orders += [child.order_ref for child in children]
        await self.gateway.place_bracket(Order(ref, *_after_reference(parent)), children)

    async def _modify(self) -> None:
        ref = self._random.choice(self.orders or [""])
        tracked = self.gateway._inbox.orders.get(ref)
        if tracked is not None and tracked.limit_price and tracked.ticket is not None:
            step = self._random.choice((-500, 500))
            await self.gateway.modify(ref, tracked.limit_price + step)

    async def _cancel(self) -> None:
        if self.orders:
            await self.gateway.cancel(self._random.choice(self.orders))

    async def _preview(self) -> None:
        legs = (OrderLeg(self._random.choice(sorted(self.contracts)), 1),)
        await self.gateway.preview(self._order("preview", legs))


def _traded_by_hand(market: SimulatedUniverse) -> list[tuple[int, int]]:
    """Return contract ids and lot sizes of what nobody's program trades."""
    wanted = [
        (ContractQuery(symbol="ES", security_type="FUT"), 1),
        (ContractQuery(symbol="MNQ", security_type="FUT"), 2),
        (ContractQuery(symbol="EUR", security_type="CASH"), 25_000),
        (ContractQuery(symbol="GBP", security_type="CASH"), 1_000),
    ]
    found = [(market.find(query)[0].contract, lot) for query, lot in wanted]
    chain = market.chains(found[0][0].con_id)[0]
    strike = chain.strikes[len(chain.strikes) // 2] / 10_000
    query = ContractQuery(symbol="ES", security_type="FOP", expiry=chain.expiries[0], strike=strike)
    return [(contract.con_id, lot) for contract, lot in found] + [
        (listing.contract.con_id, 1) for listing in market.find(query)
    ]


def _after_reference(order: Order) -> tuple[Any, ...]:
    return tuple(getattr(order, name) for name in Order.__struct_fields__[1:])


def _stem(execution_id: str) -> str:
    return execution_id.rpartition(".")[0]


def differences(exchange: PaperExchange, trader: Trader, state: BrokerState) -> list[str]:
    """Return every point on which the gateway and the exchange disagree."""
    found: list[str] = []

    def compare(what: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            found.append(f"{what}: gateway {ours}, exchange {theirs}")

    account, ordered = exchange._desk.account, exchange._desk.registry.all
    records = {_stem(record.execution_id): record for record in exchange._desk.log}
    for stem in sorted(records.keys() | trader.executions.keys()):
        ours, theirs = trader.executions.get(stem), records.get(stem)
        compare(
            f"execution {stem}",
            ours
            and (
                ours.execution_id,
                0 if ours.is_combo else ours.con_id,
                ours.side,
                ours.quantity,
                ours.price,
            ),
            theirs and (theirs.execution_id, theirs.con_id, theirs.side, theirs.quantity, theirs.price),
        )
    for stem, record in records.items():
        compare(f"commission of {stem}", trader.commissions.get(stem), record.commission)
    positions = {con_id: held.quantity for con_id, held in account.positions() if held.quantity}
    booked: Counter[int] = Counter()
    cash = CASH - sum(trader.commissions.values())
    for execution in trader.executions.values():
        if not execution.is_combo:
            signed = execution.side * execution.quantity
            booked[execution.con_id] += signed
            multiplier = account.directory.by_id[execution.con_id].multiplier
            cash -= price_to_money(execution.price, multiplier, signed)
    compare(
        "positions from fills", {con_id: held for con_id, held in sorted(booked.items()) if held}, positions
    )
    compare("positions as told", state.positions, positions)
    compare("cash from fills", cash, account.cash)
    compare("cash as told", state.cash, account.cash)
    for ref in trader.orders:
        tracked = trader.gateway._inbox.orders.get(ref)
        status = None if tracked is None else tracked.status
        fates = [ENDS.get(order.status, order.status) for order in ordered if order.order_ref == ref]
        if not fates and status in ("working", "filled"):
            found.append(f"order {ref}: gateway {status}, the exchange never had it")
        elif len(fates) == 1:
            compare(f"order {ref}", status, fates[0])
        elif fates and not {status, *fates} <= {*ENDS.values()}:
            found.append(f"order {ref} lived more than once: gateway {status}, exchange {fates}")
    return found


async def soak(seed: int, seconds: float) -> tuple[list[str], dict[str, Any]]:
    """Trade for ``seconds``; return the differences in the end and what happened on the way."""
    tape, market = RandomTape(seed, round((seconds + 120) * SPEED)), SimulatedUniverse(seed, DATE)
    exchange = PaperExchange(
        tape, fees=FEES, pace="real", speed=SPEED, seed=seed, initial_cash=CASH, market=market
    )
    port = await exchange.start()
    trader, chaos = Trader(port, tape, seed), Chaos(exchange, market, seed)
    try:
        await trader.start()
        storm = asyncio.create_task(chaos.run())
        try:
            await trader.trade(time.monotonic() + seconds)
        finally:
            storm.cancel()
            await asyncio.gather(storm, return_exceptions=True)
        exchange.faults.connectivity(1102)
        exchange.faults.clear()
        await chaos.close_futures_and_currencies()
        state = await trader.come_to_rest()
        found = differences(exchange, trader, state)
    finally:
        await trader.gateway.disconnect()
        await exchange.close()
    return found, {
        "seed": seed,
        "seconds": seconds,
        "orders": len(trader.orders),
        "executions": len(trader.executions),
        "did": dict(sorted(trader.counts.items())),
        "faults": dict(sorted(chaos.counts.items())),
        "by_type": dict(
            Counter(
                exchange._desk.account.directory.by_id[one.con_id].security_type
                for one in trader.executions.values()
                if not one.is_combo
            )
        ),
        "differences": len(found),
    }


def main(arguments: list[str]) -> int:
    """Run the soak; return 1 if gateway and exchange disagree in the end."""
    parser = argparse.ArgumentParser(description="Random trading against an exchange full of faults.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args(arguments)
    found, facts = asyncio.run(soak(options.seed, options.minutes * 60.0))
    for line in found:
        print(line)
    print(json.dumps(facts))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
