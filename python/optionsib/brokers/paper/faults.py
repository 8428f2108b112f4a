"""Faults on demand: everything that goes wrong between a program and IB, as plain methods.

The same names serve three ways in: this object (``exchange.faults``), the control port
(:mod:`optionsib.brokers.paper.control`) and the scenario file (:mod:`...scenario`). Every fault acts on
real sockets at the server's send and receive layer, or on the exchange's own books; chance comes from
one generator, so that a failing run can be repeated with its seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Protocol

from optionsib.brokers.paper.interventions import Interventions
from optionsib.brokers.paper.message_faults import (
    CommissionDelay,
    MessageRules,
    Observer,
    Reorder,
    Rule,
    message_number,
)
from optionsib.brokers.paper.request_faults import PLACE_OR_CANCEL, Answer, RequestRules, request_numbers
from optionsib.brokers.paper.session import CUT_OFF, NO_REQUEST, Session
from optionsib.brokers.paper.wire import UNSET_NUMBER, Field

_FARMS = {"mktdata": (2103, 2104, "Market data"), "hmds": (2105, 2106, "HMDS data")}
_FARMS["secdef"] = (2157, 2158, "Sec-def data")
_LINK_TEXTS = {
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    1101: "Connectivity between IB and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored - data maintained.",
}
_CUT_OFF_TEXT = "Connectivity between TWS and server is broken. It will be restored automatically."
_TEXTS = {
    101: "Max number of tickers has been reached",
    110: "The price does not conform to the minimum price variation for this contract.",
    162: "Historical Market Data Service error message:Historical data request pacing violation",
    201: "Order rejected - reason:fault",
    354: "Requested market data is not subscribed.",
    10090: "Part of requested market data is not subscribed.",
    10197: "No market data during competing live session",
    10349: "Order TIF was set to DAY based on order preset.",
}


class Connections(Protocol):
    """What the faults do to the exchange's connections and time."""

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        ...

    def sessions(self) -> list[Session]:
        """Return the connected clients."""
        ...

    def session_of(self, client_id: int) -> Session | None:
        """Return the connected client with this id."""
        ...

    def flush(self) -> None:
        """Hand what is queued to the sockets."""
        ...

    def tell_account_changes(self) -> None:
        """Send positions, account values and profit to everybody who subscribed."""
        ...

    def cut(self, client_id: int | None = None) -> int:
        """Break one client's connection, or all."""
        ...

    def restart(self, seconds: float) -> None:
        """Break all connections and refuse new ones for a while."""
        ...

    def linger(self, client_id: int, seconds: float) -> None:
        """Refuse a client id as in use for a while."""
        ...

    def call_after(self, seconds: float, action: Callable[[], None]) -> None:
        """Act later, by the exchange's time."""
        ...

    def handle(self, session: Session, message: list[str]) -> None:
        """Do and answer a request."""
        ...


class Faults:
    """Arms and lifts faults. Nothing is armed at first.

    ``message`` is a name of :data:`~optionsib.brokers.paper.message_faults.MESSAGES` or a number,
    ``request`` a name of :data:`~optionsib.brokers.paper.request_faults.REQUESTS` or a number. Unknown
    names are refused with ValueError.
    """

    def __init__(self, exchange: Connections, books: Interventions, *, seed: int) -> None:
        self._exchange = exchange
        self._books = books
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._messages = MessageRules(chance, exchange.session_of, exchange.call_after)
        self._requests = RequestRules(self._messages.references)
        self._farms_down: dict[str, tuple[int, str]] = {}  # by name: what was said about it

    # --- asked by the server ---------------------------------------------------------------------

    def outgoing(self, session: Session, fields: list[Field]) -> Iterable[list[Field]]:
        """Return what really goes to the socket in place of a message."""
        return self._messages.outgoing(session, fields)

    def incoming(self, session: Session, message: list[str]) -> bool:
        """Return whether the exchange is to do what a request asks."""
        self._messages.unmute(session, message)
        return self._requests.incoming(session, message)

    def notices(self) -> list[tuple[int, str]]:
        """Return code and text of what a client that connects now is told to be down."""
        if self._requests.link_lost:
            return [(CUT_OFF, _CUT_OFF_TEXT)]
        return list(self._farms_down.values())

    def watch(self, *, messages: Observer | None = None, requests: Observer | None = None) -> None:
        """Call back with (number, order reference) for each message sent or request taken."""
        if messages is not None:
            self._messages.observers.append(messages)
        if requests is not None:
            self._requests.observers.append(requests)

    def unwatch(self, observer: Observer) -> None:
        """End :meth:`watch` for this callback."""
        for observers in (self._messages.observers, self._requests.observers):
            if observer in observers:
                observers.remove(observer)

    # --- messages to the client ------------------------------------------------------------------

    def drop(
        self, message: str, count: int | None = 1, order_ref: str | None = None, probability: float = 1.0
    ) -> None:
        """Lose the next ``count`` messages of a kind (None: all), each with ``probability``."""
        self._messages.rules.append(Rule("drop", message_number(message), count, order_ref, probability))

    def hold(
        self, message: str, count: int | None = None, order_ref: str | None = None, probability: float = 1.0
    ) -> None:
        """Keep messages of a kind back until :meth:`release`."""
        self._messages.rules.append(Rule("hold", message_number(message), count, order_ref, probability))

    def release(self) -> int:
        """End all holds and reorders and send what they kept back; return how many messages."""
        released = self._messages.release()
        self._exchange.flush()
        return released

    def duplicate(
        self, message: str, count: int | None = 1, order_ref: str | None = None, probability: float = 1.0
    ) -> None:
        """Send the next ``count`` messages of a kind twice."""
        self._messages.rules.append(Rule("duplicate", message_number(message), count, order_ref, probability))

    def reorder(self, messages: list[str], order_ref: str | None = None) -> None:
        """Keep the next message of each kind back until all are there, then send them in this order.

        Raises
        ------
        ValueError
            If a kind is unknown or named twice.
        """
        numbers = [message_number(message) for message in messages]
        if len(set(numbers)) < len(numbers) or not numbers:
            raise ValueError(f"reorder needs one or more different messages, got {messages}")
        self._messages.reorders.append(Reorder(numbers, order_ref))

    def commission_delay(self, seconds: float, first: str | None = None) -> None:
        """Send each new commission report ``seconds`` late.

        ``first`` is what a report sent at once says instead of the amount: a number such as ``-1``, or
        ``unset``; None sends nothing at first. 0 seconds without ``first`` ends the fault.
        """
        if seconds < 0:
            raise ValueError(f"seconds must not be below 0, got {seconds}")
        value = UNSET_NUMBER if first == "unset" else first
        self._messages.commission_delay = CommissionDelay(seconds, value) if seconds or first else None

    def correct_commission(self, exec_id: str, amount: float | None = None) -> None:
        """Report the commission of an execution again, with another amount (None: one cent more)."""
        self._books.correct_commission(exec_id, amount)
        self._exchange.tell_account_changes()
        self._exchange.flush()

    def correct_execution(self, exec_id: str, price: float | None = None, quantity: int | None = None) -> str:
        """Correct an execution as IB does: the same id with a higher last part; return the new id."""
        corrected = self._books.correct_execution(exec_id, price, quantity)
        self._exchange.tell_account_changes()
        self._exchange.flush()
        return corrected

    # --- orders ----------------------------------------------------------------------------------

    def fill_while_away(self, order_ref: str | None = None) -> int:
        """Break the connection of whoever owns the working orders, then fill them; return how many.

        None means every working order. The fills happen at the orders' own limits while nobody listens.
        """
        for client_id in self._books.owners_of(order_ref):
            self._exchange.cut(client_id)
        return self.fill_now(order_ref)

    def fill_now(self, order_ref: str | None = None) -> int:
        """Fill working orders at their own limits (None: all) while everybody listens; return how many."""
        filled = self._books.fill_orders(order_ref, self._exchange.now_ns)
        self._exchange.tell_account_changes()
        self._exchange.flush()
        return filled

    def twin_order(self, order_ref: str) -> int:
        """Give a working order a live twin with the same reference and a permId of its own; return that."""
        perm_id = self._books.twin_order(order_ref)
        self._exchange.flush()
        return perm_id

    def place_by_hand(self, con_id: int, action: str, quantity: int, limit: float | None = None) -> int:
        """Place an order as if by hand in TWS (at the market without ``limit``); return its permId."""
        perm_id = self._books.place_by_hand(con_id, action, quantity, limit, self._exchange.now_ns)
        self._exchange.tell_account_changes()
        self._exchange.flush()
        return perm_id

    def liquidate(self, con_id: int, quantity: int, price: float) -> str:
        """Close part of a position as the broker does when margin is short; return the execution id.

        Warning 2148 precedes the execution, which has liquidation 1 and order id -1.
        """
        execution_id = self._books.liquidate(con_id, quantity, price, self._exchange.now_ns)
        self._exchange.tell_account_changes()
        self._exchange.flush()
        return execution_id

    def assign(self, con_id: int, quantity: int) -> None:
        """Assign short options of the account before they expire; their shares are delivered."""
        self._books.assign(con_id, quantity, self._exchange.now_ns)
        self._exchange.tell_account_changes()
        self._exchange.flush()

    def error(
        self,
        code: int,
        request: str | None = None,
        order_ref: str | None = None,
        text: str | None = None,
        count: int = 1,
    ) -> None:
        """Answer the next matching requests with this error instead of doing them.

        With ``order_ref`` a placeOrder or cancelOrder of that order is meant. Information codes
        (399, 2109, 2148, 2161, 10090, 10091, 10167, 10349) go out beside the ordinary answer. With neither
        the error is sent to all clients at once, without a request id.
        """
        wording = text or _TEXTS.get(code, f"fault {code}")
        if request is None and order_ref is None:
            self._tell(code, wording)
            self._exchange.flush()
            return
        numbers = PLACE_OR_CANCEL if request is None else request_numbers(request)
        self._requests.answers.append(Answer(code, wording, numbers, order_ref, count))

    # --- requests --------------------------------------------------------------------------------

    def silence(self, request: str) -> None:
        """Take requests of a kind and never answer them; what they ask is not done."""
        if request == "all":
            self._requests.all_silent = True
        else:
            self._requests.silent |= request_numbers(request)

    def speak(self, late: bool = False) -> int:
        """End all silences; with ``late`` do and answer now what was asked meanwhile."""
        self._requests.silent.clear()
        self._requests.all_silent = False
        waiting, self._requests.unanswered = self._requests.unanswered, []
        return self._do(waiting) if late else 0

    def _do(self, waiting: list[tuple[int, list[str]]]) -> int:
        done = 0
        for client_id, message in waiting:
            session = self._exchange.session_of(client_id)
            if session is not None:
                self._exchange.handle(session, message)
                done += 1
        self._exchange.flush()
        return done

    # --- connections -----------------------------------------------------------------------------

    def cut(self, client_id: int | None = None) -> int:
        """Break the connection of one client, or of all; return how many."""
        return self._exchange.cut(client_id)

    def half_open(self, client_id: int | None = None) -> None:
        """Stop reading and writing while the sockets stay up, until :meth:`resume`."""
        for session in self._exchange.sessions():
            if client_id in (None, session.client_id):
                session.moving.clear()

    def resume(self) -> None:
        """End :meth:`half_open`: what was written meanwhile goes out, what was asked is answered."""
        for session in self._exchange.sessions():
            session.moving.set()
        self._exchange.flush()

    def restart(self, order_id_rollback: int = 0, seconds: float = 0.3) -> None:
        """Break all connections, refuse new ones for ``seconds``, and reissue the last order ids.

        Orders, positions and executions stay. The next valid id of every client is
        ``order_id_rollback`` lower until the client passes the highest id it has used.
        """
        if order_id_rollback < 0 or seconds < 0:
            raise ValueError(f"not below 0 expected, got {order_id_rollback} and {seconds}")
        self._books.roll_back_order_ids(order_id_rollback)
        self._exchange.restart(seconds)

    def lingering_session(self, client_id: int, seconds: float) -> None:
        """Answer 326 to this client id for ``seconds``, as if its last session were not quite gone."""
        self._exchange.linger(client_id, seconds)

    # --- links and feeds -------------------------------------------------------------------------

    def connectivity(self, code: int) -> None:
        """Send 1100 (link to IB lost), 1101 (back, subscriptions lost) or 1102 (back, data kept).

        From 1100 on no feed ticks, and placeOrder and cancelOrder wait; they are done at 1101 or 1102.
        Who connects meanwhile is told 2110.
        After 1101 the old subscriptions are dead: only new requests tick.
        """
        if code not in _LINK_TEXTS:
            raise ValueError(f"code must be one of {sorted(_LINK_TEXTS)}, got {code}")
        self._tell(code, _LINK_TEXTS[code])
        self._requests.link_lost = code == 1100
        if code == 1100:
            self._messages.freeze("link")
        else:
            if code == 1101:
                self._forget_streams()
            self._messages.thaw("link", self._exchange.sessions())
            waiting, self._requests.put_off = self._requests.put_off, []
            self._do(waiting)
        self._exchange.flush()

    def farm(self, name: str = "usfarm", up: bool = True, silent: bool = False) -> None:
        """Break or mend a data farm: 2103/2104, or the codes of ``hmds...`` and ``secdef...`` farms.

        While a market data farm is down, no feed ticks. ``silent`` with ``up`` leaves the old
        subscriptions dead although the farm reports OK.
        """
        down_code, up_code, kind = next(
            (codes for prefix, codes in _FARMS.items() if prefix in name), _FARMS["mktdata"]
        )
        state = "connection is OK" if up else "connection is broken"
        code, text = up_code if up else down_code, f"{kind} farm {state}:{name}"
        self._farms_down.pop(name, None)
        if not up:
            self._farms_down[name] = code, text
        self._tell(code, text)
        if kind == "Market data" and up:
            if silent:
                self._messages.mute(self._exchange.sessions())
            self._messages.thaw(f"farm {name}", self._exchange.sessions())
        elif kind == "Market data":
            self._messages.freeze(f"farm {name}")
        self._exchange.flush()

    def freeze_feed(self, con_id: int | None = None) -> None:
        """Stop the ticks of one contract, or of all, without a word, until :meth:`thaw`."""
        if con_id is None:
            self._messages.freeze("by hand")
        else:
            self._messages.frozen.add(con_id)

    def thaw(self) -> None:
        """End :meth:`freeze_feed`; the newest values go out."""
        self._messages.frozen.clear()
        self._messages.thaw("by hand", self._exchange.sessions())
        self._exchange.flush()

    def clock(self, skew_seconds: int) -> None:
        """Let reqCurrentTime answer this many seconds off."""
        self._messages.skew_seconds = skew_seconds

    # --- all -------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Lift every fault: release, speak, resume, thaw. Dead subscriptions stay dead."""
        self._messages.rules.clear()
        self._messages.commission_delay = None
        self._messages.skew_seconds = 0
        self._messages.frozen_because.clear()
        self._requests.answers.clear()
        self._requests.link_lost = False
        self._farms_down.clear()
        self._requests.unanswered += self._requests.put_off
        self._requests.put_off = []
        self.release()
        self.speak(late=True)
        self.resume()
        self.thaw()

    def _forget_streams(self) -> None:
        for session in self._exchange.sessions():
            for request_id in (*session.lines, *session.feeds):
                session.when_refused(request_id)
            session.lines.clear()
            session.feeds.clear()
            session.withheld.clear()

    def _tell(self, code: int, text: str) -> None:
        for session in self._exchange.sessions():
            session.error(NO_REQUEST, code, text)
