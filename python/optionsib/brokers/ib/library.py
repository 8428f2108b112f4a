"""The one switch between the client libraries: ib_async, or its archived parent ib_insync.

All that is used of either stands here: the message classes, the socket client with its decoder, and the
matching of answers to requests (only through the ``*Async`` methods; nothing here ever runs a loop of
its own). What the two do differently - which codes end an order, whether an unanswered synchronisation
is an error, what survives a disconnect, how unknown contracts are dropped - lies in parts that are not
used: orders, quotes and executions are kept by this package from the decoded messages.

``OPTIONSIB_IB_LIBRARY`` names the library; without it ib_async is taken, ib_insync where that is missing.
Never install both: they overwrite each other's ``eventkit``.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

from optionsib.common.errors import ConfigError

SWITCH = "OPTIONSIB_IB_LIBRARY"
LIBRARIES = ("ib_async", "ib_insync")


def _load(wanted: str | None) -> ModuleType:
    if wanted:
        if wanted not in LIBRARIES:
            raise ConfigError(f"{SWITCH} is {wanted!r}, expected one of {', '.join(LIBRARIES)}")
        return importlib.import_module(wanted)
    for name in LIBRARIES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ModuleNotFoundError(
        "neither ib_async nor ib_insync is installed: pip install 'optionsib[live]'", name="ib_async"
    )


_library = _load(os.environ.get(SWITCH))
NAME = _library.__name__
DECODER_LOG = f"{NAME}.Decoder"

if TYPE_CHECKING:
    from ib_async import (
        IB,
        BarData,
        ComboLeg,
        CommissionReport,
        Contract,
        ContractDetails,
        Execution,
        ExecutionCondition,
        LimitOrder,
        MarginCondition,
        OptionComputation,
        Order,
        PercentChangeCondition,
        PriceCondition,
        PriceIncrement,
        TagValue,
        TimeCondition,
        VolumeCondition,
    )
    from ib_async.client import Client
    from ib_async.objects import OptionChain
    from ib_async.order import OrderState
    from ib_async.wrapper import RequestError, Wrapper
else:
    IB = _library.IB
    BarData = _library.BarData
    ComboLeg = _library.ComboLeg
    CommissionReport = _library.CommissionReport
    Contract = _library.Contract
    ContractDetails = _library.ContractDetails
    Execution = _library.Execution
    ExecutionCondition = _library.ExecutionCondition
    LimitOrder = _library.LimitOrder
    MarginCondition = _library.MarginCondition
    OptionComputation = _library.OptionComputation
    Order = _library.Order
    PercentChangeCondition = _library.PercentChangeCondition
    PriceCondition = _library.PriceCondition
    PriceIncrement = _library.PriceIncrement
    TagValue = _library.TagValue
    TimeCondition = _library.TimeCondition
    VolumeCondition = _library.VolumeCondition
    Client = _library.Client
    OptionChain = _library.OptionChain
    OrderState = _library.OrderState
    RequestError = importlib.import_module(f"{NAME}.wrapper").RequestError
    Wrapper = importlib.import_module(f"{NAME}.wrapper").Wrapper

__all__ = [
    "DECODER_LOG",
    "IB",
    "LIBRARIES",
    "NAME",
    "SWITCH",
    "BarData",
    "Client",
    "ComboLeg",
    "CommissionReport",
    "Contract",
    "ContractDetails",
    "Execution",
    "ExecutionCondition",
    "LimitOrder",
    "MarginCondition",
    "OptionChain",
    "OptionComputation",
    "Order",
    "OrderState",
    "PercentChangeCondition",
    "PriceCondition",
    "PriceIncrement",
    "RequestError",
    "TagValue",
    "TimeCondition",
    "VolumeCondition",
    "Wrapper",
]
