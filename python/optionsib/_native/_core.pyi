import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib.pricing.results import Status

__version__: str

_Doubles = NDArray[np.float64]
_Codes = NDArray[np.int8]

# --- pricing ------------------------------------------------------------------------------------------

_Value = TypeVar("_Value")
_Status = TypeVar("_Status")
_Model = Literal["bsm", "black76", "displaced", "bachelier"]
_Units = Literal["raw", "desk"]
_Scalar = float | np.floating[Any] | np.integer[Any]
_ScalarKind = str | _Scalar
_Kind = ArrayLike

@final
class Greeks(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    def to_dict(self) -> dict[str, _Value]: ...

@final
class SecondOrderGreeks(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def vanna(self) -> _Value: ...
    @property
    def volga(self) -> _Value: ...
    @property
    def charm(self) -> _Value: ...
    @property
    def veta(self) -> _Value: ...
    def to_dict(self) -> dict[str, _Value]: ...

@final
class ThirdOrderGreeks(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def vanna(self) -> _Value: ...
    @property
    def volga(self) -> _Value: ...
    @property
    def charm(self) -> _Value: ...
    @property
    def veta(self) -> _Value: ...
    @property
    def speed(self) -> _Value: ...
    @property
    def zomma(self) -> _Value: ...
    @property
    def color(self) -> _Value: ...
    @property
    def ultima(self) -> _Value: ...
    def to_dict(self) -> dict[str, _Value]: ...

@final
class ImpliedVolatility(tuple[_Value | _Status, ...], Generic[_Value, _Status]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value | _Status], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def volatility(self) -> _Value: ...
    @property
    def status(self) -> _Status: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class ImpliedGreeks(tuple[_Value | _Status, ...], Generic[_Value, _Status]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value | _Status], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def volatility(self) -> _Value: ...
    @property
    def status(self) -> _Status: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class SecondOrderImpliedGreeks(tuple[_Value | _Status, ...], Generic[_Value, _Status]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value | _Status], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def volatility(self) -> _Value: ...
    @property
    def status(self) -> _Status: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def vanna(self) -> _Value: ...
    @property
    def volga(self) -> _Value: ...
    @property
    def charm(self) -> _Value: ...
    @property
    def veta(self) -> _Value: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class ThirdOrderImpliedGreeks(tuple[_Value | _Status, ...], Generic[_Value, _Status]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value | _Status], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def volatility(self) -> _Value: ...
    @property
    def status(self) -> _Status: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def vanna(self) -> _Value: ...
    @property
    def volga(self) -> _Value: ...
    @property
    def charm(self) -> _Value: ...
    @property
    def veta(self) -> _Value: ...
    @property
    def speed(self) -> _Value: ...
    @property
    def zomma(self) -> _Value: ...
    @property
    def color(self) -> _Value: ...
    @property
    def ultima(self) -> _Value: ...
    def to_dict(self) -> dict[str, Any]: ...

@overload
def price(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> float: ...
@overload
def price(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    out: _Doubles | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> _Doubles: ...
@overload
def greeks(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    order: Literal[1] = 1,
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> Greeks[float]: ...
@overload
def greeks(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    order: Literal[1] = 1,
    units: _Units = "raw",
    out: _Doubles | Greeks[_Doubles] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> Greeks[_Doubles]: ...
@overload
def greeks(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    order: Literal[2],
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> SecondOrderGreeks[float]: ...
@overload
def greeks(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    order: Literal[2],
    units: _Units = "raw",
    out: _Doubles | SecondOrderGreeks[_Doubles] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> SecondOrderGreeks[_Doubles]: ...
@overload
def greeks(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    order: Literal[3],
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> ThirdOrderGreeks[float]: ...
@overload
def greeks(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    order: Literal[3],
    units: _Units = "raw",
    out: _Doubles | ThirdOrderGreeks[_Doubles] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> ThirdOrderGreeks[_Doubles]: ...
@overload
def implied_volatility(
    price: _Scalar,
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    guess: _Scalar | None = None,
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> ImpliedVolatility[float, Status]: ...
@overload
def implied_volatility(
    price: ArrayLike,
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    guess: ArrayLike | None = None,
    out: _Doubles | ImpliedVolatility[_Doubles, _Codes] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> ImpliedVolatility[_Doubles, _Codes]: ...
@overload
def implied_greeks(
    price: _Scalar,
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    guess: _Scalar | None = None,
    order: Literal[1] = 1,
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> ImpliedGreeks[float, Status]: ...
@overload
def implied_greeks(
    price: ArrayLike,
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    guess: ArrayLike | None = None,
    order: Literal[1] = 1,
    units: _Units = "raw",
    out: _Doubles | ImpliedGreeks[_Doubles, _Codes] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> ImpliedGreeks[_Doubles, _Codes]: ...
@overload
def implied_greeks(
    price: _Scalar,
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    guess: _Scalar | None = None,
    order: Literal[2],
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> SecondOrderImpliedGreeks[float, Status]: ...
@overload
def implied_greeks(
    price: ArrayLike,
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    guess: ArrayLike | None = None,
    order: Literal[2],
    units: _Units = "raw",
    out: _Doubles | SecondOrderImpliedGreeks[_Doubles, _Codes] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> SecondOrderImpliedGreeks[_Doubles, _Codes]: ...
@overload
def implied_greeks(
    price: _Scalar,
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _Model = "bsm",
    shift: _Scalar = 0.0,
    guess: _Scalar | None = None,
    order: Literal[3],
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> ThirdOrderImpliedGreeks[float, Status]: ...
@overload
def implied_greeks(
    price: ArrayLike,
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _Model = "bsm",
    shift: ArrayLike = 0.0,
    guess: ArrayLike | None = None,
    order: Literal[3],
    units: _Units = "raw",
    out: _Doubles | ThirdOrderImpliedGreeks[_Doubles, _Codes] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> ThirdOrderImpliedGreeks[_Doubles, _Codes]: ...
def clear_buffers() -> None: ...
def buffer_use() -> tuple[int, int, int]: ...
def configure_pricing(
    statuses: tuple[Status, ...],
    column: Callable[[Any, str], NDArray[Any]],
    check_indexes: Callable[[dict[str, Any]], None],
    shares_memory: Callable[..., bool],
    /,
) -> None: ...
def simd_path() -> str: ...

# --- american options and cash dividends --------------------------------------------------------------

_Dividends = tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]
_DividendModel = Literal["spot", "escrowed"]
_UsedDividendModel = Literal["none", "spot", "escrowed"]
_ForwardModel = Literal["bsm", "black76"]
_Tier = Literal["fast", "accurate", "high"]
_Exercise = Literal["american", "european"]

@final
class AmericanGreeks(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def dividend_model(self) -> _UsedDividendModel: ...
    def to_dict(self) -> dict[str, _Value]: ...

@final
class EuropeanGreeks(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def dividend_model(self) -> _UsedDividendModel: ...
    def to_dict(self) -> dict[str, _Value]: ...

@final
class AmericanImpliedVolatility(tuple[_Value | _Status, ...], Generic[_Value, _Status]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value | _Status], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def volatility(self) -> _Value: ...
    @property
    def status(self) -> _Status: ...
    @property
    def dividend_model(self) -> _UsedDividendModel: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class AmericanImpliedGreeks(tuple[_Value | _Status, ...], Generic[_Value, _Status]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value | _Status], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def volatility(self) -> _Value: ...
    @property
    def status(self) -> _Status: ...
    @property
    def price(self) -> _Value: ...
    @property
    def delta(self) -> _Value: ...
    @property
    def gamma(self) -> _Value: ...
    @property
    def vega(self) -> _Value: ...
    @property
    def theta(self) -> _Value: ...
    @property
    def rho(self) -> _Value: ...
    @property
    def epsilon(self) -> _Value: ...
    @property
    def dual_delta(self) -> _Value: ...
    @property
    def dual_gamma(self) -> _Value: ...
    @property
    def dividend_model(self) -> _UsedDividendModel: ...
    def to_dict(self) -> dict[str, Any]: ...

@final
class ExerciseBoundary(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def lower(self) -> _Value: ...
    @property
    def upper(self) -> _Value: ...
    def to_dict(self) -> dict[str, _Value]: ...

@final
class ExerciseBeforeDividend(tuple[_Value, ...], Generic[_Value]):
    _fields: ClassVar[tuple[str, ...]]
    __match_args__: ClassVar[tuple[str, ...]]
    n_fields: ClassVar[int]
    n_sequence_fields: ClassVar[int]
    n_unnamed_fields: ClassVar[int]
    def __new__(cls, sequence: Iterable[_Value], dict: dict[str, Any] = ...) -> Self: ...
    @property
    def holding_value(self) -> _Value: ...
    @property
    def exercise_value(self) -> _Value: ...
    @property
    def critical_spot(self) -> _Value: ...
    @property
    def ex_time(self) -> _Value: ...
    @property
    def dividend(self) -> _Value: ...
    def to_dict(self) -> dict[str, _Value]: ...

@overload
def american_price(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> float: ...
@overload
def american_price(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    out: _Doubles | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> _Doubles: ...
@overload
def american_greeks(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> AmericanGreeks[float]: ...
@overload
def american_greeks(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    units: _Units = "raw",
    out: _Doubles | AmericanGreeks[_Doubles] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> AmericanGreeks[_Doubles]: ...
@overload
def american_implied_volatility(
    price: _Scalar,
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    guess: _Scalar | None = None,
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> AmericanImpliedVolatility[float, Status]: ...
@overload
def american_implied_volatility(
    price: ArrayLike,
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    guess: ArrayLike | None = None,
    out: _Doubles | AmericanImpliedVolatility[_Doubles, _Codes] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> AmericanImpliedVolatility[_Doubles, _Codes]: ...
@overload
def american_implied_greeks(
    price: _Scalar,
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    guess: _Scalar | None = None,
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> AmericanImpliedGreeks[float, Status]: ...
@overload
def american_implied_greeks(
    price: ArrayLike,
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    guess: ArrayLike | None = None,
    units: _Units = "raw",
    out: _Doubles | AmericanImpliedGreeks[_Doubles, _Codes] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> AmericanImpliedGreeks[_Doubles, _Codes]: ...
@overload
def exercise_boundary(
    kind: _ScalarKind,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> ExerciseBoundary[float]: ...
@overload
def exercise_boundary(
    kind: _Kind,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    model: _ForwardModel = "bsm",
    tier: _Tier = "accurate",
    out: _Doubles | ExerciseBoundary[_Doubles] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> ExerciseBoundary[_Doubles]: ...
@overload
def european_price(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    method: Literal["pde", "approximation"] = "pde",
    tier: _Tier = "accurate",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> float: ...
@overload
def european_price(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    method: Literal["pde", "approximation"] = "pde",
    tier: _Tier = "accurate",
    out: _Doubles | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> _Doubles: ...
@overload
def european_greeks(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    units: _Units = "raw",
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> EuropeanGreeks[float]: ...
@overload
def european_greeks(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    units: _Units = "raw",
    out: _Doubles | EuropeanGreeks[_Doubles] | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> EuropeanGreeks[_Doubles]: ...
@overload
def exercise_before_dividend(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    status: None = None,
    threads: int = 1,
) -> ExerciseBeforeDividend[float]: ...
@overload
def exercise_before_dividend(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    status: _Codes | None = None,
    threads: int = 1,
) -> ExerciseBeforeDividend[_Doubles]: ...
@overload
def leisen_reimer_price(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    exercise: _Exercise = "american",
    steps: int = 801,
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> float: ...
@overload
def leisen_reimer_price(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    exercise: _Exercise = "american",
    steps: int = 801,
    out: _Doubles | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> _Doubles: ...
@overload
def finite_difference_price(
    kind: _ScalarKind,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    exercise: _Exercise = "american",
    space_steps: int = 800,
    time_steps: int = 400,
    out: None = None,
    status: None = None,
    threads: int = 1,
) -> float: ...
@overload
def finite_difference_price(
    kind: _Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    exercise: _Exercise = "american",
    space_steps: int = 800,
    time_steps: int = 400,
    out: _Doubles | None = None,
    status: _Codes | None = None,
    threads: int = 1,
) -> _Doubles: ...

# --- book ---------------------------------------------------------------------------------------------

class BookStatus(enum.IntEnum):
    OK = 0
    UNKNOWN_ORDER = 1
    DUPLICATE_ORDER = 2
    BAD_QUANTITY = 3
    BAD_PRICE = 4
    BAD_SIDE = 5
    BAD_ACTION = 6

_Integers = NDArray[np.int64]
_Level = tuple[int, int, int]  # price, quantity, order count
_Resting = tuple[int, int, int, int, int]  # order id, side, price, quantity, owner
_Match = tuple[BookStatus, list[tuple[int, int, int, int]], int, bool]

BOOK_RECORD: np.dtype[np.void]
BOOK_TRADE: np.dtype[np.void]
BOOK_MAX_QUANTITY: int
BOOK_MAX_PRICE: int

class OrderBook:
    def __init__(self, expected_orders: int = 1024) -> None: ...
    def __len__(self) -> int: ...
    def add(self, order_id: int, side: int, price: int, quantity: int, owner: int = 0) -> BookStatus: ...
    def reduce(self, order_id: int, quantity: int, /) -> BookStatus: ...
    def cancel(self, order_id: int, /) -> BookStatus: ...
    def replace(self, order_id: int, new_order_id: int, price: int, quantity: int, /) -> BookStatus: ...
    def execute(self, order_id: int, quantity: int, /) -> BookStatus: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def _apply_batch(self, records: NDArray[np.void]) -> NDArray[np.uint8]: ...
    def _best(self, side: int) -> _Level | None: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...

class MatchingEngine:
    def __init__(self, expected_orders: int = 1024) -> None: ...
    def __len__(self) -> int: ...
    def cancel(self, order_id: int) -> BookStatus: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def _submit(
        self, order_id: int, side: int, price: int, quantity: int, owner: int, ioc: bool
    ) -> _Match: ...
    def _modify(self, order_id: int, price: int, quantity: int) -> _Match: ...
    def _apply_batch(self, records: NDArray[np.void]) -> tuple[NDArray[np.uint8], NDArray[np.void]]: ...
    def _best(self, side: int) -> _Level | None: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...

# --- payoff geometry ----------------------------------------------------------------------------------

def payoff_geometry_exact(
    kind: _Integers, strike: _Integers, quantity: _Integers, multiplier: _Integers, cash: int
) -> tuple[int | None, int | None, _Doubles, _Integers, _Integers, int]: ...
def payoff_geometry_float(
    kind: _Integers, strike: _Doubles, quantity: _Doubles, multiplier: _Doubles, cash: float
) -> tuple[float | None, float | None, _Doubles, _Doubles, _Doubles, float]: ...

# --- limits -------------------------------------------------------------------------------------------

UNBOUNDED_LOSS: int
MAX_FILL_COMBINATIONS: int
SANITY_COLLAR: int

_ContractRow = tuple[int, int, int, int, int, int, tuple[tuple[int, int], ...]]

class LimitEngine:
    def __init__(self, limits: dict[str, int | float | None], rows: Sequence[_ContractRow]) -> None: ...
    def update_market(
        self,
        con_ids: _Integers,
        bid: _Doubles,
        ask: _Doubles,
        delta: _Doubles,
        gamma: _Doubles,
        vega: _Doubles,
        feed_age: _Doubles,
        change_age: _Doubles,
        spot: float,
        underlying_feed_age: float,
    ) -> None: ...
    def set_halted(self, halted: bool) -> None: ...
    def set_position(self, con_id: int, quantity: int) -> None: ...
    def set_cash(self, cash: int) -> None: ...
    def cash(self) -> int: ...
    def positions(self) -> dict[int, int]: ...
    def working_count(self) -> int: ...
    def exposure(self) -> tuple[float, float, float, float, float, float, float, int]: ...
    def check(
        self, order: object, now_ns: int, working: int | None
    ) -> tuple[bool, bool, int, int, float, float, int, int | None] | None: ...
    def add_working(self, order: object, now_ns: int) -> int | None: ...
    def reprice(self, handle: int, limit_price: int) -> int: ...
    def fill(self, handle: int, quantity: int, cash: int | None) -> int: ...
    def finish(self, handle: int) -> int: ...
