"""Write programs over rows for the Monte Carlo engine.

A `Row` stands for one number of each path; arithmetic on rows emits instructions (operations and records:
``cpp/include/optionsib/montecarlo/program.hpp``). A row's register is free again when the last reference to
the row goes. Rows carry tangents, derivatives by named parameters, which arithmetic takes along (forward
mode); `Row.jumps` says that the row is no continuous function of the path, so that its tangents tell
nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final

OPERATIONS: Final = (
    "set", "affine", "combine", "combine3", "add", "subtract", "multiply", "multiply_add", "divide",
    "minimum", "maximum", "floor", "cap", "less", "below", "select", "exp", "log", "sqrt", "normal_cdf",
    "grow", "count_above", "heston_euler", "heston_qe", "store", "philox", "xoshiro", "sobol",
)  # fmt: skip
_CODES: Final = {name: code for code, name in enumerate(OPERATIONS)}
_RECORD: Final = struct.Struct("=6H2I")
RECORD_BYTES: Final = _RECORD.size


class Writer:
    """A program being written."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.constants: list[float] = []
        self.registers = 0
        self._free: list[int] = []
        self._known: dict[tuple[float, ...], int] = {}

    def emit(
        self,
        operation: str,
        reads: Sequence[Row] = (),
        k: Sequence[float] = (),
        n: int = 0,
        *,
        writes: int = 1,
    ) -> list[Row]:
        """Append an instruction and return the rows it writes."""
        constants = tuple(k)
        if not all(math.isfinite(value) for value in constants):
            raise ValueError(f"{operation}: constants must be finite, got {constants}")
        place = self._known.get(constants)
        if place is None:
            place = self._known[constants] = len(self.constants)
            self.constants.extend(constants)
        a, b, c = ([row.register for row in reads] + [0, 0, 0])[:3]
        written = [Row(self, self._take()) for _ in range(writes)]
        d, e = ([row.register for row in written] + [0, 0])[:2]
        self.code += _RECORD.pack(_CODES[operation], d, e, a, b, c, place, n)
        return written

    def row(self, value: float) -> Row:
        """Return a row of one value."""
        return self.emit("set", (), (value,))[0]

    def release(self, register: int) -> None:
        """Give a register back."""
        self._free.append(register)

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        if self.registers == 65535:
            raise ValueError("the program needs more than 65535 rows at a time: fewer steps or assets")
        self.registers += 1
        return self.registers - 1


class Dual(float):
    """A number with derivatives by named parameters, which it brings into the rows it multiplies."""

    __slots__ = ("slopes",)
    slopes: Mapping[str, float]

    def __new__(cls, value: float, slopes: Mapping[str, float]) -> Dual:
        """Return the number."""
        made = super().__new__(cls, value)
        made.slopes = slopes
        return made

    def __mul__(self, other: float) -> Dual:
        if not isinstance(other, (int, float)):
            return NotImplemented
        if isinstance(other, Dual):
            raise TypeError("two numbers with derivatives are not multiplied")
        return Dual(float(self) * other, {name: slope * other for name, slope in self.slopes.items()})

    __rmul__ = __mul__

    def _lost(self, other: object = None) -> Dual:
        raise TypeError("a discount factor is to be multiplied with, or its derivative would be lost")

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = __rtruediv__ = __neg__ = __pow__ = _lost  # type: ignore[assignment]


class Row:
    """One number of each path."""

    __slots__ = ("jumps", "register", "tangents", "writer")

    def __init__(self, writer: Writer, register: int) -> None:
        self.writer, self.register = writer, register
        self.tangents: Mapping[str, Row] = {}
        self.jumps = False

    def __del__(self) -> None:
        self.writer.release(self.register)

    def plain(self) -> Row:
        """Return the row without its tangents: derivatives of derivatives are not kept."""
        return _Alias(self) if self.tangents or self.jumps else self

    def affine(self, scale: float, shift: float) -> Row:
        """Return scale * self + shift."""
        return self._map("affine", (scale, shift), lambda d: d.affine(scale, 0.0))

    def __add__(self, other: Row | float) -> Row:
        if isinstance(other, Row):
            return _join("add", self, other, lambda da: da, lambda db: db)
        return self.affine(1.0, other)

    __radd__ = __add__

    def __sub__(self, other: Row | float) -> Row:
        if isinstance(other, Row):
            return _join("subtract", self, other, lambda da: da, lambda db: -db)
        return self.affine(1.0, -other)

    def __rsub__(self, other: float) -> Row:
        return self.affine(-1.0, other)

    def __neg__(self) -> Row:
        return self.affine(-1.0, 0.0)

    def __mul__(self, other: Row | float) -> Row:
        if isinstance(other, Row):
            return _join("multiply", self, other, lambda da: da * other.plain(), lambda db: self.plain() * db)
        result = self.affine(other, 0.0)
        if isinstance(other, Dual):
            tangents = dict(result.tangents)
            for name, slope in other.slopes.items():
                part = self.plain().affine(slope, 0.0)
                tangents[name] = _continuous(tangents[name] + part if name in tangents else part)
            result.tangents = tangents
        return result

    __rmul__ = __mul__

    def __truediv__(self, other: Row | float) -> Row:
        if not isinstance(other, Row):
            return self.affine(1.0 / other, 0.0)
        result = _join("divide", self, other)
        ratio = result.plain()
        _with(result, self.tangents, lambda da: da / other.plain())
        return _with(result, other.tangents, lambda db: -(ratio / other.plain()) * db)

    def exp(self) -> Row:
        """Return the exponential."""
        result = self._map("exp")
        return _with(result, self.tangents, lambda d: result.plain() * d)

    def log(self) -> Row:
        """Return the natural logarithm of a positive row."""
        return self._map("log", (), lambda d: d / self.plain())

    def sqrt(self) -> Row:
        """Return the square root, 0 of what is negative."""
        result = self._map("sqrt")
        return _with(result, self.tangents, lambda d: d * 0.5 / result.plain().floor(1e-150))

    def cdf(self) -> Row:
        """Return the standard normal distribution function."""

        def slope(d: Row) -> Row:
            x = self.plain()
            return (x * x * -0.5).exp() * (1.0 / math.sqrt(2.0 * math.pi)) * d

        return self._map("normal_cdf", (), slope)

    def floor(self, least: float) -> Row:
        """Return the larger of each and `least`."""
        return self._map("floor", (least,), lambda d: d - d * self.below(least))

    def cap(self, most: float) -> Row:
        """Return the smaller of each and `most`."""
        return self._map("cap", (most,), lambda d: d * self.below(most))

    def below(self, bound: float) -> Row:
        """Return 1 where a number lies below the bound, else 0."""
        return _jumping(self.writer.emit("below", (self,), (bound,))[0])

    def count_above(self, bounds: Sequence[float]) -> Row:
        """Return how many of the bounds lie below each number."""
        return _jumping(self.writer.emit("count_above", (self,), bounds, len(bounds))[0])

    def _map(self, operation: str, k: Sequence[float] = (), slope: Callable[[Row], Row] | None = None) -> Row:
        result = self.writer.emit(operation, (self,), k)[0]
        result.jumps = self.jumps
        if slope is not None and self.tangents:
            result.tangents = {name: slope(d.plain()) for name, d in self.tangents.items()}
        return result


def minimum(a: Row, b: Row) -> Row:
    """Return the smaller of two."""
    return _extreme("minimum", a, b, less(a, b) if a.tangents or b.tangents else None)


def maximum(a: Row, b: Row) -> Row:
    """Return the larger of two."""
    return _extreme("maximum", a, b, less(b, a) if a.tangents or b.tangents else None)


def less(a: Row, b: Row) -> Row:
    """Return 1 where a < b, else 0."""
    return _jumping(a.writer.emit("less", (a, b))[0])


def where(condition: Row, yes: Row, no: Row) -> Row:
    """Return `yes` where the condition is not 0, else `no`."""
    result = _jumping(condition.writer.emit("select", (yes, no, condition))[0])
    result.tangents = _chosen(condition, yes, no)
    return result


def grown(spot: Row, normal: Row, deviation: float, drift: float) -> Row:
    """Return spot * exp(deviation * normal + drift), with the spot's tangents."""
    # No normal number of a sampler exceeds 9.
    if not spot.tangents and 9.0 * abs(deviation) + abs(drift) < 80.0:
        result = spot.writer.emit("grow", (spot, normal), (deviation, drift))[0]
        result.jumps = spot.jumps
        return result
    return spot * normal.affine(deviation, drift).exp()


class _Alias(Row):
    """The row of another, which stays its owner."""

    __slots__ = ("owner",)

    def __init__(self, owner: Row) -> None:
        super().__init__(owner.writer, owner.register)
        self.owner = owner

    def __del__(self) -> None:
        pass


class LogSpot(Row):
    """exp of a row, worked out where it is first used: who asks for its logarithm gets the row itself."""

    __slots__ = ("_exp", "exponent")

    def __init__(self, exponent: Row) -> None:
        self.exponent = exponent
        self._exp: Row | None = None

    def __del__(self) -> None:
        pass

    def log(self) -> Row:
        """Return the exponent."""
        return self.exponent

    @property
    def writer(self) -> Writer:  # type: ignore[override]
        """Return the program's writer."""
        return self.exponent.writer

    @property
    def register(self) -> int:  # type: ignore[override]
        """Return the register of the exponential."""
        return self._made().register

    @property
    def tangents(self) -> Mapping[str, Row]:  # type: ignore[override]
        """Return the tangents of the exponential."""
        return self._made().tangents

    @property
    def jumps(self) -> bool:  # type: ignore[override]
        """Return whether the exponent jumps."""
        return self.exponent.jumps

    def _made(self) -> Row:
        if self._exp is None:
            self._exp = self.exponent.exp()
        return self._exp


def levelled(spot: Row, *levels: float) -> tuple[Row, tuple[float, ...]]:
    """Return a row and levels that compare as the spot does with these positive levels: cheap ones."""
    if isinstance(spot, LogSpot):
        return spot.log().plain(), tuple(math.log(level) for level in levels)
    return spot.plain(), levels


def _jumping(row: Row) -> Row:
    row.jumps = True
    return row


def _join(
    operation: str,
    a: Row,
    b: Row,
    by_a: Callable[[Row], Row] | None = None,
    by_b: Callable[[Row], Row] | None = None,
) -> Row:
    result = a.writer.emit(operation, (a, b))[0]
    result.jumps = a.jumps or b.jumps
    if by_a is not None:
        _with(result, a.tangents, by_a)
    if by_b is not None:
        _with(result, b.tangents, by_b)
    return result


def _with(result: Row, tangents: Mapping[str, Row], slope: Callable[[Row], Row]) -> Row:
    """Add to the tangents of `result` what an operand brings."""
    if tangents:
        found = dict(result.tangents)
        result.tangents = {}  # the slope is taken of plain values
        for name, tangent in tangents.items():
            part = slope(tangent.plain())
            found[name] = found[name] + part if name in found else part
        result.tangents = {name: _continuous(row) for name, row in found.items()}
    return result


def _continuous(row: Row) -> Row:
    """Return a tangent as it is kept: what it is a function of does not matter any more."""
    row.tangents, row.jumps = {}, False
    return row


def _extreme(operation: str, a: Row, b: Row, first: Row | None) -> Row:
    result = _join(operation, a, b)
    if first is not None:
        result.tangents = _chosen(first, a, b)
    return result


def _chosen(condition: Row, yes: Row, no: Row) -> Mapping[str, Row]:
    names = [*yes.tangents, *(name for name in no.tangents if name not in yes.tangents)]
    zero = condition.writer.row(0.0) if names else condition
    return {
        name: _continuous(
            condition.writer.emit(
                "select", (yes.tangents.get(name, zero), no.tangents.get(name, zero), condition)
            )[0]
        )
        for name in names
    }
