"""Requests about contracts and market data. ``handlers`` is the table by message id."""

from __future__ import annotations

from collections.abc import Sequence

from optionsib.brokers.paper.computations import CUSTOM, OptionComputer
from optionsib.brokers.paper.contract_messages import (
    chain_message,
    combo_details,
    contract_details,
    rule_message,
    samples_message,
)
from optionsib.brokers.paper.contracts import (
    COMBO_CON_ID,
    ComboLeg,
    ContractDirectory,
    read_combo_legs,
    read_contract,
)
from optionsib.brokers.paper.entitlements import DELAYED_FROZEN, LIVE, Entitlement, grant
from optionsib.brokers.paper.feeds import DepthFeed, TickFeed
from optionsib.brokers.paper.history import BarSource
from optionsib.brokers.paper.history_requests import HistoryRequests
from optionsib.brokers.paper.market_data import OPTION_TYPES, MarketData
from optionsib.brokers.paper.session import (
    NO_REQUEST,
    ExchangeClock,
    Feed,
    MarketDataLine,
    RequestHandler,
    Session,
)
from optionsib.brokers.paper.wire import Field, FieldReader
from optionsib.common.ports import ContractListing, ContractQuery, TapeQuote
from optionsib.common.types import PRICE_SCALE, Contract

MAXIMUM_DEPTH_ROWS = 60
MAXIMUM_FEEDS = 1_000
NOT_FOUND = "No security definition has been found for the request"
_TICK_KINDS = ("Last", "AllLast", "BidAsk", "MidPoint")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class MarketRequests:
    """What the directory and the market data desk are asked. Nothing here waits."""

    def __init__(
        self,
        clock: ExchangeClock,
        directory: ContractDirectory,
        market_data: MarketData,
        computer: OptionComputer,
        source: BarSource,
        *,
        market_data_lines: int,
        entitlement: Entitlement = "live",
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._market_data = market_data
        self._computer = computer
        self._source = source
        self._market_data_lines = market_data_lines
        self._entitlement = entitlement
        self.history = HistoryRequests(clock, directory, source)
        self.handlers: dict[int, RequestHandler] = {
            1: self._market_data_start,
            2: self._market_data_stop,
            9: self._contract_details,
            10: self._depth_start,
            11: self._stop_feed_of(11, 310, "Can't find the subscribed market depth with tickerId:{}"),
            54: self._implied_volatility,
            55: self._option_price,
            56: self._accept_silently,
            57: self._accept_silently,
            59: self._market_data_type,
            78: self._chain_parameters,
            81: self._matching_symbols,
            82: self._depth_exchanges,
            83: self._smart_components,
            91: self._market_rule,
            97: self._ticks_start,
            98: self._stop_feed_of(98, 300, "Can't find EId with tickerId:{}", version_field=False),
            **self.history.handlers,
        }

    def publish(self, sessions: Sequence[Session], changed: Sequence[TapeQuote], now_ns: int) -> None:
        """Send every subscription what one step has changed."""
        self._market_data.publish(sessions, changed, now_ns)
        for session in sessions:
            for _, feed in sorted(session.feeds.items()):
                feed.publish(session, now_ns)

    def watched(self, sessions: Sequence[Session]) -> set[int]:
        """Return the contracts that some subscription needs quotes of."""
        found: set[int] = set()
        for session in sessions:
            for line in session.lines.values():
                found.update((con_id for con_id, _ in line.legs) if line.legs else (line.contract.con_id,))
        return found

    def _accept_silently(self, session: Session, fields: FieldReader) -> None:
        pass

    # --- contracts -------------------------------------------------------------------------------

    def _contract_details(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        if query.security_type == "BAG" and query.symbol:
            currency = query.currency or "USD"
            session.send(combo_details(request_id, query.symbol, currency, session.version))
            session.send([52, 1, request_id])
            return
        found = self._directory.find(query)
        if not found:
            session.error(request_id, 200, NOT_FOUND)
            return
        for contract in found:
            details = contract_details(
                self._directory, request_id, contract, session.version, exchange=query.exchange
            )
            session.send(details)
        session.send([52, 1, request_id])

    def _chain_parameters(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        symbol, exchange, security_type = fields.text(), fields.text(), fields.text()
        chains = self._directory.chains(symbol, security_type, fields.integer(), exchange)
        if not chains:
            session.error(request_id, 200, NOT_FOUND)
            return
        for chain in chains:
            session.send(chain_message(request_id, chain))
        session.send([76, request_id])

    def _matching_symbols(self, session: Session, fields: FieldReader) -> None:
        request_id, pattern = fields.integer(None), fields.text()
        under = self._directory.listing(self._directory.underlying.con_id)
        found: list[tuple[ContractListing, tuple[str, ...]]] = []
        if under is not None and pattern and under.contract.symbol.startswith(pattern.upper()):
            found.append((under, ("OPT", "BAG")))
        if self._directory.market is not None:
            known = {listing.contract.symbol for listing, _ in found}
            found += [
                pair
                for pair in self._directory.market.matching(pattern[:40])
                if pair[0].contract.symbol not in known
            ]
        session.send(samples_message(request_id, found, session.version))

    def _market_rule(self, session: Session, fields: FieldReader) -> None:
        rule_id = fields.integer(None)
        grid = self._directory.market_rule(rule_id)
        if grid is None:
            session.error(NO_REQUEST, 321, f"Error validating request: market rule {rule_id} is unknown")
            return
        session.send(rule_message(rule_id, grid))

    def _depth_exchanges(self, session: Session, fields: FieldReader) -> None:
        rows: list[Field] = []
        for exchange, kind in (
            ("ISLAND", "STK"),
            ("ARCA", "STK"),
            ("CBOE", "OPT"),
            ("CME", "FUT"),
            ("CME", "FOP"),
        ):
            rows += [exchange, kind, "", "Deep2" if kind == "STK" else "Deep", 2147483647]
        session.send([80, 5, *rows])

    def _smart_components(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        names = ("AMEX", "NYSE", "CBOE", "PHLX", "ISE", "CHX", "ARCA", "NASDAQ", "BATS", "IEX")
        rows: list[Field] = []
        for bit, name in enumerate(names):
            rows += [bit, name, _LETTERS[bit]]
        session.send([82, request_id, len(names), *rows])

    # --- market data -----------------------------------------------------------------------------

    def _market_data_type(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        wanted = fields.integer(None)
        if LIVE <= wanted <= DELAYED_FROZEN:
            session.market_data_type = wanted
        else:
            session.error(
                NO_REQUEST, 321, f"Error validating request:-'ca' : cause - market data type {wanted}"
            )

    def _market_data_start(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        legs = read_combo_legs(fields) if query.security_type == "BAG" else ()
        if fields.boolean():
            fields.skip(3)  # delta-neutral contract
        generic = _numbers(fields.text())
        snapshot = fields.boolean() | fields.boolean()
        if request_id in session.lines or request_id in session.feeds:
            session.error(request_id, 322, "Error processing request: Duplicate ticker id")
            return
        found = self._combo(query, legs) if query.security_type == "BAG" else self._directory.find(query)
        if len(found) != 1:
            session.error(request_id, 200, NOT_FOUND)
            return
        if snapshot and generic:
            session.error(request_id, 321, "Error validating request:-'bW' : cause - Snapshot market data "
                          "subscription is not applicable to generic ticks")  # fmt: skip
            return
        if not snapshot and len(session.lines) >= self._market_data_lines:
            session.error(request_id, 101, "Max number of tickers has been reached")
            return
        granted = grant(
            self._entitlement, session.market_data_type, is_open=self._clock.is_open, name=_named(found[0])
        )
        if granted.code:
            session.error(request_id, granted.code, granted.text)
        if not granted.kind:
            return
        line = MarketDataLine(
            request_id,
            found[0],
            legs=tuple((leg.con_id, leg.signed_ratio) for leg in legs),
            generic=generic,
            kind=granted.kind,
        )
        self._market_data.subscribe(session, line, self._clock.now_ns)
        if snapshot:
            session.send([57, 1, request_id])
        else:
            session.lines[request_id] = line

    def _combo(self, query: ContractQuery, legs: tuple[ComboLeg, ...]) -> list[Contract]:
        """Return the combination as a contract; nothing if a leg is unknown or counts nothing."""
        known = all(leg.ratio > 0 and leg.con_id in self._directory.by_id for leg in legs)
        if not known or len(legs) < 2:
            return []
        symbol = query.symbol or self._directory.by_id[legs[0].con_id].symbol
        return [Contract(COMBO_CON_ID, symbol, "BAG", local_symbol=symbol, trading_class="COMB")]

    def _market_data_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        if session.lines.pop(request_id, None) is None:
            session.error(request_id, 300, f"Can't find EId with tickerId:{request_id}")

    # --- computations ------------------------------------------------------------------------------

    def _implied_volatility(self, session: Session, fields: FieldReader) -> None:
        self._calculate(session, fields, wants_price=False)

    def _option_price(self, session: Session, fields: FieldReader) -> None:
        self._calculate(session, fields, wants_price=True)

    def _calculate(self, session: Session, fields: FieldReader, *, wants_price: bool) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        given, spot = fields.number(), fields.number()
        found = self._directory.find(query)
        if len(found) != 1 or found[0].security_type not in OPTION_TYPES:
            session.error(request_id, 200, NOT_FOUND)
            return
        if given is None or spot is None or given < 0 or spot <= 0:
            session.error(request_id, 321, "Error validating request:-'cd' : cause - price, volatility and "
                          "underlying price above 0 are expected")  # fmt: skip
            return
        now_ns = self._clock.now_ns
        solve = self._computer.price_of if wants_price else self._computer.volatility_of
        session.send([21, request_id, CUSTOM, 1, *solve(found[0], given, spot, now_ns)])

    # --- depth and ticks ---------------------------------------------------------------------------

    def _depth_start(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        rows, smart = fields.integer(), fields.boolean()
        contract = self._one_for_feed(session, request_id, query)
        if contract is None:
            return
        level_two = smart or contract.security_type in ("STK", *OPTION_TYPES)
        rows = min(max(rows, 1), MAXIMUM_DEPTH_ROWS)
        feed = DepthFeed(request_id, contract, self._source, rows, level_two, smart)
        self._start(session, request_id, feed)

    def _ticks_start(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        query = read_contract(fields)
        kind, past, ignore_size = fields.text(), fields.integer(), fields.boolean()
        contract = self._one_for_feed(session, request_id, query)
        if contract is None:
            return
        if kind not in _TICK_KINDS:
            session.error(
                request_id, 321, f"Error validating request:-'cq' : cause - Invalid tick type {kind[:20]!r}"
            )
            return
        live_only = contract.security_type in OPTION_TYPES
        if live_only or (contract.security_type == "IND" and kind != "Last"):
            session.error(
                request_id, 10189,
                "Failed to request tick-by-tick data."
                f"{contract.security_type} does not support tick-by-tick data: {kind}",
            )  # fmt: skip
            return
        if past:
            self.history.send_past_ticks(session, request_id, contract, kind, past)
        feed = TickFeed(
            request_id, contract, self._source, kind, since_ns=self._clock.now_ns, ignore_size=ignore_size
        )
        self._start(session, request_id, feed)

    def _one_for_feed(self, session: Session, request_id: int, query: ContractQuery) -> Contract | None:
        if request_id in session.feeds or request_id in session.lines:
            session.error(request_id, 322, "Error processing request: Duplicate ticker id")
            return None
        found = self._directory.find(query)
        if len(found) != 1:
            session.error(request_id, 200, NOT_FOUND)
            return None
        if len(session.feeds) >= MAXIMUM_FEEDS:
            session.error(request_id, 101, "Max number of tickers has been reached")
            return None
        return found[0]

    def _start(self, session: Session, request_id: int, feed: Feed) -> None:
        session.feeds[request_id] = feed
        feed.publish(session, self._clock.now_ns)

    def _stop_feed_of(
        self, message: int, code: int, text: str, *, version_field: bool = True
    ) -> RequestHandler:
        """Return the handler that cancels the feeds that ``message`` cancels."""

        def stop(session: Session, fields: FieldReader) -> None:
            if version_field:
                fields.skip(1)
            request_id = fields.integer(None)
            feed = session.feeds.get(request_id)
            if feed is None or feed.cancelled_by != message:
                session.error(request_id, code, text.format(request_id))
            else:
                del session.feeds[request_id]

        return stop


def _numbers(text: str) -> frozenset[int]:
    """Return the generic tick numbers of ``100,101,mdoff``; words are passed over."""
    return frozenset(int(word) for word in text.split(",") if word.strip().isdecimal())


def _named(contract: Contract) -> str:
    """Return the contract as TWS ends such messages: symbol, expiry, strike and right."""
    words = [contract.symbol, contract.exchange, contract.security_type]
    if contract.right:
        words += [contract.expiry_date, f"{contract.strike / PRICE_SCALE:g}", contract.right]
    return "/".join(words)
