def kind_sign(kind: object) -> int | None: ...
def price(
    model: int,
    kind: object,
    spot: object,
    strike: object,
    time_to_expiry: object,
    rate: object,
    volatility: object,
    dividend_yield: object,
) -> float | None: ...
def greeks(
    model: int,
    kind: object,
    spot: object,
    strike: object,
    time_to_expiry: object,
    rate: object,
    volatility: object,
    dividend_yield: object,
) -> tuple[float, float, float, float, float, float, float, float, float] | None: ...
def implied_volatility(
    model: int,
    price: object,
    kind: object,
    spot: object,
    strike: object,
    time_to_expiry: object,
    rate: object,
    dividend_yield: object,
    guess: object,
) -> tuple[float, int] | None: ...
