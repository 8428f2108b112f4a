"""The instruments of the simulated market: made when somebody asks, found by id or description."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from optionsib.common.ports import ChainParameters, ContractListing, ContractQuery
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract
from optionsib.data.calendars import last_session_on_or_before
from optionsib.data.synthetic import listing
from optionsib.data.synthetic.catalog import CLASS_SYMBOLS, PRODUCTS, Product, product_of
from optionsib.data.synthetic.listing import Series

NEW_YORK_ZONE, CHICAGO_ZONE = "America/New_York", "America/Chicago"
SHARE_EXCHANGES = ("SMART", "AMEX", "NYSE", "CBOE", "PHLX", "ISE", "CHX", "ARCA", "NASDAQ", "DRCTEDGE",
                   "BEX", "BATS", "EDGEA", "BYX", "IEX", "MEMX", "PEARL")  # fmt: skip
OPTION_EXCHANGES = ("SMART", "AMEX", "BOX", "BATS", "CBOE", "CBOE2", "EDGX", "EMERALD", "GEMINI", "ISE",
                    "MERCURY", "MIAX", "NASDAQBX", "NASDAQOM", "PEARL", "PHLX", "PSE")  # fmt: skip
_OCC = re.compile(r"([A-Z]{1,6}) *([0-9]{6})([CP])([0-9]{8})")
_FUTURE = re.compile(rf"([A-Z0-9]{{1,3}})([{listing.MONTH_CODES}])([0-9])")
_RIGHTS: dict[str, Literal["C", "P", ""]] = {
    "": "", "?": "", "0": "", "0.0": "", "C": "C", "CALL": "C", "P": "P", "PUT": "P",
}  # fmt: skip
_SIDES: tuple[Literal["C", "P"], ...] = ("C", "P")


@dataclass(frozen=True, slots=True)
class Instrument:
    """A contract with what prices it; ``under`` is the instrument an option is on."""

    listing: ContractListing
    product: Product
    under: Instrument | None = None

    @property
    def contract(self) -> Contract:
        """The contract itself."""
        return self.listing.contract


@dataclass(slots=True)
class Chain:
    """The options on one underlying: series, and for each an array of ids (strikes, call and put)."""

    under: Instrument
    series: list[Series]
    ids: list[list[tuple[int, int]]]


class Registry:
    """Lists products, futures and options of one day. ``spot_of`` gives the level that strikes surround."""

    def __init__(self, seed: int, date: dt.date, spot_of: Callable[[Instrument], float], rate: float) -> None:
        self._seed, self._date, self._spot_of, self._rate = seed, date, spot_of, rate
        self._instruments: dict[int, Instrument] = {}
        self._chains: dict[int, Chain] = {}
        self._places: dict[int, tuple[Chain, int, int, int]] = {}  # option id -> series, strike, right
        self._knows_catalogue = False

    def instrument(self, con_id: int) -> Instrument | None:
        """Return the instrument with this id, whoever asked for it before."""
        found = self._instruments.get(con_id)
        if found is None:
            found = self._option_at(con_id)
        if found is None and not self._knows_catalogue and con_id >= listing.FIRST_ID:
            self._knows_catalogue = True  # an id from an earlier process: list everything known, once
            for product in PRODUCTS.values():
                for under in self._of_product(product):
                    self.chain(under)
            found = self._instruments.get(con_id) or self._option_at(con_id)
        return found

    def find(self, query: ContractQuery) -> list[Instrument]:
        """Return what fits ``query``, in (expiry, strike, call before put) order."""
        right = _RIGHTS.get(query.right.upper())
        if right is None:
            return []
        if query.con_id:
            found = self.instrument(query.con_id)
            return [found] if found is not None else []
        if query.local_symbol and not query.symbol:
            named = self._complete(query)
            if named is None:
                return []
            query = named
        if query.security_type in ("OPT", "FOP"):
            candidates = self._options_of(query, right)
        else:
            candidates = self._plain(query)
        return [one for one in candidates if _fits(query, one)]

    def matching(self, pattern: str) -> list[Instrument]:
        """Return underlyings whose symbol or name begins with ``pattern``; the exact symbol first."""
        wanted = pattern.strip().upper()
        if not wanted:
            return []
        products = [
            p for p in PRODUCTS.values() if p.symbol.startswith(wanted) or p.name.upper().startswith(wanted)
        ]
        if not any(product.symbol == wanted for product in products):
            made_up = product_of(wanted, "STK")
            products = [made_up, *products] if made_up is not None else products
        products.sort(key=lambda product: (product.symbol != wanted, product.symbol))
        return [self._of_product(product)[0] for product in products[:16]]

    def chain(self, under: Instrument) -> Chain:
        """Return the options on ``under``; empty for what has none."""
        con_id = under.contract.con_id
        found = self._chains.get(con_id)
        if found is not None:
            return found
        series = listing.option_series(under.product, self._date, self._spot_of(under))
        if under.contract.security_type == "FUT":
            series = [one for one in series if f"{one.date:%Y%m%d}" == under.contract.expiry_date]
        found = self._chains[con_id] = Chain(under, [], [])
        for one in series:
            kept: list[int] = []
            pairs: list[tuple[int, int]] = []
            for strike, (call, put) in zip(
                one.strikes, listing.option_ids(self._seed, under.product, one).tolist(), strict=True
            ):
                if call == put or any(i in self._places or i in self._instruments for i in (call, put)):
                    continue
                for right, option_id in enumerate((call, put)):
                    self._places[option_id] = (found, len(found.series), len(pairs), right)
                kept.append(strike)
                pairs.append((call, put))
            found.series.append(Series(one.trading_class, one.date, one.expiry_ns, tuple(kept)))
            found.ids.append(pairs)
        return found

    def chain_parameters(self, under: Instrument) -> list[ChainParameters]:
        """Return expiries and strikes, one message an exchange and trading class."""
        chain = self.chain(under)
        classes: dict[str, list[Series]] = {}
        for one in chain.series:
            classes.setdefault(one.trading_class, []).append(one)
        return [
            ChainParameters(
                exchange,
                under.contract.con_id,
                name,
                _option_multiplier(under),
                tuple(sorted({f"{one.date:%Y%m%d}" for one in members})),
                tuple(sorted({strike for one in members for strike in one.strikes})),
            )
            for exchange in _option_exchanges(under)
            for name, members in sorted(classes.items())
        ]

    # --- making ------------------------------------------------------------------------------------------

    def _of_product(self, product: Product) -> list[Instrument]:
        """Return the product itself, or all months of a futures strip."""
        if product.security_type == "FUT":
            return [self._future(product, friday) for friday in listing.futures_expiries(self._date)]
        con_id = listing.contract_id(self._seed, product.security_type, product.symbol)
        if con_id not in self._instruments:
            self._instruments[con_id] = self._made(product, con_id)
        return [self._instruments[con_id]]

    def _made(self, product: Product, con_id: int) -> Instrument:
        is_share, is_cash = product.security_type == "STK", product.security_type == "CASH"
        local = f"{product.symbol}.USD" if is_cash else product.symbol
        contract = Contract(
            con_id,
            product.symbol,
            product.security_type,
            exchange="SMART" if is_share else product.primary_exchange,
            local_symbol=local,
            trading_class=local
            if is_cash
            else "NMS"
            if product.primary_exchange == "NASDAQ"
            else product.symbol,
            tick_grid=product.tick_grid,
        )
        return Instrument(
            ContractListing(
                contract=contract,
                underlying=None,
                long_name=f"{product.name} (simulated)",
                market_name=contract.trading_class,
                primary_exchange=product.primary_exchange,
                exchanges=SHARE_EXCHANGES if is_share else (product.primary_exchange,),
                time_zone=NEW_YORK_ZONE,
                industry=product.industry,
                category=product.category,
                subcategory=product.subcategory,
                stock_type=("ETF" if product.is_fund else "COMMON") if is_share else "",
            ),
            product,
        )

    def _future(self, product: Product, friday: dt.date) -> Instrument:
        con_id = listing.contract_id(self._seed, "FUT", product.symbol, friday.toordinal())
        if con_id in self._instruments:
            return self._instruments[con_id]
        expiry_ns = listing.futures_expiry_ns(friday)
        last = last_session_on_or_before(friday)
        contract = Contract(
            con_id,
            product.symbol,
            "FUT",
            exchange=product.primary_exchange,
            multiplier=product.multiplier,
            expiry_date=f"{last:%Y%m%d}",
            expiry_ns=expiry_ns,
            local_symbol=listing.futures_symbol(product.symbol, friday),
            trading_class=product.symbol,
            tick_grid=product.tick_grid,
        )
        index = PRODUCTS.get((product.driver, "IND"))
        made = Instrument(
            ContractListing(
                contract=contract,
                underlying=self._of_product(index)[0].contract if index is not None else None,
                long_name=f"{product.name} (simulated)",
                market_name=product.symbol,
                primary_exchange="",
                exchanges=(product.primary_exchange,),
                time_zone=CHICAGO_ZONE,
                industry=product.industry,
                category=product.category,
                subcategory=product.subcategory,
                maintenance_margin=round(product.maintenance_margin * MONEY_SCALE),
            ),
            product,
        )
        self._instruments[con_id] = made
        return made

    def _option_at(self, con_id: int) -> Instrument | None:
        place = self._places.get(con_id)
        if place is None:
            return None
        chain, number, row, side = place
        made = self._option(
            chain.under, chain.series[number], chain.series[number].strikes[row], side, con_id
        )
        self._instruments[con_id] = made
        return made

    def _option(self, under: Instrument, series: Series, strike: int, side: int, con_id: int) -> Instrument:
        on_future = under.contract.security_type == "FUT"
        right = _SIDES[side]
        local = f"{series.trading_class:<6}{series.date:%y%m%d}{right}{strike // 10:08d}"
        if on_future:
            local = f"{under.contract.local_symbol} {right}{strike // PRICE_SCALE}"
        contract = Contract(
            con_id,
            under.contract.symbol,
            "FOP" if on_future else "OPT",
            exchange=under.contract.exchange if on_future else "SMART",
            multiplier=_option_multiplier(under),
            right=right,
            strike=strike,
            expiry_date=f"{series.date:%Y%m%d}",
            expiry_ns=series.expiry_ns,
            local_symbol=local,
            trading_class=series.trading_class,
            tick_grid=under.product.option_grid,
        )
        about = under.listing
        return Instrument(
            ContractListing(
                contract=contract,
                underlying=under.contract,
                long_name=about.long_name,
                market_name=series.trading_class,
                primary_exchange="",
                exchanges=_option_exchanges(under),
                time_zone=about.time_zone,
                industry=about.industry,
                category=about.category,
                subcategory=about.subcategory,
                american=under.contract.security_type != "IND",
                dividend_yield=self._rate if on_future else under.product.dividend_yield,
            ),
            under.product,
            under,
        )

    # --- finding -----------------------------------------------------------------------------------------

    def _plain(self, query: ContractQuery) -> Iterator[Instrument]:
        product = product_of(query.symbol, query.security_type)
        if product is not None:
            yield from self._of_product(product)

    def _options_of(self, query: ContractQuery, right: Literal["C", "P", ""]) -> Iterator[Instrument]:
        kinds = ("FUT",) if query.security_type == "FOP" else ("STK", "IND")
        strike = round(query.strike * PRICE_SCALE)
        for kind in kinds:
            product = product_of(query.symbol, kind)
            if product is None:
                continue
            for under in self._of_product(product):
                chain = self.chain(under)
                for series, pairs in zip(chain.series, chain.ids, strict=True):
                    if query.trading_class not in ("", series.trading_class):
                        continue
                    if not f"{series.date:%Y%m%d}".startswith(query.expiry) or len(query.expiry) not in (
                        0,
                        6,
                        8,
                    ):
                        continue
                    for one, pair in zip(series.strikes, pairs, strict=True):
                        if strike and strike != one:
                            continue
                        for side, con_id in zip(_SIDES, pair, strict=True):
                            if right in ("", side) and (found := self.instrument(con_id)) is not None:
                                yield found
            return

    def _complete(self, query: ContractQuery) -> ContractQuery | None:
        """Return the description that a local symbol stands for; None if it cannot be read."""
        text, kind = query.local_symbol, query.security_type
        option = _OCC.fullmatch(text)
        if option and kind in ("", "OPT"):
            name, date, right, strike = option.groups()
            symbol = CLASS_SYMBOLS.get(name, name)
            return ContractQuery(
                0, symbol, "OPT", f"20{date}", int(strike) / 1000.0, right, query.multiplier, query.exchange,
                query.currency, text, query.trading_class or name,
            )  # fmt: skip
        month, _, rest = text.partition(" ")
        future = _FUTURE.fullmatch(month)
        if future and kind in ("", "FUT", "FOP") and (future[1], "FUT") in PRODUCTS:
            right = rest[:1]
            strike_text = rest[1:]
            is_option = right in ("C", "P") and strike_text.isdecimal()
            if rest and not is_option:
                return None
            return ContractQuery(
                0, future[1], "FOP" if rest else "FUT", "", float(strike_text or 0), right, query.multiplier,
                query.exchange, query.currency, text, query.trading_class,
            )  # fmt: skip
        if kind in ("", "STK", "IND", "CASH"):
            symbol = text.removesuffix(".USD") if kind == "CASH" else text
            kinds = (kind,) if kind else ("STK", "IND")
            for one in kinds:
                if product_of(symbol, one) is not None:
                    return ContractQuery(
                        0, symbol, one, "", 0.0, "", query.multiplier, query.exchange, query.currency, text,
                        query.trading_class,
                    )  # fmt: skip
        return None


def _option_multiplier(under: Instrument) -> int:
    return under.contract.multiplier if under.contract.security_type == "FUT" else 100


def _option_exchanges(under: Instrument) -> tuple[str, ...]:
    if under.contract.security_type == "FUT":
        return (under.contract.exchange,)
    return ("SMART", "CBOE") if under.contract.security_type == "IND" else OPTION_EXCHANGES


def _fits(query: ContractQuery, one: Instrument) -> bool:
    contract = one.contract
    exchange = "SMART" if query.exchange == "BEST" else query.exchange
    multiplied = contract.security_type in ("OPT", "FOP", "FUT")
    return (
        query.currency in ("", contract.currency)
        and exchange in ("", *one.listing.exchanges)
        and query.local_symbol in ("", contract.local_symbol)
        and query.trading_class in ("", contract.trading_class)
        and (not multiplied or query.multiplier in ("", str(contract.multiplier)))
        and query.primary_exchange in ("", one.listing.primary_exchange, *one.listing.exchanges)
        and (contract.security_type != "FUT" or contract.expiry_date.startswith(query.expiry))
    )
