"""What clients are told about the account: values by tag, positions, portfolio, profit."""

from __future__ import annotations

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.contracts import contract_fields
from optionsib.brokers.paper.wire import Field, format_money, format_ratio
from optionsib.common.types import MONEY_SCALE

BASE, CURRENCY = "BASE", "USD"
_DAY_TRADING_LEVERAGE = 4  # of the available funds of a margin account
_ZERO = (
    *("AccruedCash", "AccruedDividend", "BondValue", "CorporateBondValue", "FundValue", "FxCashBalance"),
    *("IssuerOptionValue", "MoneyMarketFundValue", "MutualFundValue"),
    *("NetDividend", "TBillValue", "TBondValue", "WarrantValue"),
)
_BY_CURRENCY = (
    *("CashBalance", "TotalCashBalance", "NetLiquidationByCurrency", "OptionMarketValue"),
    *("FutureOptionValue", "FuturesPNL", "RealizedPnL", "StockMarketValue", "UnrealizedPnL", *_ZERO),
)
_LEDGER = frozenset({"Currency", "RealCurrency", "ExchangeRate", *_BY_CURRENCY})
Value = tuple[str, str, str]  # tag, value, currency


class AccountValues:
    """Renders an account; amounts are in the base currency, balances of other currencies in theirs."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._directory = account.directory
        self._board = account.board

    def values(self) -> list[Value]:
        """Return the account values in the order of TWS: words, amounts, amounts by currency."""
        account, margin = self._account, self._account.margin()
        equity, liquidation = account.equity_with_loan(), account.net_liquidation()
        available, excess = equity - margin.initial, equity - margin.maintenance
        gross = sum(
            abs(account.market_value(con_id))
            for con_id, held in account.positions()
            if held.quantity and self._directory.by_id[con_id].security_type in ("STK", "OPT", "FOP")
        )
        amounts = {
            "AvailableFunds": available,
            "BuyingPower": max(0, available) * _DAY_TRADING_LEVERAGE,
            "EquityWithLoanValue": equity,
            "ExcessLiquidity": excess,
            "FullAvailableFunds": available,
            "FullExcessLiquidity": excess,
            "FullInitMarginReq": margin.initial,
            "FullMaintMarginReq": margin.maintenance,
            "GrossPositionValue": gross,
            "InitMarginReq": margin.initial,
            "LookAheadAvailableFunds": available,
            "LookAheadExcessLiquidity": excess,
            "LookAheadInitMarginReq": margin.initial,
            "LookAheadMaintMarginReq": margin.maintenance,
            "MaintMarginReq": margin.maintenance,
            "NetLiquidation": liquidation,
            "PreviousDayEquityWithLoanValue": account.initial_cash,
            "RegTEquity": equity,
            "RegTMargin": margin.initial - margin.futures,
            "SettledCash": account.cash + account.holdings_value("CASH"),
            "SMA": available,
            "TotalCashValue": account.total_cash(),
        }
        leverage = f"{gross / liquidation:.2f}" if liquidation > 0 else "0.00"
        words: list[Value] = [
            ("AccountCode", account.name, ""),
            ("AccountOrGroup", account.name, "BASE"),
            ("AccountOrGroup", account.name, CURRENCY),
            ("AccountReady", "true", ""),
            ("AccountType", "INDIVIDUAL", ""),
            ("Cushion", f"{account.cushion():.6f}", ""),
            ("DayTradesRemaining", "-1", ""),
            ("Leverage", leverage, ""),
            ("LookAheadNextChange", "0", ""),
            ("TradingType-S", "STKNOPT", ""),
        ]
        words += [(tag, format_money(amount), CURRENCY) for tag, amount in sorted(amounts.items())]
        for currency, rate, by_tag in self._ledgers():
            words += [
                ("Currency", currency, currency),
                ("RealCurrency", CURRENCY if currency == BASE else currency, currency),
                ("ExchangeRate", rate, currency),
            ]
            words += [(tag, format_money(by_tag.get(tag, 0)), currency) for tag in _BY_CURRENCY]
        return words

    def _ledgers(self) -> list[tuple[str, str, dict[str, int]]]:
        """Return currency, its rate in dollars, and amounts by tag: all in dollars, then each by itself."""
        account = self._account
        exchanged = account.holdings_value("CASH")
        dollars = {
            "CashBalance": account.cash,
            "FutureOptionValue": account.holdings_value("FOP"),
            "FuturesPNL": account.open_futures_profit(),
            "NetLiquidationByCurrency": account.net_liquidation() - exchanged,
            "OptionMarketValue": account.holdings_value("OPT"),
            "RealizedPnL": account.realized_total(),
            "StockMarketValue": account.holdings_value("STK"),
            "TotalCashBalance": account.total_cash() - exchanged,
            "UnrealizedPnL": account.unrealized_total(),
        }
        moneys = ("CashBalance", "TotalCashBalance", "NetLiquidationByCurrency")
        base = dollars | {tag: dollars[tag] + exchanged for tag in moneys}
        found = [(BASE, "1.00", base), (CURRENCY, "1.00", dollars)]
        for currency, balance, con_id in account.currencies():
            rate = format_ratio(self._board.doubled_mark(con_id) or 0, 2)
            found.append((currency, rate, dict.fromkeys(moneys, balance)))
        return found

    def summary(self, tags: list[str]) -> list[Value]:
        """Return the values with these tags; ``$LEDGER`` (``:ALL``, ``:USD`` ...) means all of a currency."""
        wanted = set(tags)
        found: list[Value] = []
        for tag, value, currency in self.values():
            ledgers = {"$LEDGER:ALL", f"$LEDGER:{currency}"}
            if currency == BASE:
                if tag in _LEDGER and wanted & {"$LEDGER", *ledgers}:
                    found.append((tag, value, currency))
            elif tag in wanted or (tag in _LEDGER and wanted & ledgers):
                found.append((tag, value, currency))
        return found

    def position_message(self, con_id: int) -> list[Field]:
        """Return the position message of one contract."""
        return [61, 3, self._account.name, *self._position(con_id)]

    def position_multi_message(self, request_id: int, con_id: int, model: str) -> list[Field]:
        """Return the position message of a request by account and model."""
        return [71, 1, request_id, self._account.name, *self._position(con_id), model]

    def portfolio_message(self, con_id: int) -> list[Field]:
        """Return the portfolio value message of one contract."""
        held, contract = dict(self._account.positions())[con_id], self._directory.by_id[con_id]
        mark = self._board.doubled_mark(con_id)
        return [
            7,
            8,
            *contract_fields(contract),
            held.quantity,
            "0" if mark is None else format_ratio(mark, 2),
            format_money(self._account.market_value(con_id)),
            format_ratio(held.cost, held.quantity, MONEY_SCALE),
            format_money(self._account.unrealized(con_id)),
            format_money(held.realized),
            self._account.name,
        ]

    def profit_message(self, request_id: int, con_id: int) -> list[Field]:
        """Return the P&L message of one contract, or of the account for ``con_id`` 0."""
        account = self._account
        if con_id == 0:
            amounts = (account.daily_profit(), account.unrealized_total(), account.realized_total())
            return [94, request_id, *map(format_money, amounts)]
        held = dict(account.positions()).get(con_id)
        if held is None:
            return [95, request_id, 0, "0", "0", "0", "0"]
        unrealized = account.unrealized(con_id)
        amounts = (held.realized + unrealized, unrealized, held.realized)
        value = format_money(account.market_value(con_id))
        return [95, request_id, held.quantity, *map(format_money, amounts), value]

    def _position(self, con_id: int) -> list[Field]:
        held = dict(self._account.positions())[con_id]
        fields = contract_fields(self._directory.by_id[con_id], exchange="")
        return [*fields, held.quantity, format_ratio(held.cost, held.quantity, MONEY_SCALE)]
