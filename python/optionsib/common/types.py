"""Values that every layer shares: prices, money, contracts, tick grids.

Order prices are signed integers in 1/10000 of the currency (``PRICE_SCALE``); combo prices may be
negative. Money is a signed integer in millionths of the currency (``MONEY_SCALE``), which are also
the base units of USDT. Times are UTC nanoseconds since 1970 (``*_ns``).
"""

from __future__ import annotations

from typing import Literal

import msgspec

PRICE_SCALE = 10_000
MONEY_SCALE = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
YEAR_NS = 365 * 86_400 * SECOND_NS  # ACT/365F

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def price_to_money(price: int, multiplier: int, quantity: int) -> int:
    """Return the exact money value (1/1000000) of ``quantity`` units at ``price`` (1/10000)."""
    return price * (MONEY_SCALE // PRICE_SCALE) * multiplier * quantity


class TickBand(msgspec.Struct, frozen=True, order=True):
    """From ``lower_edge`` (inclusive) on, prices are multiples of ``increment``; both in 1/10000."""

    lower_edge: int
    increment: int


class TickGrid(msgspec.Struct, frozen=True):
    """A market rule: the price increments a contract trades in, by absolute price.

    ``bands`` is ascending by ``lower_edge`` and starts at 0.
    """

    bands: tuple[TickBand, ...]

    def increment(self, price: int) -> int:
        """Return the increment (1/10000) that applies at ``price`` (sign ignored)."""
        size = abs(price)
        found = self.bands[0].increment
        for band in self.bands:
            if size >= band.lower_edge:
                found = band.increment
        return found

    def floor(self, price: int) -> int:
        """Round towards minus infinity onto the grid."""
        step = self.increment(price)
        return (price // step) * step

    def ceil(self, price: int) -> int:
        """Round towards plus infinity onto the grid."""
        step = self.increment(price)
        return -((-price) // step) * step

    def is_on_grid(self, price: int) -> bool:
        """Tell whether ``price`` is a multiple of the increment that applies to it."""
        return price % self.increment(price) == 0

    def passive(self, price: int) -> int:
        """Round a limit of ours onto the grid, towards the side that waits.

        Orders always buy their legs, so the lower debit waits: a buyer bids less, a seller (whose
        limit is negative) asks for more.
        """
        return self.floor(price)


PENNY_GRID = TickGrid((TickBand(0, 100),))
# US equity options outside the penny programme: 0.05 below 3.00 would be 0.10 above; this one is the
# penny-programme rule: 0.01 below 3.00, 0.05 from there on.
OPTION_GRID = TickGrid((TickBand(0, 100), TickBand(30_000, 500)))


class Contract(msgspec.Struct, frozen=True):
    """One tradable instrument.

    ``strike`` is in 1/10000; ``expiry_ns`` is the expiry instant (UTC ns), 0 where there is none.
    ``expiry_date`` is the last trade date as ``YYYYMMDD``.
    """

    con_id: int
    symbol: str
    security_type: Literal["STK", "OPT", "IND", "FUT", "FOP", "CASH", "BAG"]
    currency: str = "USD"
    exchange: str = "SMART"
    multiplier: int = 1
    right: Literal["C", "P", ""] = ""
    strike: int = 0
    expiry_date: str = ""
    expiry_ns: int = 0
    local_symbol: str = ""
    trading_class: str = ""
    tick_grid: TickGrid = PENNY_GRID

    @property
    def kind(self) -> int:
        """+1 for a call, -1 for a put, 0 for anything else."""
        return {"C": 1, "P": -1, "": 0}[self.right]


class OrderLeg(msgspec.Struct, frozen=True):
    """``ratio`` contracts of ``con_id`` per unit of the order: positive = bought, negative = sold."""

    con_id: int
    ratio: int


OrderType = Literal["LMT", "MKT", "STP", "STP LMT", "TRAIL", "TRAIL LIMIT"]
TimeInForce = Literal["DAY", "GTC", "GTD", "IOC", "FOK"]
Urgency = Literal["", "Patient", "Normal", "Urgent"]


class Order(msgspec.Struct, frozen=True):
    """An order for ``quantity`` units of a set of legs.

    The order always *buys* its legs: prices (1/10000 per share, signed) are net debits per unit, a
    negative one is a credit of that size. A single-leg order is the case of one leg with ratio +1 or -1.

    ``limit_price`` is the worst net debit of every order type; limits are checked against it and
    nothing may fill beyond it:

    - ``LMT``: the limit.
    - ``MKT``: the guard. It must reach the market of a fresh quote, but not much further.
    - ``STP``, ``TRAIL``: no guard at all once triggered, so only a single leg that is sold may use
      them, and ``limit_price`` is 0 (nothing sells below that).
    - ``STP LMT``: the limit of the order that ``stop_price`` releases.
    - ``TRAIL LIMIT``: the limit to begin with; stop and limit then only move in our favour.

    ``stop_price`` is the net debit whose reaching releases the order; a trailing order may leave it to
    the broker (``TRAIL``) or begins there. It trails by ``trail_amount`` (1/10000) or by
    ``trail_percent`` (hundredths of a percent), one of them.

    ``good_till_ns`` is the end of a ``GTD`` order, UTC ns. ``urgency`` hands a limit to the broker's
    Adaptive algorithm. ``parent_ref`` names the order whose fill puts this one to work; of the orders
    of one ``oca_group`` the first that fills cancels the others.

    ``guaranteed`` False lets the broker fill the legs of a combination without each other, so that some may
    stand alone, for ever if the order ends.

    ``trade_id`` joins the opening and the closing orders of one trade. ``purpose`` is what the
    caller wants; whether an order reduces risk is judged by the limit check alone.
    """

    order_ref: str
    trade_id: str
    legs: tuple[OrderLeg, ...]
    quantity: int
    limit_price: int
    purpose: Literal["open", "close", "hedge"]
    strategy: str
    time_in_force: TimeInForce = "DAY"
    order_type: OrderType = "LMT"
    stop_price: int | None = None
    trail_amount: int = 0
    trail_percent: int = 0
    good_till_ns: int = 0
    urgency: Urgency = ""
    parent_ref: str = ""
    oca_group: str = ""
    outside_hours: bool = False
    guaranteed: bool = True


class LegPosition(msgspec.Struct, frozen=True):
    """A signed holding; ``average_price`` in 1/10000 per share, ``realized`` in money units."""

    con_id: int
    quantity: int
    average_price: float = 0.0
