"""Call every function on American options and cash dividends with whatever may go wrong.

    python scripts/fuzz_american.py [--seed N] [--calls N]

As ``fuzz_pricing.py``, whose draws it takes, with schedules of dividends, right and wrong, beside them. A
call either raises `ValueError` or `TypeError`, or gives for every element exactly what the scalar call gives,
and no NaN with a good status.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from fuzz_pricing import SHAPES, Fuzzer, main

from optionsib.pricing import (
    Status,
    american_greeks,
    american_implied_greeks,
    american_implied_volatility,
    american_price,
    early_exercise_premium,
    european_greeks,
    european_price,
    exercise_advice,
    exercise_boundary,
    finite_difference_price,
    leisen_reimer_price,
)

INVERSE = (american_implied_volatility, american_implied_greeks)
ROWS = {american_greeks: 9, american_implied_greeks: 10, european_greeks: 9, exercise_boundary: 2}
CHECKS = {
    leisen_reimer_price: [{"steps": 3}, {"steps": 24}, {"exercise": "european", "steps": 51}],
    finite_difference_price: [{"space_steps": 8, "time_steps": 1}, {"space_steps": 40, "time_steps": 20}],
}
WITH_CASH = (
    american_price,
    american_greeks,
    *INVERSE,
    european_price,
    european_greeks,
    exercise_advice,
    early_exercise_premium,
)
SINGLE = (american_price, european_price, early_exercise_premium, *CHECKS)
FUNCTIONS = [*WITH_CASH, american_price, american_greeks, exercise_boundary, *CHECKS]
SMALL = [shape for shape in SHAPES if math.prod(shape) <= 40]
WRONG_SCHEDULES: list[Any] = [
    1.0,
    "cash",
    ([0.5],),
    ([0.5], [1.0, 2.0]),
    ([math.nan], [1.0]),
    ([0.5, 0.4], [1.0, 1.0]),
    ([0.5], [-1.0]),
    ([0.5], [1.0], [0, 2]),
    ([0.5], [1.0], np.array([0.0, 1.0])),
    (np.array([0.5 + 1j]), [1.0]),
]


class AmericanFuzzer(Fuzzer):
    """Draws calls from one seed."""

    def schedule(self, size: int) -> Any:
        """Return one schedule for all, or one for each of `size` options; now and then a wrong one."""
        if self.chance(0.05):
            return self.one_of(WRONG_SCHEDULES)
        own = self.chance(0.5)
        counts = self.rng.integers(0, 4, size if own else 1)
        times = [np.sort(self.rng.uniform(-0.2, 3.0, int(count))) for count in counts]
        flat = np.concatenate([*times, np.empty(0)])
        amounts = self.rng.uniform(0.0, self.one_of([0.5, 3.0, 60.0]), flat.size)
        if own and self.chance(0.2) and flat.size:  # concerns the one option
            amounts[int(self.rng.integers(flat.size))] = self.one_of([math.nan, -1.0, math.inf])
        parts = (self.layout(flat), self.layout(amounts))
        return (*parts, np.concatenate([[0], np.cumsum(counts)])) if own else parts

    def call(self) -> None:
        """Make one call and check its answer."""
        function = self.one_of(FUNCTIONS)
        cash = function in WITH_CASH and (function is exercise_advice or self.chance(0.5))
        shape = self.one_of(SMALL)  # an option with two boundaries, or a grid, takes milliseconds
        names = ["strike", "time_to_expiry", "rate"]
        names += ["price"] if function in INVERSE else ["volatility"]
        names += [] if function is exercise_boundary else ["spot"]
        arguments: dict[str, Any] = {
            name: self.number(name, self.one_of(SHAPES) if self.chance(0.02) else shape) for name in names
        }
        arguments["kind"] = self.kind(shape)
        options: dict[str, Any] = {}
        if self.chance(0.5):
            arguments["dividend_yield"] = self.number("dividend_yield", shape)
        if function in CHECKS:
            options |= self.one_of(CHECKS[function])
        else:
            # A grid of the highest tier takes up to seconds.
            options["tier"] = self.one_of(["fast", "fast", "accurate", *([] if cash else ["high"])])
        if function in (american_greeks, american_implied_greeks, european_greeks):
            options["units"] = self.one_of(["raw", "desk"])
        if function is european_price:
            options["method"] = self.one_of(["pde", "approximation"])
        if cash:
            arguments["dividends"] = self.schedule(math.prod(shape))
            options["dividend_model"] = self.one_of(["spot", "escrowed"])
        elif function not in (european_price, european_greeks, *CHECKS) and self.chance(0.2):
            options["model"] = "black76"
            arguments.pop("dividend_yield", None)
        if function in INVERSE and self.chance(0.3):
            arguments["guess"] = self.number("guess", shape)
        extra: dict[str, Any] = {"threads": self.one_of([0, 1, 2])}
        plain = [value for name, value in arguments.items() if name != "dividends"]
        if self.chance(0.3) and function not in (exercise_advice, early_exercise_premium):
            rows = (ROWS[function],) if function in ROWS else ()
            extra["out"] = self.output((*rows, *shape), "f8", plain)
        if self.chance(0.5):
            extra["status"] = self.output(shape, "i1", plain)
        before = {
            name: np.array(value, copy=True) if isinstance(value, np.ndarray) else value
            for name, value in arguments.items()
        }
        try:
            result = function(**arguments, **options, **extra)
        except (ValueError, TypeError):
            self.raised += 1
            return
        columns = [result] if function in SINGLE else list(result)
        status = columns[1] if function in INVERSE else extra.get("status")
        self.compare(function, before, options, columns, status)

    def compare(self, function: Any, arguments: Any, options: Any, columns: Any, status: Any) -> None:
        """Compare a few elements with the scalar call."""
        whole = np.asarray(columns[0])
        if whole.shape == () or whole.size == 0 or any(np.asarray(c).dtype == np.float32 for c in columns):
            return
        cash = arguments.pop("dividends", None)
        plain = {}
        for name, value in arguments.items():
            array = np.asarray(value)
            if name == "kind" and array.dtype.kind in "UO":
                array = np.vectorize(lambda k: -1 if str(k).lower() in ("p", "put", "-1", "-1.0") else 1)(
                    array
                )
            plain[name] = np.broadcast_to(array.astype(np.float64), whole.shape)
        for flat in self.rng.integers(0, whole.size, 2):
            index = np.unravel_index(int(flat), whole.shape)
            scalars: dict[str, Any] = {name: float(array[index]) for name, array in plain.items()}
            if cash is not None:
                first, end = (cash[2][flat], cash[2][flat + 1]) if len(cash) == 3 else (0, len(cash[0]))
                scalars["dividends"] = tuple(np.asarray(part)[first:end] for part in cash[:2])
            found = [np.asarray(column)[index] for column in columns]
            case = f"{function.__name__}({scalars}, {options})"
            good = status is None or status[index] in (Status.OK, Status.NO_VEGA)
            try:
                answer = function(**scalars, **options)
            except ValueError:
                values = [value for value in found if np.asarray(value).dtype == np.float64]
                if function is exercise_advice:
                    values = values[:4]
                if not all(math.isnan(value) for value in values) or (status is not None and good):
                    raise AssertionError(f"{case} raises, not {found} with status {status}") from None
                continue
            expected = [answer] if function in SINGLE else list(answer)
            if not np.array_equal(np.array(found, float), np.array(expected, float), equal_nan=True):
                raise AssertionError(f"{case}: {found} is not {expected}")
            if math.isnan(expected[0]) and function not in (exercise_boundary, exercise_advice):
                raise AssertionError(f"{case}: NaN without a word")
            self.checked += 1


if __name__ == "__main__":
    main(AmericanFuzzer)
