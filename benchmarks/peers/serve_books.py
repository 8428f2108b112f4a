"""nautilus_trader and hftbacktest as peers of the order book, in their own environment (build/bench-books).

The inputs are columns of plain steps: ``kind`` 0 add, 1 new size, 2 delete; a replace is a delete and an add.
Objects and books are made, and the warm-up is played, before the clock starts.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from hftbacktest import (
    ADD_ORDER_EVENT,
    BUY_EVENT,
    CANCEL_ORDER_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    MODIFY_ORDER_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.types import event_dtype
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from numba import njit
from serving import Job, serve

NAME = InstrumentId.from_str("BENCH.XNAS")
STEP = 1_000  # ns between events


def _deltas(inputs: dict[str, Any]) -> list[OrderBookDelta]:
    actions = (BookAction.ADD, BookAction.UPDATE, BookAction.DELETE)
    sides = {1: OrderSide.BUY, -1: OrderSide.SELL}
    rows = zip(
        *(inputs[name].tolist() for name in ("kind", "side", "price", "quantity", "order_id")), strict=True
    )
    return [
        OrderBookDelta(
            NAME,
            actions[kind],
            BookOrder(
                sides[side], Price(price, 0), Quantity(quantity, 0), order_id
            ),
            0, 0, 0, 0,
        )
        for kind, side, price, quantity, order_id in rows
    ]  # fmt: skip


def _nautilus(work: str, inputs: dict[str, Any]) -> Job:
    deltas = _deltas(inputs)
    start = int(inputs["warm_up"][0])
    before, after = OrderBookDeltas(NAME, deltas[:start]), deltas[start:]
    batch = OrderBookDeltas(NAME, after)

    def job() -> dict[str, Any]:
        book = OrderBook(NAME, BookType.L3_MBO)
        book.apply_deltas(before)
        apply = book.apply_delta
        begin = time.process_time()
        if work == "batch":
            book.apply_deltas(batch)
        else:
            for delta in after:
                apply(delta)
        seconds = time.process_time() - begin
        top = [float(book.best_bid_price()), float(book.best_ask_price())]
        return {"seconds": seconds, "top": top}

    return job


@njit
def _elapse(hbt: Any, until: int) -> int:
    return hbt.elapse(until - hbt.current_timestamp)  # type: ignore[no-any-return]


def _hftbacktest(work: str, inputs: dict[str, Any]) -> Job:
    size = len(inputs["kind"])
    events = np.zeros(size, event_dtype)
    kinds = np.array([ADD_ORDER_EVENT, MODIFY_ORDER_EVENT, CANCEL_ORDER_EVENT], dtype=np.uint64)
    side = np.where(inputs["side"] > 0, np.uint64(BUY_EVENT), np.uint64(SELL_EVENT))
    events["ev"] = kinds[inputs["kind"].astype(int)] | side | np.uint64(EXCH_EVENT) | np.uint64(LOCAL_EVENT)
    events["exch_ts"] = events["local_ts"] = STEP * (1 + np.arange(size))
    events["px"], events["qty"] = inputs["price"], inputs["quantity"]
    events["order_id"] = inputs["order_id"].astype(np.uint64)
    start = int(inputs["warm_up"][0])
    lowest, highest = float(inputs["price"].min() - 10), float(inputs["price"].max() + 10)

    def job() -> dict[str, Any]:
        asset = (
            BacktestAsset().data(events).linear_asset(1.0).constant_order_latency(0, 0).l3_fifo_queue_model()
            .no_partial_fill_exchange().tick_size(1.0).lot_size(1.0).last_trades_capacity(0)
        )  # fmt: skip
        if work == "vector":
            hbt = ROIVectorMarketDepthBacktest([asset.roi_lb(lowest).roi_ub(highest)])
        else:
            hbt = HashMapMarketDepthBacktest([asset])
        _elapse(hbt, STEP * start + 1)
        begin = time.process_time()
        _elapse(hbt, STEP * size)
        seconds = time.process_time() - begin
        depth = hbt.depth(0)
        top = [depth.best_bid, depth.best_ask]
        hbt.close()
        return {"seconds": seconds, "top": top}

    return job


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Return the job ``<peer> <work>`` on `inputs`."""
    peer, work = job.split(" ", 1)
    return {"nautilus": _nautilus, "hftbacktest": _hftbacktest}[peer](work, inputs)


if __name__ == "__main__":
    serve(prepare)
