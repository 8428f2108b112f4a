"""Call every pricing function with whatever may go wrong, and check what must hold all the same.

    python scripts/fuzz_pricing.py [--seed N] [--calls N]

NaN, infinities, denormals, zeros, huge numbers, empty and non-contiguous arrays, wrong dtypes, read-only or
overlapping outputs, mismatched shapes. A call either raises `ValueError` or `TypeError`, or gives
for every element exactly what the scalar call gives. Most useful on a sanitized build: `make fuzz`.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from typing import Any

import numpy as np

from optionsib.pricing import Status, clear_buffers, greeks, implied_greeks, implied_volatility, price

SPECIAL = [
    0.0,
    -0.0,
    -1.0,
    math.nan,
    math.inf,
    -math.inf,
    5e-324,
    -5e-324,
    1e-308,
    1e308,
    1e-160,
    1e160,
    1e-9,
]
TYPICAL = {
    "price": (0.01, 60.0),
    "spot": (50.0, 150.0),
    "strike": (50.0, 150.0),
    "time_to_expiry": (1e-4, 3.0),
    "rate": (-0.05, 0.1),
    "volatility": (0.01, 2.0),
    "dividend_yield": (-0.02, 0.05),
    "guess": (0.05, 1.0),
}
DTYPES = ["f8"] * 8 + ["f4", "f2", ">f8", "longdouble", "i4", "u8", "O", "?", "c16", "M8[ns]", "U3"]
WRONG = [None, "x", b"1", True, 1j, object(), {}, [[1], [1, 2]], 10**400, np.True_]
SHAPES: list[tuple[int, ...]] = [(), (1,), (7,), (9,), (40,), (3, 7), (3, 1), (2, 1, 7), (0,), (3, 0), (700,)]
MODELS = ["bsm", "black76", "displaced", "bachelier"]


class Fuzzer:
    """Draws calls from one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.raised = self.checked = 0

    def one_of(self, choices: Any) -> Any:
        """Return one of `choices`, as it is."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        """Return True with that probability."""
        return bool(self.rng.random() < probability)

    def number(self, name: str, shape: tuple[int, ...]) -> Any:
        """Return one argument: a number, an array in some layout, or something wrong."""
        if self.chance(0.004):
            return self.one_of(WRONG)
        low, high = TYPICAL[name]
        values = self.rng.uniform(low, high, shape)
        odd = self.rng.random(shape) < self.one_of([0.0, 0.0, 0.05, 0.3])
        values = np.where(odd, self.rng.choice(SPECIAL, shape), values)
        if self.chance(0.3):
            return float(values.flat[0]) if values.size else 1.0
        with np.errstate(all="ignore"), contextlib.suppress(TypeError, ValueError):
            values = values.astype(self.one_of(DTYPES if self.chance(0.05) else ["f8"]))
        return self.layout(values)

    def layout(self, values: Any) -> Any:
        """Return the same values somewhere else in memory."""
        match int(self.rng.integers(7)):
            case 0:
                return np.asfortranarray(values)
            case 1 if values.ndim:
                return np.repeat(values, 2, axis=0)[::2]
            case 2 if values.ndim:
                return values[::-1].copy()[::-1]
            case 3 if values.dtype.kind != "O":
                raw = np.frombuffer(b"x" + values.tobytes(), dtype=np.uint8)[1:]
                return raw.view(values.dtype).reshape(values.shape)
            case 4:
                return values.tolist()
        return values

    def kind(self, shape: tuple[int, ...]) -> Any:
        """Return option kinds in some spelling, now and then wrong ones."""
        if self.chance(0.3):
            return self.one_of(["call", "PUT", "c", "p", 1, -1, 1.0, -1.0, np.int8(1)])
        if self.chance(0.01):
            return self.one_of([True, 0, "x", None, b"c", math.nan, [1, 0], np.zeros(shape), ["c", "q"]])
        signs = self.rng.choice(np.array([1, -1], dtype=np.int8), shape)
        return self.layout(signs.astype(self.one_of(["i1", "i1", "i8", "f8", "f4", "O", ">i2"])))

    def output(self, shape: tuple[int, ...], dtype: str, others: list[Any]) -> Any:
        """Return an array to write to, now and then a wrong one."""
        if self.chance(0.06):
            arrays = [array for array in others if isinstance(array, np.ndarray)]
            return self.one_of([np.zeros(3), "x", np.zeros(shape, "f4"), *arrays])
        array = np.full((*shape, 2), 77).astype(dtype)[..., 1]
        if self.chance(0.02):
            array.flags.writeable = False
        return array

    def run(self, calls: int) -> None:
        """Make that many calls."""
        for _ in range(calls):
            self.call()
            if self.chance(0.001):
                clear_buffers()

    def call(self) -> None:
        """Make one call and check its answer."""
        function = self.one_of([price, greeks, implied_volatility, implied_greeks])
        inverse = function in (implied_volatility, implied_greeks)
        names = [*(["price"] if inverse else []), "spot", "strike", "time_to_expiry", "rate"]
        names += [] if inverse else ["volatility"]
        shape = self.one_of(SHAPES)
        arguments: dict[str, Any] = {
            name: self.number(
                name, self.one_of([shape, shape, (), self.one_of(SHAPES)] if self.chance(0.1) else [shape])
            )
            for name in names
        }
        arguments["kind"] = self.kind(shape)
        options: dict[str, Any] = {"model": self.one_of(MODELS)}
        if options["model"] == "bsm" and self.chance(0.5):
            arguments["dividend_yield"] = self.number("dividend_yield", shape)
        if options["model"] == "displaced":
            arguments["shift"] = self.one_of([0.0, 3.5, math.nan, 1e308, self.rng.uniform(0, 5, shape)])
        if inverse and self.chance(0.3):
            arguments["guess"] = self.number("guess", shape)
        if function in (greeks, implied_greeks):
            options |= {"order": self.one_of([1, 2, 3]), "units": self.one_of(["raw", "desk"])}
        extra: dict[str, Any] = {"threads": self.one_of([0, 1, 2])}
        if self.chance(0.3):
            rows = {price: (), implied_volatility: ()}.get(function, (9 + 4 * (options.get("order", 1) - 1),))
            if function is implied_greeks:
                rows = (rows[0] + 1,)
            extra["out"] = self.output((*rows, *shape), "f8", list(arguments.values()))
        if self.chance(0.3):
            extra["status"] = self.output(shape, "i1", list(arguments.values()))
        # Outputs may be an input's own array: the scalar calls need what stood there before.
        before = {
            name: np.array(value, copy=True) if isinstance(value, np.ndarray) else value
            for name, value in arguments.items()
        }
        try:
            result = function(**arguments, **options, **extra)
        except (ValueError, TypeError):
            self.raised += 1
            return
        self.check(function, before, options, result, extra.get("status"))

    def check(self, function: Any, arguments: Any, options: Any, result: Any, status: Any) -> None:
        """Compare a few elements with the scalar call."""
        columns = [result] if function is price else list(result)
        whole = np.asarray(columns[0])
        if np.shape(columns[0]) == () or whole.dtype != np.float64 or whole.size == 0:
            return
        plain = {}
        for name, value in arguments.items():
            array = np.asarray(value)
            if name == "kind" and array.dtype.kind in "UO":
                array = np.vectorize(lambda k: -1 if str(k).lower() in ("p", "put", "-1", "-1.0") else 1)(
                    array
                )
            plain[name] = np.broadcast_to(array.astype(np.float64), whole.shape)
        for flat in self.rng.integers(0, whole.size, 3):
            index = np.unravel_index(int(flat), whole.shape)
            scalars = {name: float(array[index]) for name, array in plain.items()}
            found = [np.asarray(column)[index] for column in columns]
            try:
                answer = function(**scalars, **options)
            except ValueError:
                values = [value for value in found if np.asarray(value).dtype == np.float64]
                bad = all(math.isnan(value) for value in values)
                bad &= status is None or status[index] not in (Status.OK, Status.NO_VEGA)
                if not bad:
                    raise AssertionError(
                        f"{function.__name__}({scalars}, {options}) raises, not {found}"
                    ) from None
                continue
            expected = [answer] if function is price else list(answer)
            if not np.array_equal(np.array(found, float), np.array(expected, float), equal_nan=True):
                raise AssertionError(f"{function.__name__}({scalars}, {options}): {found} is not {expected}")
            self.checked += 1


def main(kind: type[Fuzzer] = Fuzzer) -> None:
    """Fuzz, and say how much was done."""
    parser = argparse.ArgumentParser(description="Fuzz the pricing functions.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=20_000)
    chosen = parser.parse_args()
    fuzzer = kind(chosen.seed)
    with np.errstate(all="ignore"):
        fuzzer.run(chosen.calls)
    print(
        f"{chosen.calls} calls: {fuzzer.raised} refused, {fuzzer.checked} elements equal to the scalar call"
    )


if __name__ == "__main__":
    main()
