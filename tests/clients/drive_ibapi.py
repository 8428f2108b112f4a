"""Drive a server of the TWS protocol with IB's own client, from connecting to reconnecting.

usage: drive_ibapi.py PORT SYMBOL

Runs in the environment of ``ibapi`` 9.81 or of ``nautilus-ibapi`` (IB's newest client under that name),
whose callbacks differ in a few arguments. Ends with code 0 and the line ``done`` if everything was
answered as IB does.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ibapi.client import EClient
from ibapi.contract import ComboLeg, Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.tag_value import TagValue
from ibapi.wrapper import EWrapper

CLIENT_ID = 9
BID, ASK = (1, 66), (2, 67)
FATAL = {502, 504, 505, 320, 321, 326, 100}


def check(holds: Any, what: str) -> None:
    """Fail if ``holds`` is false."""
    if not holds:
        raise AssertionError(what)


class Driver(EWrapper, EClient):
    """Collects every callback under its name; the flow waits for what it needs."""

    def __init__(self, port: int, symbol: str) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, wrapper=self)
        self.server_port, self.symbol = port, symbol
        self.seen: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.errors: list[tuple[Any, ...]] = []
        self.next_id = 0
        self.pump: threading.Thread | None = None

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {what}; errors: {self.errors[-5:]}")
            time.sleep(0.02)
        return value

    def error(self, *arguments: Any) -> None:
        self.errors.append(arguments)

    def nextValidId(self, orderId: int) -> None:
        self.next_id = max(self.next_id, orderId)
        self.seen["nextValidId"].append((orderId,))

    def take_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def run_flow(self) -> None:
        """Do every step; print the name of each."""
        steps = (
            self.connect_and_greet,
            self.look_up_contracts,
            self.watch_market,
            self.preview,
            self.buy_at_the_ask,
            self.modify_and_cancel,
            self.place_bracket,
            self.trade_combination,
            self.trade_legs_apart,
            self.trade_future_and_currency,
            self.look_at_account,
            self.reconnect,
        )
        for step in steps:
            print(step.__name__, flush=True)
            step()
        self.disconnect()

    def connect_and_greet(self) -> None:
        self.connect("127.0.0.1", self.server_port, CLIENT_ID)
        self.pump = threading.Thread(target=self.run, daemon=True)
        self.pump.start()
        self.until(lambda: self.seen["nextValidId"] and self.seen["managedAccounts"], "the greeting")
        check(157 <= self.serverVersion() <= 178, f"a server version: {self.serverVersion()}")

    def look_up_contracts(self) -> None:
        stock = contract(symbol=self.symbol, secType="STK", exchange="SMART", currency="USD")
        (self.stock,) = self.details(stock)
        self.reqSecDefOptParams(501, self.symbol, "", "STK", self.stock.conId)
        self.until(lambda: self.seen["securityDefinitionOptionParameterEnd"], "the end of the chain")
        chain = max(self.seen["securityDefinitionOptionParameter"], key=lambda one: len(one[6]))
        expiry = sorted(chain[5])[min(2, len(chain[5]) - 1)]
        found = self.details(
            contract(
                symbol=self.symbol,
                secType="OPT",
                exchange="SMART",
                currency="USD",
                lastTradeDateOrContractMonth=expiry,
            )
        )
        check(len(found) >= 4 and {one.right for one in found} == {"C", "P"}, "options of the expiry")
        calls = sorted((one for one in found if one.right == "C"), key=lambda one: one.strike)
        spot = sum(self.quote(self.stock)) / 2
        nearest = min(range(len(calls) - 1), key=lambda i: abs(calls[i].strike - spot))
        self.low, self.high = calls[nearest], calls[nearest + 1]

    def details(self, wanted: Contract) -> list[Contract]:
        request = self.take_id()
        self.reqContractDetails(request, wanted)
        self.until(lambda: (request,) in self.seen["contractDetailsEnd"], f"details of {wanted}")
        return [one[1].contract for one in self.seen["contractDetails"] if one[0] == request]

    def quote(self, one: Contract) -> tuple[float, float]:
        request = self.take_id()
        self.reqMktData(request, one, "", False, False, [])

        def sides() -> tuple[float, float] | None:
            prices = {tick[1]: float(tick[2]) for tick in self.seen["tickPrice"] if tick[0] == request}
            bid = next((prices[kind] for kind in BID if prices.get(kind, -1) > 0), None)
            ask = next((prices[kind] for kind in ASK if prices.get(kind, -1) > 0), None)
            return (bid, ask) if bid and ask else None

        found: tuple[float, float] = self.until(sides, f"both sides of {one.localSymbol}")
        if one.secType == "OPT":
            self.until(
                lambda: [tick for tick in self.seen["tickOptionComputation"] if tick[0] == request], "greeks"
            )
        self.cancelMktData(request)
        return found

    def watch_market(self) -> None:
        self.low_quote, self.high_quote = self.quote(self.low), self.quote(self.high)
        check(self.low_quote[0] < self.low_quote[1], f"a bid below the ask: {self.low_quote}")

    def preview(self) -> None:
        order = limit_order("BUY", 1, self.low_quote[1])
        order.whatIf = True
        self.send(self.low, order)
        shown = self.until(lambda: [one for one in self.seen["openOrder"] if one[2].whatIf], "a preview")
        check(float(shown[0][3].initMarginAfter) >= 0, "a margin after the trade")

    def send(self, one: Contract, order: Order, order_id: int | None = None) -> int:
        number = self.take_id() if order_id is None else order_id
        order.eTradeOnly = order.firmQuoteOnly = False  # 9.81 sends them on, newer servers refuse them
        self.placeOrder(number, one, order)
        return number

    def status(self, order_id: int) -> str:
        told = [one[1] for one in self.seen["orderStatus"] if one[0] == order_id]
        return str(told[-1]) if told else ""

    def wait_for_status(self, order_id: int, *wanted: str) -> None:
        self.until(lambda: self.status(order_id) in wanted, f"order {order_id} {wanted}")

    def executions(self, order_id: int) -> list[tuple[Contract, Any]]:
        found = {one[2].execId: one[1:] for one in self.seen["execDetails"] if one[2].orderId == order_id}
        return list(found.values())

    def buy_at_the_ask(self) -> None:
        number = self.send(self.low, limit_order("BUY", 2, self.low_quote[1] + 1, "buy"))
        self.wait_for_status(number, "Filled")
        self.until(lambda: sum(float(one[1].shares) for one in self.executions(number)) == 2, "two contracts")
        wanted = {one[1].execId for one in self.executions(number)}
        name = "commissionReport" if self.seen["commissionReport"] else "commissionAndFeesReport"
        self.until(lambda: wanted <= {one[0].execId for one in self.seen[name]}, "commissions")

    def modify_and_cancel(self) -> None:
        order = limit_order("BUY", 1, 0.05, "resting")
        number = self.send(self.low, order)
        self.wait_for_status(number, "Submitted")
        order.lmtPrice, order.totalQuantity = 0.10, type(order.totalQuantity)(3)
        self.send(self.low, order, number)
        self.until(
            lambda: [one for one in self.seen["openOrder"] if one[0] == number and one[2].lmtPrice == 0.10],
            "the new terms",
        )
        self.cancel(number)
        self.wait_for_status(number, "Cancelled")
        check(not self.executions(number), "no fill")

    def cancel(self, number: int) -> None:
        if len(inspect.signature(EClient.cancelOrder).parameters) == 2:
            self.cancelOrder(number)
        else:
            from ibapi.order_cancel import OrderCancel

            self.cancelOrder(number, OrderCancel())

    def place_bracket(self) -> None:
        parent = limit_order("BUY", 1, 0.05)
        parent.transmit = False
        parent_id = self.send(self.low, parent)
        profit = limit_order("SELL", 1, 90.0)
        profit.parentId, profit.transmit = parent_id, False
        stop = limit_order("SELL", 1, 0.0)
        stop.orderType, stop.auxPrice, stop.parentId = "STP", 0.01, parent_id
        stop.lmtPrice = sys.float_info.max
        numbers = [parent_id, self.send(self.low, profit), self.send(self.low, stop)]
        self.wait_for_status(parent_id, "Submitted")
        for number in numbers[1:]:
            self.wait_for_status(number, "PreSubmitted")
        self.cancel(parent_id)
        for number in numbers:
            self.wait_for_status(number, "Cancelled")

    def combination(self) -> Contract:
        bag = contract(symbol=self.symbol, secType="BAG", exchange="SMART", currency="USD")
        bag.comboLegs = []
        for one, action in ((self.low, "BUY"), (self.high, "SELL")):
            leg = ComboLeg()
            leg.conId, leg.ratio, leg.action, leg.exchange = one.conId, 1, action, "SMART"
            bag.comboLegs.append(leg)
        return bag

    def trade_combination(self) -> None:
        bag = self.combination()
        net = round(self.low_quote[1] - self.high_quote[0] + 0.5, 2)
        number = self.send(bag, limit_order("BUY", 1, net, "vertical"))
        self.wait_for_status(number, "Filled")
        self.until(lambda: len(self.executions(number)) == 3, "executions of the combination and its legs")

    def trade_legs_apart(self) -> None:
        for action in ("BUY", "SELL"):
            order = market_order(action, 1)
            order.smartComboRoutingParams = [TagValue("NonGuaranteed", "1")]
            number = self.send(self.combination(), order)
            self.wait_for_status(number, "Filled")
            kinds = [one[0].secType for one in self.executions(number)]
            check(kinds == ["OPT", "OPT"], f"executions of the legs alone: {kinds}")

    def trade_future_and_currency(self) -> None:
        months = self.details(contract(symbol="ES", secType="FUT", exchange="CME", currency="USD"))
        front = min(months, key=lambda one: one.lastTradeDateOrContractMonth)
        (euro,) = self.details(contract(symbol="EUR", secType="CASH", exchange="IDEALPRO", currency="USD"))
        for one, quantity in ((front, 2), (euro, 25_000)):
            for action in ("BUY", "SELL"):
                number = self.send(one, market_order(action, quantity))
                self.wait_for_status(number, "Filled")
                told = self.executions(number)
                check(sum(float(fill[1].shares) for fill in told) == quantity, f"all of it: {told}")
                check({fill[1].exchange for fill in told} == {one.exchange}, f"its exchange: {told}")

    def look_at_account(self) -> None:
        self.reqPositions()
        self.until(lambda: self.seen["positionEnd"], "the end of the positions")
        held = {one[1].conId: float(one[2]) for one in self.seen["position"]}
        check(held == {self.low.conId: 3.0, self.high.conId: -1.0}, f"positions: {held}")
        request = self.take_id()
        self.reqAccountSummary(request, "All", "NetLiquidation,AccountType")
        self.until(lambda: self.seen["accountSummaryEnd"], "the end of the summary")
        tags = {one[2]: one[3] for one in self.seen["accountSummary"]}
        check(float(tags["NetLiquidation"]) > 0, f"a net liquidation value: {tags}")
        self.reqAccountUpdates(True, "")
        self.until(lambda: self.seen["accountDownloadEnd"], "the end of the account's download")
        self.reqExecutions(self.take_id(), ExecutionFilter())
        self.until(lambda: self.seen["execDetailsEnd"], "the end of the executions")
        self.reqCompletedOrders(False)
        self.until(lambda: self.seen["completedOrdersEnd"], "the end of the completed orders")
        check(len(self.seen["completedOrder"]) >= 5, "completed orders")

    def reconnect(self) -> None:
        before = {one[2].execId for one in self.seen["execDetails"]}
        bad = [one for one in self.errors if FATAL & {word for word in one if isinstance(word, int)}]
        check(not bad, f"no error: {bad}")
        self.disconnect()
        if self.pump is not None:
            self.pump.join(5)
        time.sleep(1.5)  # its reader holds the socket open until its last recv times out: 326 until then
        self.seen.clear()
        self.connect_and_greet()
        self.reqExecutions(self.take_id(), ExecutionFilter())
        self.until(lambda: self.seen["execDetailsEnd"], "the end of the executions")
        check({one[2].execId for one in self.seen["execDetails"]} == before, "the same executions again")


def contract(**fields: Any) -> Contract:
    """Return a contract with these fields."""
    made = Contract()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def limit_order(action: str, quantity: int, price: float, reference: str = "") -> Order:
    """Return a limit order."""
    order = Order()
    order.action, order.orderType = action, "LMT"
    order.totalQuantity = type(order.totalQuantity)(quantity)
    order.lmtPrice, order.orderRef = round(price, 2), reference
    return order


def market_order(action: str, quantity: int) -> Order:
    """Return a market order."""
    order = limit_order(action, quantity, 0.0)
    order.orderType, order.lmtPrice = "MKT", sys.float_info.max
    return order


def recorder(name: str) -> Callable[..., None]:
    """Return a callback that keeps its arguments."""

    def record(self: Driver, *arguments: Any) -> None:
        self.seen[name].append(arguments)

    return record


RECORDED = """accountDownloadEnd accountSummary accountSummaryEnd commissionReport
commissionAndFeesReport completedOrder completedOrdersEnd contractDetails contractDetailsEnd execDetails
execDetailsEnd managedAccounts
openOrder openOrderEnd orderStatus position positionEnd securityDefinitionOptionParameter
securityDefinitionOptionParameterEnd tickOptionComputation tickPrice"""
for callback in RECORDED.split():
    setattr(Driver, callback, recorder(callback))


def main() -> None:
    """Run the flow."""
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
    try:
        Driver(int(sys.argv[1]), sys.argv[2]).run_flow()
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # the library's own threads would keep the process
    print("done")


main()
