"""Margin of the account: Regulation T for shares and options, figures by contract for futures.

By underlying, options are paired and judged like this:

1. Short calls are covered by long shares (or futures), short puts by short ones, one contract by one
   multiplier of them; a covered contract needs nothing of its own.
2. The other short options are covered by long options of the same right that do not expire before them:
   the strike with the smallest possible loss first. All pairs whose short side expires together are
   margined by the exact maximum loss of their joint payoff at expiry - a vertical needs the difference of
   its strikes, an iron condor its wider side.
3. What is still short is naked: its market value + the larger of 20 % of the underlying's value (15 % for
   an index) less the amount out of the money, and 10 % of the underlying (call) or strike (put). On a future:
   its market value + the larger of the future's initial margin less that amount, and half that margin. Of
   naked calls and naked puts together the larger sum counts, plus the market value of the other side.
4. Shares need 50 % of their value, 25 % to maintain (long) or 30 % (short).
5. Long options need nothing: they were paid for.
6. A future needs the maintenance figure of its listing, and 110 % of that to be opened; its whole value
   where none is named. Those figures are simulated: an exchange sets its own, and changes them.
7. A currency other than the dollar, owned or owed, needs 3 % of its value (simulated, too).

Percentages: FINRA Rule 4210(c) and (f)(2), Federal Reserve Regulation T, 12 CFR 220.12.
Not modelled: concentration, special margin of single symbols, portfolio margin, credit for futures spreads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract
from optionsib.pricing import exact_payoff_geometry

_DOUBLED_TO_MONEY = MONEY_SCALE // PRICE_SCALE // 2
_BROAD_INDEX, _SINGLE_STOCK, _LEAST = 15, 20, 10  # percent
_SHARES_INITIAL, _LONG_MAINTAINED, _SHORT_MAINTAINED = 50, 25, 30  # percent
_FUTURE_INITIAL, _CURRENCY = 110, 3  # percent of the maintenance figure; of the value


@dataclass(frozen=True, slots=True)
class Margin:
    """Money (1/1000000) that positions need to be opened and to be kept.

    ``futures`` is the part of ``initial`` that futures and options on them need.
    """

    initial: int
    maintenance: int
    futures: int = 0


@dataclass(slots=True)
class _Holding:
    contract: Contract
    quantity: int


DoubledMark = Callable[[int], int | None]
UnderlyingOf = Callable[[Contract], Contract | None]
FutureMargin = Callable[[Contract], int]


def _none_named(future: Contract) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class _Market:
    """What is known about contracts; see :func:`margin_of`."""

    doubled_mark: DoubledMark
    underlying_of: UnderlyingOf
    future_margin: FutureMargin

    def value(self, contract: Contract) -> int:
        """Return the value of one contract, 0 while there is no quote."""
        return (self.doubled_mark(contract.con_id) or 0) * _DOUBLED_TO_MONEY * contract.multiplier

    def initial_of_future(self, future: Contract) -> int:
        """Return the initial margin of one future."""
        return (self.future_margin(future) or abs(self.value(future))) * _FUTURE_INITIAL // 100


def margin_of(
    positions: Iterable[tuple[Contract, int]],
    doubled_mark: DoubledMark,
    underlying_of: UnderlyingOf,
    future_margin: FutureMargin = _none_named,
) -> Margin:
    """Return the margin of ``positions`` (contract, signed quantity).

    Parameters
    ----------
    doubled_mark
        Twice the mark (1/10000) of a contract by id; None where there is no quote: an option is then
        worth its intrinsic value, an underlying the strike, anything else that nothing is known of 0.
    underlying_of
        The contract an option is written on; None where it is not listed.
    future_margin
        The maintenance margin of one future (money); 0 where none is named.
    """
    market = _Market(doubled_mark, underlying_of, future_margin)
    plain: dict[int, _Holding] = {}
    options: dict[tuple[int, str], list[_Holding]] = {}
    for contract, quantity in positions:
        if not quantity:
            continue
        if contract.kind:
            under = underlying_of(contract)
            key = (0 if under is None else under.con_id, contract.symbol)
            options.setdefault(key, []).append(_Holding(contract, quantity))
        else:
            plain[contract.con_id] = _Holding(contract, quantity)
    initial = maintenance = futures = 0
    for holding in plain.values():
        opened, kept = _plain_need(holding, market)
        initial += opened
        maintenance += kept
        futures += opened if holding.contract.security_type == "FUT" else 0
    for (under_id, _), held in sorted(options.items()):
        owned = plain.get(under_id)
        units = 0 if owned is None else owned.quantity * owned.contract.multiplier
        need = _options_need(held, units, market)
        initial += need
        maintenance += need
        futures += need if held[0].contract.security_type == "FOP" else 0
    return Margin(initial, maintenance, futures)


def _plain_need(holding: _Holding, market: _Market) -> tuple[int, int]:
    """Return initial and maintenance margin of what is no option."""
    contract, count = holding.contract, abs(holding.quantity)
    value = abs(market.value(contract)) * count
    if contract.security_type == "FUT":
        figure = market.future_margin(contract) * count or value
        return market.initial_of_future(contract) * count, figure
    if contract.security_type == "CASH":
        return value * _CURRENCY // 100, value * _CURRENCY // 100
    kept = _LONG_MAINTAINED if holding.quantity > 0 else _SHORT_MAINTAINED
    return value * _SHARES_INITIAL // 100, value * kept // 100


def _options_need(held: list[_Holding], units: int, market: _Market) -> int:
    longs = [_Holding(one.contract, one.quantity) for one in held if one.quantity > 0]
    shorts = [_Holding(one.contract, -one.quantity) for one in held if one.quantity < 0]
    shorts.sort(key=lambda one: (-one.contract.expiry_ns, one.contract.strike * one.contract.kind))
    pairs: dict[int, list[tuple[Contract, int]]] = {}  # by expiry of the short side: (contract, signed)
    naked: list[_Holding] = []
    for short in shorts:
        units = _cover_by_units(short, units)
    without_longs = _naked_need(shorts, market)
    for short in shorts:
        while short.quantity and (long := _best_cover(short.contract, longs)) is not None:
            count = min(short.quantity, long.quantity)
            short.quantity -= count
            long.quantity -= count
            legs = pairs.setdefault(short.contract.expiry_ns, [])
            legs += [(short.contract, -count), (long.contract, count)]
        if short.quantity:
            naked.append(short)
    paired = sum(map(_largest_loss, pairs.values())) + _naked_need(naked, market)
    return min(paired, without_longs)


def _cover_by_units(short: _Holding, units: int) -> int:
    """Cover what the units of the underlying can; return the units that are left."""
    kind, multiplier = short.contract.kind, short.contract.multiplier
    count = min(short.quantity, max(0, units * kind) // multiplier)
    short.quantity -= count
    return units - kind * count * multiplier


def _best_cover(short: Contract, longs: list[_Holding]) -> _Holding | None:
    """Return the long option that leaves the smallest loss; among equals the nearest strike."""
    fitting = [
        long
        for long in longs
        if long.quantity
        and long.contract.kind == short.kind
        and long.contract.multiplier == short.multiplier
        and long.contract.expiry_ns >= short.expiry_ns
    ]
    if not fitting:
        return None

    def loss_and_distance(long: _Holding) -> tuple[int, int, int]:
        gap = (long.contract.strike - short.strike) * short.kind
        return max(0, gap), abs(gap), long.contract.con_id

    return min(fitting, key=loss_and_distance)


def _largest_loss(legs: list[tuple[Contract, int]]) -> int:
    geometry = exact_payoff_geometry(
        [contract.kind for contract, _ in legs],
        [contract.strike for contract, _ in legs],
        [count for _, count in legs],
        0,
        [contract.multiplier for contract, _ in legs],
    )
    return max(0, geometry.max_loss or 0)


def _naked_need(naked: list[_Holding], market: _Market) -> int:
    needs, values = {1: 0, -1: 0}, {1: 0, -1: 0}
    for short in naked:
        contract = short.contract
        under = market.underlying_of(contract)
        mark = None if under is None else market.doubled_mark(under.con_id)
        spot = 2 * contract.strike if mark is None else mark
        own_mark = market.doubled_mark(contract.con_id)
        own = max(0, contract.kind * (spot - 2 * contract.strike)) if own_mark is None else own_mark
        out_of_the_money = max(0, contract.kind * (2 * contract.strike - spot))
        unit = contract.multiplier * _DOUBLED_TO_MONEY
        if under is not None and under.security_type == "FUT":
            whole = market.initial_of_future(under)
            needed = max(whole - out_of_the_money * unit, whole // 2)
        else:
            is_index = under is not None and under.security_type == "IND"
            percent = _BROAD_INDEX if is_index else _SINGLE_STOCK
            least = spot if contract.kind > 0 else 2 * contract.strike
            needed = max(spot * percent // 100 - out_of_the_money, least * _LEAST // 100) * unit
        needs[contract.kind] += (own * unit + needed) * short.quantity
        values[contract.kind] += own * unit * short.quantity
    larger = 1 if needs[1] >= needs[-1] else -1
    return needs[larger] + values[-larger]
