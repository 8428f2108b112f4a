"""IB's own client asks the paper exchange for every kind of market data.

usage: drive_ibapi_market.py PORT
"""

from __future__ import annotations

import inspect
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

EXPECTED = {
    "contractDetails": 5, "contractDetailsEnd": 5, "symbolSamples": 1, "mktDepthExchanges": 1,
    "marketRule": 1, "smartComponents": 1, "securityDefinitionOptionParameter": 17,
    "securityDefinitionOptionParameterEnd": 1,
    "tickReqParams": 4, "marketDataType": 4, "tickPrice": 20, "tickSize": 10, "tickGeneric": 5,
    "tickString": 4, "tickOptionComputation": 5, "tickSnapshotEnd": 1, "updateMktDepth": 10,
    "updateMktDepthL2": 10, "tickByTickAllLast": 5, "tickByTickBidAsk": 2, "tickByTickMidPoint": 2,
    "historicalData": 20, "historicalDataEnd": 3, "historicalDataUpdate": 2, "realtimeBar": 2,
    "headTimestamp": 1, "histogramData": 1, "historicalTicks": 1, "historicalTicksBidAsk": 1,
    "historicalTicksLast": 1,
}  # fmt: skip
DEADLINE = 40.0


class Market(EWrapper, EClient):  # type: ignore[misc]
    """Counts callbacks by name, and keeps what went wrong and the details of contracts."""

    def __init__(self) -> None:
        EClient.__init__(self, self)
        self.seen: Counter[str] = Counter()
        self.failures: list[tuple[Any, ...]] = []
        self.details: dict[int, Any] = {}


def _counting(name: str) -> Callable[..., None]:
    def called(self: Market, *arguments: Any) -> None:
        self.seen[name] += 1
        if name == "error" and not any(isinstance(word, int) and 2100 <= word < 2200 for word in arguments):
            self.failures.append(arguments)
        if name == "contractDetails":
            self.details[arguments[0]] = arguments[1]

    return called


for _name, _ in inspect.getmembers(EWrapper, inspect.isfunction):
    if not _name.startswith(("_", "log")) and not _name.endswith("ProtoBuf"):
        setattr(Market, _name, _counting(_name))


def contract(**fields: Any) -> Contract:
    made = Contract()
    made.currency = "USD"
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def wait(client: Market, condition: Callable[[], bool]) -> bool:
    """Wait until ``condition`` holds; tell whether it does."""
    until = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < until and not client.failures:
        time.sleep(0.05)
    return condition()


def ask(client: Market, share: Contract, option: Contract, future: Contract, index: Contract) -> None:
    """Send one request of each kind."""
    client.reqMatchingSymbols(20, "SP")
    client.reqMktDepthExchanges()
    client.reqSmartComponents(21, "9c0001")
    client.reqMarketRule(int(client.details[10].marketRuleIds.split(",")[0]))
    client.reqSecDefOptParams(22, "SPY", "", "STK", client.details[10].contract.conId)
    client.reqMktData(30, share, "104,106,165,221,233,236", False, False, [])
    client.reqMktData(31, option, "100,101", False, False, [])
    client.reqMktData(32, future, "588", False, False, [])
    client.reqMktData(33, index, "", True, False, [])
    client.reqMktDepth(40, share, 5, True, [])
    client.reqMktDepth(41, future, 5, False, [])
    client.reqTickByTickData(50, share, "AllLast", 0, False)
    client.reqTickByTickData(51, future, "BidAsk", 0, True)
    client.reqTickByTickData(52, future, "MidPoint", 0, True)
    client.reqHistoricalData(60, share, "", "2 D", "30 mins", "TRADES", 1, 1, False, [])
    client.reqHistoricalData(61, option, "", "3600 S", "1 min", "MIDPOINT", 1, 2, True, [])
    client.reqHistoricalData(62, future, "", "1 D", "1 hour", "BID_ASK", 0, 1, True, [])
    client.reqRealTimeBars(70, share, 5, "TRADES", True, [])
    client.reqHeadTimeStamp(80, share, "TRADES", 1, 1)
    client.reqHistogramData(81, share, True, "3 days")
    end = "20140605 15:59:00 America/New_York"
    for request, what in ((82, "TRADES"), (83, "BID_ASK"), (84, "MIDPOINT")):
        client.reqHistoricalTicks(request, share, "", end, 20, what, 1, True, [])
    client.calculateImpliedVolatility(90, option, 40.0, 690.0, [])
    client.calculateOptionPrice(91, option, 0.2, 690.0, [])


def main() -> int:
    client = Market()
    client.connect("127.0.0.1", int(sys.argv[1]), 21)
    threading.Thread(target=client.run, daemon=True).start()
    share = contract(symbol="SPY", secType="STK", exchange="SMART")
    option = contract(
        symbol="SPY",
        secType="OPT",
        exchange="SMART",
        lastTradeDateOrContractMonth="20140718",
        strike=690.0,
        right="C",
    )
    future = contract(symbol="ES", secType="FUT", exchange="CME", lastTradeDateOrContractMonth="201406")
    index = contract(symbol="SPX", secType="IND", exchange="CBOE")
    combination = contract(symbol="SPY", secType="BAG", exchange="SMART")
    assert wait(client, lambda: client.seen["nextValidId"] > 0)
    for request, one in enumerate((share, option, future, index, combination), start=10):
        client.reqContractDetails(request, one)
    assert wait(client, lambda: client.seen["contractDetailsEnd"] == 5), client.failures
    ask(client, share, option, future, index)
    complete = wait(client, lambda: all(client.seen[name] >= count for name, count in EXPECTED.items()))
    client.disconnect()
    missing = {name: client.seen[name] for name, count in EXPECTED.items() if client.seen[name] < count}
    print("missing", missing, "failures", client.failures)
    if complete and not client.failures:
        print("done")
    return 0 if complete and not client.failures else 1


if __name__ == "__main__":
    sys.exit(main())
