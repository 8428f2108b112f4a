"""Margin in the manner of Regulation T: what positions need, from payoff geometry and the naked rules.

By underlying, options are paired and judged like this:

1. Short calls are covered by long shares, short puts by short shares, one contract by one multiplier of
   shares; a covered contract needs nothing of its own.
2. The other short options are covered by long options of the same right that do not expire before them:
   the strike with the smallest possible loss first. All pairs whose short side expires together are
   margined by the exact maximum loss of their joint payoff at expiry - a vertical needs the difference of
   its strikes, an iron condor its wider side.
3. What is still short is naked: its market value + the larger of 20 % of the underlying's value (15 % for
   an index) less the amount out of the money, and 10 % of the underlying (call) or strike (put). Of naked
   calls and naked puts together the larger sum counts, plus the market value of the other side.
4. Shares need 50 % of their value, 25 % to maintain (long) or 30 % (short).
5. Long options need nothing: they were paid for.

Percentages: FINRA Rule 4210(c) and (f)(2), Federal Reserve Regulation T, 12 CFR 220.12.
Not modelled: concentration, special margin of single symbols, portfolio margin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract
from optionsib.pricing import exact_payoff_geometry

_DOUBLED_TO_MONEY = MONEY_SCALE // PRICE_SCALE // 2
_BROAD_INDEX, _SINGLE_STOCK, _LEAST = 15, 20, 10  # percent
_SHARES_INITIAL, _LONG_MAINTAINED, _SHORT_MAINTAINED = 50, 25, 30  # percent


@dataclass(frozen=True, slots=True)
class Margin:
    """Money (1/1000000) that positions need to be opened and to be kept."""

    initial: int
    maintenance: int


@dataclass(slots=True)
class _Holding:
    contract: Contract
    quantity: int


DoubledMark = Callable[[int], int | None]
UnderlyingOf = Callable[[Contract], Contract | None]


def margin_of(
    positions: Iterable[tuple[Contract, int]], doubled_mark: DoubledMark, underlying_of: UnderlyingOf
) -> Margin:
    """Return the margin of ``positions`` (contract, signed quantity).

    Parameters
    ----------
    doubled_mark
        Twice the mark (1/10000) of a contract by id; None where there is no quote: an option is then
        worth its intrinsic value, an underlying the strike, a share nothing is known of 0.
    underlying_of
        The contract an option is written on; None where it is not listed.
    """
    shares: dict[int, _Holding] = {}
    options: dict[tuple[int, str], list[_Holding]] = {}
    for contract, quantity in positions:
        if not quantity:
            continue
        if contract.kind:
            under = underlying_of(contract)
            key = (0 if under is None else under.con_id, contract.symbol)
            options.setdefault(key, []).append(_Holding(contract, quantity))
        else:
            shares[contract.con_id] = _Holding(contract, quantity)
    initial = maintenance = 0
    for holding in shares.values():
        value = abs((doubled_mark(holding.contract.con_id) or 0) * _DOUBLED_TO_MONEY * holding.quantity)
        initial += value * holding.contract.multiplier * _SHARES_INITIAL // 100
        kept = _LONG_MAINTAINED if holding.quantity > 0 else _SHORT_MAINTAINED
        maintenance += value * holding.contract.multiplier * kept // 100
    for (under_id, _), held in sorted(options.items()):
        owned = shares[under_id].quantity if under_id in shares else 0
        need = _options_need(held, owned, doubled_mark, underlying_of)
        initial += need
        maintenance += need
    return Margin(initial, maintenance)


def _options_need(
    held: list[_Holding], shares: int, doubled_mark: DoubledMark, underlying_of: UnderlyingOf
) -> int:
    longs = [_Holding(one.contract, one.quantity) for one in held if one.quantity > 0]
    shorts = [_Holding(one.contract, -one.quantity) for one in held if one.quantity < 0]
    shorts.sort(key=lambda one: (-one.contract.expiry_ns, one.contract.strike * one.contract.kind))
    pairs: dict[int, list[tuple[Contract, int]]] = {}  # by expiry of the short side: (contract, signed)
    naked: list[_Holding] = []
    for short in shorts:
        shares = _cover_by_shares(short, shares)
    without_longs = _naked_need(shorts, doubled_mark, underlying_of)
    for short in shorts:
        while short.quantity and (long := _best_cover(short.contract, longs)) is not None:
            count = min(short.quantity, long.quantity)
            short.quantity -= count
            long.quantity -= count
            legs = pairs.setdefault(short.contract.expiry_ns, [])
            legs += [(short.contract, -count), (long.contract, count)]
        if short.quantity:
            naked.append(short)
    paired = sum(map(_largest_loss, pairs.values())) + _naked_need(naked, doubled_mark, underlying_of)
    return min(paired, without_longs)


def _cover_by_shares(short: _Holding, shares: int) -> int:
    """Cover what the shares can; return the shares that are left."""
    kind, multiplier = short.contract.kind, short.contract.multiplier
    count = min(short.quantity, max(0, shares * kind) // multiplier)
    short.quantity -= count
    return shares - kind * count * multiplier


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


def _naked_need(naked: list[_Holding], doubled_mark: DoubledMark, underlying_of: UnderlyingOf) -> int:
    needs, values = {1: 0, -1: 0}, {1: 0, -1: 0}
    for short in naked:
        contract = short.contract
        under = underlying_of(contract)
        mark = None if under is None else doubled_mark(under.con_id)
        spot = 2 * contract.strike if mark is None else mark
        intrinsic = max(0, contract.kind * (spot - 2 * contract.strike))
        own_mark = doubled_mark(contract.con_id)
        own = intrinsic if own_mark is None else own_mark
        out_of_the_money = max(0, contract.kind * (2 * contract.strike - spot))
        percent = _BROAD_INDEX if under is not None and under.security_type == "IND" else _SINGLE_STOCK
        least = spot if contract.kind > 0 else 2 * contract.strike
        each = own + max(spot * percent // 100 - out_of_the_money, least * _LEAST // 100)
        units = contract.multiplier * short.quantity * _DOUBLED_TO_MONEY
        needs[contract.kind] += each * units
        values[contract.kind] += own * units
    larger = 1 if needs[1] >= needs[-1] else -1
    return needs[larger] + values[-larger]
