"""What the simulated market knows by name; any other plausible ticker is a made-up share.

Levels, volatilities and yields are of a plausible order and nothing more: no market ever quoted what
follows from them.
"""

from __future__ import annotations

import re
import zlib
from typing import Literal

import msgspec

from optionsib.common.types import OPTION_GRID, PENNY_GRID, TickBand, TickGrid

Listings = Literal["none", "monthly", "weekly", "daily"]

NICKEL_GRID = TickGrid((TickBand(0, 500), TickBand(30_000, 1_000)))  # options outside the penny programme
QUARTER_GRID = TickGrid((TickBand(0, 2_500),))
FUTURE_OPTION_GRID = TickGrid((TickBand(0, 500), TickBand(100_000, 2_500)))
TENTH_GRID = TickGrid((TickBand(0, 1_000),))
PIP_GRID = TickGrid((TickBand(0, 1),))
GRIDS = (PENNY_GRID, OPTION_GRID, NICKEL_GRID, QUARTER_GRID, FUTURE_OPTION_GRID, TENTH_GRID, PIP_GRID)

_MADE_UP = ("Simulated", "Simulated", "Simulated")
_INDICES = ("Indices", "Broad Range Equity Index", "*")


class Product(msgspec.Struct, frozen=True):
    """An underlying, or the root of a futures strip.

    ``driver`` names the path that moves it: what shares a driver moves together, at ``level`` in
    proportion. ``strike_step`` 0 = by price.
    """

    symbol: str
    security_type: Literal["STK", "IND", "FUT", "CASH"]
    name: str
    level: float
    volatility: float  # a year, at the money
    driver: str
    dividend_yield: float = 0.0
    primary_exchange: str = "NASDAQ"
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    options: Listings = "weekly"
    option_grid: TickGrid = OPTION_GRID
    strike_step: float = 0.0
    tick_grid: TickGrid = PENNY_GRID
    multiplier: int = 1
    daily_volume: float = 5e6
    is_fund: bool = False
    maintenance_margin: float = 0.0  # of one future, in currency: a simulated figure


def _share(
    symbol: str, name: str, level: float, volatility: float, *about: str, pays: float = 0.0
) -> Product:
    exchange, industry, category, subcategory = about
    return Product(
        symbol, "STK", name, level, volatility, symbol, pays, exchange, industry, category, subcategory,
        daily_volume=2e9 / level,
    )  # fmt: skip


def _fund(symbol: str, name: str, level: float, volatility: float, driver: str, pays: float) -> Product:
    return Product(
        symbol, "STK", name, level, volatility, driver, pays, "ARCA", options="daily",
        option_grid=PENNY_GRID, strike_step=1.0, daily_volume=2e10 / level, is_fund=True,
    )  # fmt: skip


def _index(symbol: str, name: str, level: float, volatility: float, pays: float, step: float) -> Product:
    return Product(
        symbol, "IND", name, level, volatility, symbol, pays, "CBOE", *_INDICES,
        options="daily", option_grid=NICKEL_GRID, strike_step=step, daily_volume=0.0,
    )  # fmt: skip


def _future(
    symbol: str, name: str, level: float, volatility: float, driver: str, multiplier: int, pays: float,
    margin: float, grid: TickGrid = QUARTER_GRID, exchange: str = "CME",
) -> Product:  # fmt: skip
    return Product(
        symbol, "FUT", name, level, volatility, driver, pays, exchange, *_INDICES,
        options="monthly" if symbol in ("ES", "NQ") else "none", option_grid=FUTURE_OPTION_GRID,
        strike_step=25.0, tick_grid=grid, multiplier=multiplier, daily_volume=1.5e6,
        maintenance_margin=margin,
    )  # fmt: skip


_TECHNOLOGY = ("NASDAQ", "Technology", "Software", "Applications Software")
_CHIPS = ("NASDAQ", "Technology", "Semiconductors", "Electronic Compo-Semicon")
_INTERNET = ("NASDAQ", "Communications", "Internet", "Web Portals/ISP")
_BANKS = ("NYSE", "Financial", "Banks", "Diversified Banking Inst")
_OIL = ("NYSE", "Energy", "Oil&Gas", "Oil Comp-Integrated")
_CARS = ("NASDAQ", "Consumer, Cyclical", "Auto Manufacturers", "Auto-Cars/Light Trucks")
_FOOD = ("NYSE", "Consumer, Non-cyclical", "Beverages", "Beverages-Non-alcoholic")
_MEDIA = ("NYSE", "Communications", "Media", "Multimedia")
_INDUSTRY = ("NYSE", "Industrial", "Aerospace/Defense", "Aerospace/Defense")
_SHOPS = ("NYSE", "Consumer, Cyclical", "Retail", "Retail-Discount")

_PRODUCTS = (
    _index("SPX", "S&P 500 Stock Index", 6500.0, 0.16, 0.013, 5.0),
    _index("NDX", "NASDAQ 100 Stock Index", 23500.0, 0.20, 0.007, 25.0),
    _index("RUT", "Russell 2000 Stock Index", 2350.0, 0.21, 0.012, 5.0),
    _fund("SPY", "SPDR S&P 500 ETF TRUST", 650.0, 0.16, "SPX", 0.013),
    _fund("QQQ", "INVESCO QQQ TRUST SERIES 1", 570.0, 0.20, "NDX", 0.006),
    _fund("IWM", "ISHARES RUSSELL 2000 ETF", 233.0, 0.21, "RUT", 0.012),
    _fund("GLD", "SPDR GOLD SHARES", 340.0, 0.17, "GLD", 0.0),
    _fund("TLT", "ISHARES 20+ YEAR TREASURY BD", 88.0, 0.14, "TLT", 0.04),
    _share("AAPL", "APPLE INC", 235.0, 0.26, "NASDAQ", "Technology", "Computers", "Computers", pays=0.004),
    _share("MSFT", "MICROSOFT CORP", 500.0, 0.23, *_TECHNOLOGY, pays=0.007),
    _share("NVDA", "NVIDIA CORP", 175.0, 0.42, *_CHIPS),
    _share("AMD", "ADVANCED MICRO DEVICES", 165.0, 0.50, *_CHIPS),
    _share("INTC", "INTEL CORP", 25.0, 0.48, *_CHIPS),
    _share("AMZN", "AMAZON.COM INC", 225.0, 0.30, *_INTERNET),
    _share("GOOGL", "ALPHABET INC-CL A", 210.0, 0.29, *_INTERNET, pays=0.004),
    _share("META", "META PLATFORMS INC-CLASS A", 740.0, 0.33, *_INTERNET, pays=0.003),
    _share("NFLX", "NETFLIX INC", 1200.0, 0.33, *_INTERNET),
    _share("TSLA", "TESLA INC", 340.0, 0.55, *_CARS),
    _share("F", "FORD MOTOR CO", 11.5, 0.34, "NYSE", *_CARS[1:], pays=0.05),
    _share("JPM", "JPMORGAN CHASE & CO", 295.0, 0.22, *_BANKS, pays=0.019),
    _share("BAC", "BANK OF AMERICA CORP", 49.0, 0.25, *_BANKS, pays=0.022),
    _share("XOM", "EXXON MOBIL CORP", 112.0, 0.23, *_OIL, pays=0.035),
    _share("KO", "COCA-COLA CO/THE", 69.0, 0.16, *_FOOD, pays=0.029),
    _share("DIS", "WALT DISNEY CO/THE", 117.0, 0.27, *_MEDIA, pays=0.008),
    _share("BA", "BOEING CO/THE", 230.0, 0.33, *_INDUSTRY),
    _share("WMT", "WALMART INC", 97.0, 0.20, *_SHOPS, pays=0.01),
    _share("IBM", "INTL BUSINESS MACHINES CORP", 245.0, 0.24, "NYSE", *_TECHNOLOGY[1:], pays=0.027),
    _future("ES", "E-mini S&P 500", 6500.0, 0.16, "SPX", 50, 0.013, 22_000.0),
    _future("MES", "Micro E-Mini S&P 500 Stock Price Index", 6500.0, 0.16, "SPX", 5, 0.013, 2_200.0),
    _future("NQ", "E-mini NASDAQ 100", 23500.0, 0.20, "NDX", 20, 0.007, 30_000.0),
    _future("MNQ", "Micro E-Mini Nasdaq-100 Index", 23500.0, 0.20, "NDX", 2, 0.007, 3_000.0),
    _future("RTY", "E-Mini Russell 2000", 2350.0, 0.21, "RUT", 50, 0.012, 9_000.0, TENTH_GRID),
    Product("EUR", "CASH", "European Monetary Union Euro", 1.12, 0.08, "EUR", primary_exchange="IDEALPRO",
            options="none", tick_grid=PIP_GRID, daily_volume=0.0),
    Product("GBP", "CASH", "British pound", 1.31, 0.09, "GBP", primary_exchange="IDEALPRO",
            options="none", tick_grid=PIP_GRID, daily_volume=0.0),
)  # fmt: skip

PRODUCTS: dict[tuple[str, str], Product] = {
    (product.symbol, product.security_type): product for product in _PRODUCTS
}
_TICKER = re.compile(r"[A-Z]{1,5}( [A-Z])?")
_ONE_LETTER = re.compile(r"([A-Z])\1{2,}")


# Trading classes of options that are named unlike their underlying; no underlying has such a name.
CLASS_SYMBOLS = {"SPXW": "SPX", "NDXP": "NDX", "RUTW": "RUT"}


def product_of(symbol: str, security_type: str) -> Product | None:
    """Return the product, made up for a plausible ticker that is not in the catalogue.

    A plausible ticker is one to five capital letters, perhaps a class letter after a space, and not
    one letter repeated three times or more: ``ZZZZ`` is unknown here and always will be.
    """
    known = PRODUCTS.get((symbol, security_type))
    if known is not None or security_type != "STK":
        return known
    taken = any((symbol, other) in PRODUCTS for other in ("IND", "FUT", "CASH")) or symbol in CLASS_SYMBOLS
    if taken or not _TICKER.fullmatch(symbol) or _ONE_LETTER.fullmatch(symbol):
        return None
    draw = zlib.crc32(symbol.encode())
    level = 15.0 * 20.0 ** ((draw & 0xFFFF) / 0xFFFF)  # 15 to 300
    volatility = 0.20 + 0.40 * (draw >> 16) / 0xFFFF
    name = f"{symbol} (MADE-UP COMPANY)"
    return Product(
        symbol, "STK", name, round(level, 2), volatility, symbol, 0.01, "NYSE", *_MADE_UP,
        options="monthly", option_grid=NICKEL_GRID, daily_volume=1e8 / level,
    )  # fmt: skip
