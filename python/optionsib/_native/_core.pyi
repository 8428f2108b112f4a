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
def clear_x87() -> None: ...

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
    CROSSED = 1
    LOCKED = 2
    UNKNOWN_ORDER = -1
    DUPLICATE_ORDER = -2
    BAD_QUANTITY = -3
    BAD_PRICE = -4
    BAD_SIDE = -5
    BAD_ACTION = -6
    BAD_CONTRACT = -7
    GAP = -8
    STALE_SEQUENCE = -9
    MIXED_LEVEL = -10

_Integers = NDArray[np.int64]
_Level = tuple[int, int, int]  # price, quantity, order count
_Resting = tuple[int, int, int, int, int]  # order id, side, price, quantity, owner

BOOK_RECORD: np.dtype[np.void]
BOOK_TOP: np.dtype[np.void]
MATCHING_REPORT: np.dtype[np.void]
BOOK_TRADE: np.dtype[np.void]
BOOK_MAX_QUANTITY: int
BOOK_MAX_PRICE: int

class OrderBook:
    def __init__(self, expected_orders: int = 0) -> None: ...
    def apply(
        self,
        action: int,
        order_id: int,
        side: int = 0,
        price: int = 0,
        quantity: int = 0,
        new_order_id: int = 0,
        owner: int = 0,
        sequence: int = 0,
        /,
    ) -> BookStatus: ...
    def add(self, order_id: int, side: int, price: int, quantity: int, owner: int = 0, /) -> BookStatus: ...
    def reduce(self, order_id: int, quantity: int, /) -> BookStatus: ...
    def cancel(self, order_id: int, /) -> BookStatus: ...
    def replace(self, order_id: int, new_order_id: int, price: int, quantity: int, /) -> BookStatus: ...
    def execute(self, order_id: int, quantity: int, /) -> BookStatus: ...
    def set_level(self, side: int, price: int, quantity: int, order_count: int = 0, /) -> BookStatus: ...
    def clear(self, sequence: int = 0, /) -> BookStatus: ...
    def resume(self, sequence: int) -> None: ...
    @property
    def next_sequence(self) -> int: ...
    @property
    def memory(self) -> int: ...
    def _apply_batch(
        self, records: NDArray[np.void], status: NDArray[np.int8] | None, top: NDArray[np.void] | None
    ) -> tuple[int, int, int]: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def orders_ahead(self, order_id: int) -> int | None: ...
    def _best(self, side: int) -> _Level | None: ...
    def _top(self) -> tuple[int, int, int, int]: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _orders(self, side: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...
    def _depth_quantity(self, side: int, levels: int) -> int: ...
    def _level_count(self, side: int) -> int: ...
    def __len__(self) -> int: ...

class ChainBook:
    def __init__(
        self,
        contracts: int,
        expected_orders: int = 0,
        *,
        shared_ids: bool = True,
        shared_sequence: bool = False,
    ) -> None: ...
    def apply(
        self,
        contract: int,
        action: int,
        order_id: int,
        side: int = 0,
        price: int = 0,
        quantity: int = 0,
        new_order_id: int = 0,
        owner: int = 0,
        sequence: int = 0,
        /,
    ) -> BookStatus: ...
    def next_sequence(self, contract: int) -> int: ...
    def resume(self, contract: int, sequence: int) -> None: ...
    @property
    def order_count(self) -> int: ...
    @property
    def memory(self) -> int: ...
    def _apply_batch(
        self, records: NDArray[np.void], status: NDArray[np.int8] | None, top: NDArray[np.void] | None
    ) -> tuple[int, int, int]: ...
    def _tops(self, out: NDArray[np.void]) -> None: ...
    def __len__(self) -> int: ...

class ContractBook:
    def __init__(self, chain: ChainBook, contract: int) -> None: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def orders_ahead(self, order_id: int) -> int | None: ...
    def _best(self, side: int) -> _Level | None: ...
    def _top(self) -> tuple[int, int, int, int]: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _orders(self, side: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...
    def _depth_quantity(self, side: int, levels: int) -> int: ...
    def _level_count(self, side: int) -> int: ...
    def __len__(self) -> int: ...

class MatchingEngine:
    def __init__(self, expected_orders: int = 0, *, books: int = 1) -> None: ...
    def send(
        self,
        action: int,
        order_id: int,
        side: int = 0,
        price: int = 0,
        quantity: int = 0,
        owner: int = 0,
        flags: int = 0,
        contract: int = 0,
        stop: int = 0,
        extra: int = 0,
        timestamp: int = 0,
        /,
    ) -> int: ...
    def reports(self) -> NDArray[np.void]: ...
    def hidden(self, order_id: int) -> int: ...
    def is_waiting_stop(self, order_id: int) -> bool: ...
    @property
    def books(self) -> int: ...
    @property
    def pending(self) -> int: ...
    def _trades_of(self, order_id: int) -> list[tuple[int, int, int, int]]: ...
    def _apply_batch(self, records: NDArray[np.void]) -> NDArray[np.void]: ...
    def _apply_into(self, records: NDArray[np.void], reports: NDArray[np.void]) -> tuple[int, int]: ...
    def _set_rules(
        self,
        contract: int,
        allocation: int,
        self_match: int,
        static_collar: int,
        dynamic_collar: int,
        interruption_length: int,
    ) -> None: ...
    def _define_combination(self, contract: int, legs: list[tuple[int, int, int]]) -> None: ...
    def _phase(self, contract: int) -> int: ...
    def _indication(self, contract: int) -> tuple[int, int, int]: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def orders_ahead(self, order_id: int) -> int | None: ...
    def _best(self, side: int) -> _Level | None: ...
    def _top(self) -> tuple[int, int, int, int]: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _orders(self, side: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...
    def _depth_quantity(self, side: int, levels: int) -> int: ...
    def _level_count(self, side: int) -> int: ...
    def __len__(self) -> int: ...

class MatchedBook:
    def __init__(self, engine: MatchingEngine, contract: int) -> None: ...
    def quantity_ahead(self, order_id: int) -> int | None: ...
    def orders_ahead(self, order_id: int) -> int | None: ...
    def _best(self, side: int) -> _Level | None: ...
    def _top(self) -> tuple[int, int, int, int]: ...
    def _find(self, order_id: int) -> _Resting | None: ...
    def _queue(self, side: int, price: int) -> list[_Resting]: ...
    def _orders(self, side: int) -> list[_Resting]: ...
    def _depth(self, side: int, levels: int) -> tuple[_Integers, _Integers, _Integers]: ...
    def _depth_quantity(self, side: int, levels: int) -> int: ...
    def _level_count(self, side: int) -> int: ...
    def __len__(self) -> int: ...

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
LIMIT_CHECKS: tuple[str, ...]

_ContractRow = tuple[int, int, int, int, int, int, tuple[tuple[int, int], ...]]

class LimitEngine:
    def __init__(
        self,
        limits: dict[str, int | float | None],
        rows: Sequence[_ContractRow],
        scenarios: int = 0,
        accounts: int = 1,
        orders: int = 4096,
        judges_losses: bool = True,
    ) -> None: ...
    def set_limits(self, limits: dict[str, int | float | None]) -> None: ...
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
        now_ns: int,
    ) -> None: ...
    def update_scenarios(self, con_ids: _Integers, gains: _Doubles) -> None: ...
    def set_state(self, state: int) -> None: ...
    def state(self) -> int: ...
    def set_account_state(self, account: int, state: int) -> None: ...
    def set_account_enabled(self, account: int, enabled: bool) -> None: ...
    def set_tradable(self, con_id: int, tradable: bool) -> None: ...
    def set_restricted(self, con_id: int, restricted: bool) -> None: ...
    def reset_repeated_executions(self, strategy: str) -> None: ...
    def reset_protection(self) -> None: ...
    def strategy(self, name: str) -> int: ...
    def number(self, con_id: int) -> int: ...
    def submit_batch(self, records: NDArray[Any], verdicts: NDArray[Any]) -> int: ...
    def row_submitter(self, records: NDArray[Any], verdicts: NDArray[Any]) -> Callable[[int], int]: ...
    def order_submitter(self) -> Callable[..., int]: ...
    def set_position(self, con_id: int, quantity: int) -> None: ...
    def deliver(self, con_id: int, quantity: int, cash: int, trade: str, strategy: str) -> None: ...
    def set_cash(self, cash: int) -> None: ...
    def cash(self) -> int: ...
    def positions(self) -> dict[int, int]: ...
    def working_count(self) -> int: ...
    def exposure(self) -> tuple[float, float, float, float, float, float, float, int, float, int]: ...
    def check(
        self, order: object, now_ns: int, working: int, closes: bool
    ) -> tuple[bool, bool, int, int, float, float, int, int | None] | None: ...
    def submit(
        self, order: object, now_ns: int, working: int
    ) -> tuple[tuple[bool, bool, int, int, float, float, int, int | None], int] | None: ...
    def add_working(self, order: object, now_ns: int) -> int | None: ...
    def amend(self, handle: int, remaining: int, limit_price: int) -> int: ...
    def fill(self, handle: int, quantity: int, cash: int | None, now_ns: int) -> int: ...
    def finish(self, handle: int) -> int: ...
    def count_message(self, handle: int) -> int: ...
    def snapshot(self) -> tuple[bytes, dict[str, int], dict[str, int]]: ...
    def restore(self, books: bytes, strategies: dict[str, int], trades: dict[str, int]) -> bool: ...

class ItchDecoder:
    def __init__(self, midnight: int, symbols: Sequence[str]) -> None: ...
    def decode(
        self, bytes: bytes | bytearray | memoryview, records: NDArray[np.void]
    ) -> tuple[int, int, int, int, bool]: ...
    def symbol(self, row: int) -> str: ...
    @property
    def rows(self) -> int: ...

# --- Monte Carlo ---------------------------------------------------------------------------------------

SOBOL_DIMENSIONS: int

class MonteCarloProgram:
    def __init__(
        self,
        *,
        code: bytes,
        constants: ArrayLike,
        outputs: Sequence[int],
        registers: int,
        slots: int,
        seed: int,
        paths: int,
        precision: str,
        dimensions: int,
        replicate_paths: int,
    ) -> None: ...
    @property
    def blocks(self) -> int: ...
    def run(self, first: int, count: int, simd_path: str, threads: int = 1) -> _Doubles: ...
    def run_into(self, first: int, count: int, simd_path: str, out: _Doubles, threads: int = 1) -> None: ...
