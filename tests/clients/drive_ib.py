"""Drive a server of the TWS protocol with ib_async or ib_insync, from connecting to reconnecting.

usage: drive_ib.py LIBRARY PORT SYMBOL

Runs in the library's own environment, so nothing of this project is imported. Ends with code 0 and the
line ``done`` if everything was answered as IB does; log lines of the library go to standard output.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
import sys
from collections.abc import Callable
from typing import Any

CLIENT_ID = 7


async def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    """Wait until ``condition`` holds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)


def check(holds: Any, what: str) -> None:
    """Fail if ``holds`` is false."""
    if not holds:
        raise AssertionError(what)


class Driver:
    """One flow through everything that an options program asks of IB."""

    def __init__(self, library: Any, port: int, symbol: str) -> None:
        self.library, self.port, self.symbol = library, port, symbol
        self.ib = library.IB()
        self.codes: list[int] = []
        self.ib.errorEvent += lambda request, code, text, contract: self.codes.append(code)

    async def run(self) -> None:
        """Do every step; print the name of each."""
        steps = (
            self.connect,
            self.look_up_contracts,
            self.watch_market,
            self.ask_history,
            self.preview,
            self.buy_at_the_ask,
            self.modify_and_cancel,
            self.place_bracket,
            self.trade_combination,
            self.sell_at_market,
            self.trade_legs_apart,
            self.trade_future_and_option,
            self.trade_currency,
            self.look_at_account,
            self.reconnect,
        )
        for step in steps:
            print(step.__name__, flush=True)
            await asyncio.wait_for(step(), 60)
        self.ib.disconnect()

    async def connect(self) -> None:
        await self.ib.connectAsync("127.0.0.1", self.port, clientId=CLIENT_ID, timeout=15)
        check(self.ib.managedAccounts()[0].startswith("DU"), "a paper account")
        check(abs((await self.ib.reqCurrentTimeAsync()).timestamp()) > 1e9, "a time")

    async def look_up_contracts(self) -> None:
        stock = self.library.Stock(self.symbol, "SMART", "USD")
        (self.stock,) = await self.ib.qualifyContractsAsync(stock)
        (details,) = await self.ib.reqContractDetailsAsync(self.stock)
        check(details.contract.conId == self.stock.conId and details.minTick > 0, "details of the stock")
        chains = await self.ib.reqSecDefOptParamsAsync(self.symbol, "", "STK", self.stock.conId)
        chain = max(chains, key=lambda one: len(one.strikes))
        expiry = sorted(chain.expirations)[min(2, len(chain.expirations) - 1)]
        wildcard = self.library.Option(self.symbol, expiry, exchange="SMART", currency="USD")
        found = [details.contract for details in await self.ib.reqContractDetailsAsync(wildcard)]
        check(len(found) >= 4 and {one.right for one in found} == {"C", "P"}, "options of the expiry")
        check(len({one.conId for one in found}) == len(found), "contract ids that differ")
        rule = details.marketRuleIds.split(",")[0]
        check(await self.ib.reqMarketRuleAsync(int(rule)), "a market rule")
        (ticker,) = await self.ib.reqTickersAsync(self.stock)
        spot = (ticker.bid + ticker.ask) / 2
        self.calls = sorted((one for one in found if one.right == "C"), key=lambda one: one.strike)
        nearest = min(range(len(self.calls) - 1), key=lambda i: abs(self.calls[i].strike - spot))
        self.low, self.high = self.calls[nearest], self.calls[nearest + 1]

    async def watch_market(self) -> None:
        self.tickers = {one.conId: self.ib.reqMktData(one) for one in (self.stock, self.low, self.high)}
        for ticker in self.tickers.values():
            await until(lambda one=ticker: one.bid > 0 and one.ask > one.bid, "both sides of a quote")
        ticker = self.tickers[self.low.conId]
        await until(lambda: ticker.modelGreeks is not None, "model greeks")
        greeks = ticker.modelGreeks
        check(0 < greeks.delta < 1 and greeks.impliedVol > 0 and greeks.gamma > 0, f"sane greeks: {greeks}")
        depth = self.ib.reqMktDepth(self.low, numRows=5)
        await until(lambda: depth.domBids and depth.domAsks, "depth")
        self.ib.cancelMktDepth(self.low)

    async def ask_history(self) -> None:
        bars = await self.ib.reqHistoricalDataAsync(self.stock, "", "1 D", "5 mins", "TRADES", True)
        check(bars is not None, "bars or an empty list")
        check(all(bar.low <= bar.close <= bar.high for bar in bars), "bars that hold together")
        under = (self.tickers[self.stock.conId].bid + self.tickers[self.stock.conId].ask) / 2
        price = self.tickers[self.low.conId].ask
        made = await self.ib.calculateImpliedVolatilityAsync(self.low, price, under)
        check(made is not None and made.impliedVol > 0, "an implied volatility")

    async def preview(self) -> None:
        order = self.library.LimitOrder("BUY", 1, self.ask(self.low))
        state = await self.ib.whatIfOrderAsync(self.low, order)
        check(float(state.initMarginAfter) >= 0, "a margin after the trade")
        check(math.isfinite(float(state.commission)) and float(state.commission) < 100, "a commission")
        check(not self.ib.openTrades(), "no order is left of a preview")

    async def buy_at_the_ask(self) -> None:
        order = self.library.LimitOrder("BUY", 2, self.ask(self.low) + 1, orderRef="buy")
        trade = self.ib.placeOrder(self.low, order)
        await until(lambda: trade.orderStatus.status == "Filled", f"a fill: {trade}")
        await until(lambda: all(fill.commissionReport.commission > 0 for fill in trade.fills), "commissions")
        check(sum(fill.execution.shares for fill in trade.fills) == 2, "two contracts")
        check(trade.order.permId > 0, "a permId")

    async def modify_and_cancel(self) -> None:
        order = self.library.LimitOrder("BUY", 1, 0.05, orderRef="resting")
        trade = self.ib.placeOrder(self.low, order)
        await until(lambda: trade.orderStatus.status == "Submitted", f"a working order: {trade}")
        perm_id = trade.order.permId
        order.lmtPrice, order.totalQuantity = 0.10, 3
        self.ib.placeOrder(self.low, order)
        await self.ib.reqCurrentTimeAsync()
        open_orders = await self.ib.reqAllOpenOrdersAsync()
        shown = [one.order for one in open_orders if one.order.permId == perm_id]
        check([(one.lmtPrice, one.totalQuantity) for one in shown] == [(0.10, 3)], f"the new terms: {shown}")
        self.ib.cancelOrder(order)
        await until(lambda: trade.orderStatus.status == "Cancelled", f"a cancelled order: {trade}")
        check(trade.fills == [], "no fill")

    async def place_bracket(self) -> None:
        orders = self.ib.bracketOrder("BUY", 1, 0.05, takeProfitPrice=90, stopLossPrice=0.01)
        trades = [self.ib.placeOrder(self.low, order) for order in orders]
        await until(lambda: trades[0].orderStatus.status == "Submitted", f"a working parent: {trades}")
        await until(
            lambda: {trade.orderStatus.status for trade in trades[1:]} == {"PreSubmitted"},
            f"children: {trades}",
        )
        self.ib.cancelOrder(trades[0].order)
        await until(
            lambda: {trade.orderStatus.status for trade in trades} == {"Cancelled"}, f"an end: {trades}"
        )

    def combination(self) -> Any:
        legs = [
            self.library.ComboLeg(conId=self.low.conId, ratio=1, action="BUY", exchange="SMART"),
            self.library.ComboLeg(conId=self.high.conId, ratio=1, action="SELL", exchange="SMART"),
        ]
        return self.library.Contract(
            secType="BAG", symbol=self.symbol, exchange="SMART", currency="USD", comboLegs=legs
        )

    async def trade_combination(self) -> None:
        bag = self.combination()
        net = self.ask(self.low) - self.tickers[self.high.conId].bid
        order = self.library.LimitOrder("BUY", 1, round(net + 0.5, 2), orderRef="vertical")
        trade = self.ib.placeOrder(bag, order)
        await until(lambda: trade.orderStatus.status == "Filled", f"a filled combination: {trade}")
        await until(
            lambda: len(trade.fills) == 3, f"an execution of the combination and one a leg: {trade.fills}"
        )
        sides = {fill.contract.conId: fill.execution.side for fill in trade.fills}
        check(
            (sides[self.low.conId], sides[self.high.conId]) == ("BOT", "SLD"), f"sides of the legs: {sides}"
        )

    async def sell_at_market(self) -> None:
        trade = self.ib.placeOrder(self.low, self.library.MarketOrder("SELL", 1, orderRef="market"))
        await until(lambda: trade.orderStatus.status == "Filled", f"a market order's fill: {trade}")

    async def trade_legs_apart(self) -> None:
        bag = self.combination()
        for action in ("BUY", "SELL"):
            order = self.library.MarketOrder(
                action,
                1,
                orderRef="apart",
                smartComboRoutingParams=[self.library.TagValue("NonGuaranteed", "1")],
            )
            trade = self.ib.placeOrder(bag, order)
            await until(lambda one=trade: one.orderStatus.status == "Filled", f"both legs: {trade}")
            kinds = [fill.contract.secType for fill in trade.fills]
            check(kinds == ["OPT", "OPT"], f"executions of the legs alone: {kinds}")

    async def trade_future_and_option(self) -> None:
        await asyncio.sleep(1.0)  # the exchange warns above 44 messages a second
        months = await self.ib.reqContractDetailsAsync(self.library.Future("ES", exchange="CME"))
        front = min((one.contract for one in months), key=lambda one: one.lastTradeDateOrContractMonth)
        state = await self.ib.whatIfOrderAsync(front, self.library.MarketOrder("BUY", 1))
        check(float(state.initMarginChange) > float(state.maintMarginChange) > 0, f"a margin: {state}")
        await self.round_trip(front, 1)
        (ticker,) = await self.ib.reqTickersAsync(front)
        chain = await self.ib.reqSecDefOptParamsAsync("ES", "CME", "FUT", front.conId)
        strike = min(chain[0].strikes, key=lambda one: abs(one - ticker.bid))
        wanted = self.library.FuturesOption("ES", chain[0].expirations[0], strike, "P", "CME")
        (details,) = await self.ib.reqContractDetailsAsync(wanted)
        await self.round_trip(details.contract, 1)

    async def trade_currency(self) -> None:
        (details,) = await self.ib.reqContractDetailsAsync(self.library.Forex("EURUSD"))
        trade = self.ib.placeOrder(details.contract, self.library.MarketOrder("BUY", 25_000))
        await until(lambda: trade.orderStatus.status == "Filled", f"a fill: {trade}")
        await until(
            lambda: any(
                (one.tag, one.currency, float(one.value)) == ("CashBalance", "EUR", 25_000)
                for one in self.ib.accountValues()
                if one.tag == "CashBalance"
            ),
            "a balance of euros",
        )
        trade = self.ib.placeOrder(details.contract, self.library.MarketOrder("SELL", 25_000))
        await until(lambda: trade.orderStatus.status == "Filled", f"a fill: {trade}")

    async def round_trip(self, contract: Any, quantity: int) -> None:
        """Buy and sell at the market."""
        for action in ("BUY", "SELL"):
            trade = self.ib.placeOrder(contract, self.library.MarketOrder(action, quantity))
            await until(lambda one=trade: one.orderStatus.status == "Filled", f"a fill: {trade}")
            await until(
                lambda one=trade: all(fill.commissionReport.commission > 0 for fill in one.fills),
                "commissions",
            )
        check(abs(trade.fills[-1].commissionReport.realizedPNL) < 1e6, "a realized profit")

    async def look_at_account(self) -> None:
        fills = await self.ib.reqExecutionsAsync()
        references = [fill.execution.orderRef for fill in fills]
        check({"buy", "vertical", "market"} <= set(references), f"executions of each order: {references}")
        self.held = {one.contract.conId: one.position for one in await self.ib.reqPositionsAsync()}
        check(self.held == {self.low.conId: 2, self.high.conId: -1}, f"positions: {self.held}")
        tags = {one.tag: one.value for one in await self.ib.accountSummaryAsync()}
        check(float(tags["NetLiquidation"]) > 0, "a net liquidation value")
        check(any(one.tag == "TotalCashValue" for one in self.ib.accountValues()), "account values")
        profit = self.ib.reqPnL(self.ib.managedAccounts()[0], "")
        await until(lambda: math.isfinite(profit.dailyPnL), "a profit")
        completed = await self.ib.reqCompletedOrdersAsync(False)
        check(len(completed) >= 6, f"completed orders: {len(completed)}")

    async def reconnect(self) -> None:
        before = {fill.execution.execId for fill in self.ib.fills()}
        self.ib.disconnect()
        await asyncio.sleep(0.2)
        await self.ib.connectAsync("127.0.0.1", self.port, clientId=CLIENT_ID, timeout=15)
        check({fill.execution.execId for fill in self.ib.fills()} == before, "the same executions again")
        check(
            {one.contract.conId: one.position for one in self.ib.positions()} == self.held, "positions again"
        )
        unexpected = [
            code for code in self.codes if not 2100 <= code < 2200 and code not in (202, 399, 10349)
        ]
        check(not unexpected, f"no error: {unexpected}")

    def ask(self, contract: Any) -> float:
        return float(self.tickers[contract.conId].ask)


def main() -> None:
    """Run the flow."""
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
    library = importlib.import_module(sys.argv[1])
    asyncio.run(Driver(library, int(sys.argv[2]), sys.argv[3]).run())
    print("done")


main()
