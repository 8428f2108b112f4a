"""The report: what it says follows from the journal, and it asks nobody for anything."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("plotly")
pytest.importorskip("solders")

from optionsib.bus.journal import Journal, make_genesis
from optionsib.bus.tape import TickTape
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeeRow
from optionsib.common.errors import JournalError
from optionsib.common.events import (
    AnyEvent,
    ApprovedOrder,
    CommissionReport,
    DecisionRecord,
    Execution,
    LedgerEntry,
    ModelSignal,
    OrderSubmitted,
    PortfolioSnapshot,
    Posting,
    Quote,
    Refusal,
    RiskVerdict,
    SessionEnded,
    SessionStarted,
    SmileSnapshot,
    StrategyDecision,
    VaultOutcome,
    VaultSent,
)
from optionsib.common.types import MINUTE_NS, Contract, Order, OrderLeg
from optionsib.performance.report import ReportSummary, money, write_report
from optionsib.performance.session_facts import read_facts, reason_shape
from optionsib.performance.smiles import MAXIMUM_SNAPSHOTS, smiles_with_fills

OPEN_NS = 1_402_061_400_000_000_000  # 2014-06-06 09:30 New York
EXPIRY_NS = 1_403_294_400_000_000_000
STRIKES = (65.0, 67.5, 70.0, 72.5, 75.0)
CONTRACTS = {
    100 + i: Contract(
        con_id=100 + i,
        symbol="TWX",
        security_type="OPT",
        multiplier=100,
        right="C",
        strike=round(strike * 10_000),
        expiry_date="20140620",
        expiry_ns=EXPIRY_NS,
    )
    for i, strike in enumerate(STRIKES)
}
MODEL_ID = "ab" * 32


class Session:
    """Writes a small day: one trade won, one lost, one open, and refusals of every layer."""

    def __init__(self, folder: Path, minutes: int, candidates: int) -> None:
        self.journal_path, self.tape_path = folder / "journal.sqlite", folder / "ticks.tape"
        genesis = make_genesis(seed=7, config="c", data="d", model=MODEL_ID, build="0.1.0", simd_path="avx2")
        self.journal = Journal.create(self.journal_path, genesis)
        self.clock = SteppedClock(OPEN_NS)
        self.serial = 0
        self.entries: list[LedgerEntry] = []
        self.write(SessionStarted(at_ns=OPEN_NS, resumed=False, account="DU0000001", model_id=MODEL_ID))
        self.move("deposit", "outside", "free", 10_000_000_000)
        with TickTape(self.tape_path) as tape:
            for minute in range(minutes):
                now = OPEN_NS + minute * MINUTE_NS
                self.clock.advance(now)
                tape.append(now, [self.quote(con_id, now) for con_id in CONTRACTS])
                self.step(minute, minutes, now, candidates)
        self.write(SessionEnded(at_ns=self.clock.now_ns(), reason="end of the day"))
        self.journal.close()

    def write(self, event: AnyEvent) -> None:
        self.journal.append_durable(event, self.clock.now_ns())

    def move(self, memo: str, source: str, target: str, amount: int, trade: str = "") -> None:
        """A ledger entry; one of the chain's has a transaction that was sent and confirmed."""
        number, now = len(self.entries), self.clock.now_ns()
        on_chain = memo not in ("reserve", "free")
        signature = f"signature{number}" if on_chain else ""
        if on_chain:
            self.write(
                VaultSent(intent=number, at_ns=now, signature=signature, wire="", last_valid_block_height=1)
            )
            self.write(
                VaultOutcome(
                    intent=number,
                    at_ns=now,
                    result="confirmed",
                    signature=signature,
                    confirmed_ns=now + 1_200_000_000,
                )
            )
        entry = LedgerEntry(
            at_ns=now,
            reference=f"chain {number}",
            memo=memo,
            postings=(Posting(source, -amount), Posting(target, amount)),
            trade_id=trade,
            signature=signature,
        )
        self.entries.append(entry)
        self.write(entry)

    def quote(self, con_id: int, now: int) -> Quote:
        mid = 40_000 - 8_000 * (con_id - 100)
        return Quote(con_id=con_id, bid=mid - 500, ask=mid + 500, bid_size=10, ask_size=10, as_of_ns=now)

    def step(self, minute: int, minutes: int, now: int, candidates: int) -> None:
        for _ in range(candidates):
            self.refuse(now)
        if minute == 2:
            self.fill("T1", (102, 103), "open", 8_000, now)
        if minute == minutes // 2:
            self.fill("T1", (103, 102), "close", -9_000, now)
            self.fill("T2", (101, 102), "open", 8_000, now)
        if minute == minutes - 3:
            self.fill("T2", (102, 101), "close", -7_500, now)
            self.fill("T3", (103, 104), "open", 8_000, now)
        if minute % 5 == 0:
            self.write(self.smile(now, minute))
        self.write(self.snapshot(minute, now))

    def snapshot(self, minute: int, now: int) -> PortfolioSnapshot:
        equity = 10_000_000_000 + round(40e6 * math.sin(minute / 12)) - 300_000 * minute
        return PortfolioSnapshot(
            at_ns=now,
            underlying_price=round(700_000 + 3_000 * math.sin(minute / 9)),
            equity=equity,
            cash=equity,
            realized=0,
            unrealized=0,
            fees=0,
            delta=30.0 * math.sin(minute / 20),
            gamma=4.0 + math.cos(minute / 15),
            vega=120.0 * math.cos(minute / 30),
            theta=-900.0,
            open_trades=1,
            working_orders=2,
        )

    def smile(self, now: int, minute: int) -> SmileSnapshot:
        fitted = tuple(0.2 + 0.0008 * (k - 70.0) ** 2 + minute * 1e-5 for k in STRIKES)
        market = tuple(v + 0.004 * math.sin(k * 3 + minute) for k, v in zip(STRIKES, fitted, strict=True))
        return SmileSnapshot(
            at_ns=now,
            expiry_date="20140620",
            strikes=STRIKES,
            implied_volatility=(math.nan, *market[1:]),
            fitted=fitted,
        )

    def order(self, trade: str, legs: tuple[int, int], purpose: str, limit: int) -> Order:
        self.serial += 1
        return Order(
            order_ref=f"O{self.serial:05d}",
            trade_id=trade,
            legs=(OrderLeg(legs[0], 1), OrderLeg(legs[1], -1)),
            quantity=1,
            limit_price=limit,
            purpose=purpose,  # type: ignore[arg-type]
            strategy="vertical residual",
        )

    def refuse(self, now: int) -> None:
        order = self.order("T9", (101, 103), "open", 15_500)
        candidate, layer = f"C{self.serial:05d}", ("model", "strategy", "risk", "vault")[self.serial % 4]
        score = 0.3 + (self.serial * 37 % 50) / 100
        reasons = {
            "model": f"probability {score:.3f} is below 0.5",
            "strategy": f"leg spread {score:.2f} is wider than 0.20",
            "risk": "change age 1260 s is above 900 s",
            "vault": f"order {order.order_ref} needs 450.00 USDT, free is {score * 500:.2f} USDT",
        }
        risk = RiskVerdict(
            candidate_id=candidate,
            order=order,
            accepts=layer != "risk",
            reduces_risk=False,
            reason=reasons["risk"] if layer == "risk" else "",
            check="max_change_age_seconds" if layer == "risk" else "",
            value=1260.0,
            limit=900.0,
            max_loss=155_000_000,
        )
        self.write(
            DecisionRecord(
                candidate_id=candidate,
                at_ns=now,
                tape_offset=8,
                outcome=Refusal(candidate_id=candidate, layer=layer, reason=reasons[layer]),  # type: ignore[arg-type]
                signal=ModelSignal(
                    candidate_id=candidate,
                    model_id=MODEL_ID,
                    made_at_ns=now,
                    valid_until_ns=now + 120 * 10**9,
                    accepts=layer != "model",
                    score=score,
                    reason=reasons["model"] if layer == "model" else "",
                ),
                strategy=StrategyDecision(
                    candidate_id=candidate,
                    strategy="vertical residual",
                    accepts=layer != "strategy",
                    reason=reasons["strategy"] if layer == "strategy" else "edge <0.045> & more",
                    order=order,
                ),
                risk=risk,
            )
        )

    def fill(self, trade: str, legs: tuple[int, int], purpose: str, price: int, now: int) -> None:
        """Approve, send, fill at ``price`` and settle one vertical spread."""
        order = self.order(trade, legs, purpose, price)
        self.write(
            DecisionRecord(
                candidate_id=f"C{self.serial:05d}",
                at_ns=now,
                tape_offset=8,
                outcome=ApprovedOrder(
                    candidate_id=f"C{self.serial:05d}",
                    order=order,
                    max_loss=80_000_000,
                    reduces_risk=purpose == "close",
                ),
                strategy=StrategyDecision(
                    candidate_id=f"C{self.serial:05d}",
                    strategy="vertical residual",
                    accepts=True,
                    reason=f"close {trade}: held for 60 minutes" if purpose == "close" else "edge 0.05",
                    order=order,
                ),
            )
        )
        self.write(OrderSubmitted(order=order, at_ns=now))
        name = f"E{self.serial:05d}"
        first = self.quote(legs[0], now).ask or 0
        for part, con_id, side, leg_price in (
            ("0", 0, 1, price),
            ("1", legs[0], 1, first),
            ("2", legs[1], -1, first - price),
        ):
            self.write(
                Execution(
                    execution_id=f"{name}.{part}",
                    order_ref=order.order_ref,
                    con_id=con_id,
                    side=side,
                    quantity=1,
                    price=leg_price,
                    at_ns=now,
                    is_combo=part == "0",
                )
            )
        for part in ("1", "2"):
            self.write(CommissionReport(execution_id=f"{name}.{part}", amount=1_000_000))
        if purpose == "open":
            self.move("reserve", "free", "reserved", 84_000_000, trade)
            self.move("open", "reserved", "escrow", 84_000_000, trade)
        else:
            self.move("close", "escrow", "free", 84_000_000, trade)
            self.move("close", "settlement", "free", (-price - 8_000) * 10_000, trade)


FEES = (
    FeeRow(
        name="commission",
        per_contract=Decimal("0.65"),
        minimum_per_order=Decimal("1.00"),
        valid_from=dt.date(2014, 1, 1),
        source="broker's fee page",
        verified=False,
    ),
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(tmp_path_factory.mktemp("session"), minutes=40, candidates=2)


def report(session: Session, out: Path, **changes: object) -> tuple[ReportSummary, str]:
    arguments: dict[str, object] = {
        "title": "TWX 2014-06-06 <b>",
        "simulated": True,
        "contracts": CONTRACTS,
        "fee_rows": FEES,
        "notes": ("The served model is not proven.",),
    }
    summary = write_report(session.journal_path, session.tape_path, out, **(arguments | changes))  # type: ignore[arg-type]
    return summary, out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(session: Session, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportSummary, str]:
    return report(session, tmp_path_factory.mktemp("out") / "deeper" / "report.html")


def data_of(page: str) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def test_summary_follows_from_the_journal(made: tuple[ReportSummary, str], session: Session) -> None:
    summary, _ = made
    facts = read_facts(session.journal_path)
    assert summary.net_profit == facts.snapshots[-1].equity - facts.snapshots[0].equity
    assert (summary.trades_opened, summary.trades_closed, summary.wins, summary.losses) == (3, 2, 1, 1)
    assert summary.fees == 10_000_000
    assert summary.decisions == 40 * 2 + 5
    assert summary.approved == 5
    assert sum(summary.refusals.values()) == 80
    assert set(summary.refusals) == {"model", "strategy", "risk", "vault"}
    assert summary.journal_sha256 == facts.head
    equity = [row.equity for row in facts.snapshots]
    falls = [max(equity[: i + 1]) - equity[i] for i in range(len(equity))]
    assert summary.maximum_drawdown == max(falls) > 0


def test_trades_are_exact(session: Session) -> None:
    won, lost, still_open = read_facts(session.journal_path).trades(CONTRACTS)
    assert (won.trade_id, won.entry_price, won.exit_price) == ("T1", 0.8, 0.9)
    assert (won.gross, won.fees, won.net) == (10_000_000, 4_000_000, 6_000_000)
    assert won.exit_reason == "close T1: held for 60 minutes"
    assert (lost.gross, lost.net, lost.is_closed) == (-5_000_000, -9_000_000, True)
    assert (still_open.is_closed, still_open.exit_price, still_open.quantity) == (False, None, 1)


def test_page_asks_nobody(made: tuple[ReportSummary, str]) -> None:
    """Outside plotly's library there is no address at all; inside, the policy forbids all requests."""
    _, page = made
    plotly_script = max(re.findall(r"<script>(.*?)</script>", page, re.DOTALL), key=len)
    assert len(plotly_script) > 1_000_000
    ours = page.replace(plotly_script, "")
    assert not re.search(r"https?:|//[a-z0-9-]+\.[a-z]|\bsrc\s*=|@import|url\(", ours)
    assert "default-src 'none'" in page
    assert "connect-src" not in page
    assert page.count("<script") == 3
    assert page.count("</script>") == 3


def test_page_says_what_it_is(made: tuple[ReportSummary, str], session: Session, tmp_path: Path) -> None:
    summary, page = made
    assert '<span class="badge">SIMULATED</span>' in page
    assert "1 USD = 1 USDT in this demo" in page
    assert "no proof of skill" in page
    assert "no market ever showed these prices" in page
    assert f"The session lost {money(-summary.net_profit)}" in page
    assert "The served model is not proven." in page
    assert "TWX 2014-06-06 &lt;b&gt;" in page
    assert summary.journal_sha256 in page
    _, recorded = report(session, tmp_path / "recorded.html", simulated=False)
    assert '<span class="badge">RECORDED DAY</span>' in recorded
    assert "SIMULATED" not in recorded
    assert "no market ever showed" not in recorded


def test_every_decision_shows_its_votes(made: tuple[ReportSummary, str]) -> None:
    rows = data_of(made[1])["decisions"]
    assert len(rows) == 85
    for row in rows:
        votes = {layer: row[layer] for layer in ("model", "strategy", "risk")}
        refusing = row["outcome"]
        if refusing in votes:
            assert votes[refusing][0] == 0  # type: ignore[index]
            assert row["reason"]
    closing = next(row for row in rows if row["purpose"] == "close")
    assert closing["outcome"] == "approved"
    assert closing["model"] == [None, ""]
    assert closing["order"] == "1 × +1 Jun20 72.5C  −1 Jun20 70C"


def test_text_of_the_journal_cannot_leave_its_element(made: tuple[ReportSummary, str]) -> None:
    rows = data_of(made[1])["decisions"]
    assert any("edge <0.045> & more" in row["strategy"][1] for row in rows)  # type: ignore[index]
    assert "edge <0.045>" not in made[1]


def test_refusals_count_by_kind(made: tuple[ReportSummary, str]) -> None:
    rows = data_of(made[1])["refusals"]
    kinds = {(row["layer"], row["reason"]): row["count"] for row in rows}
    layers = made[0].refusals
    assert kinds == {
        ("model", "probability # is below #"): layers["model"],
        ("strategy", "leg spread # is wider than #"): layers["strategy"],
        ("risk", "max_change_age_seconds"): layers["risk"],
        ("vault", "order O# needs # USDT, free is # USDT"): layers["vault"],
    }
    assert sum(layers.values()) == 80
    assert reason_shape("limit -0.05 is not within 1,000 to 25%") == "limit # is not within # to #"


def test_vault_rows_end_in_the_ledger_s_balances(made: tuple[ReportSummary, str], session: Session) -> None:
    rows = data_of(made[1])["vault"]
    assert len(rows) == len(session.entries)
    balances = Counter[str]()
    for entry in session.entries:
        for posting in entry.postings:
            balances[posting.account] += posting.amount
    for account in ("free", "reserved", "escrow", "receivable", "settlement", "fees"):
        assert rows[-1][account] == balances[account] / 1e6
    assert {row["took"] for row in rows} == {None, 1.2}
    assert rows[0]["signature"] == "signature0"


def test_fees_and_fee_table(made: tuple[ReportSummary, str]) -> None:
    data = data_of(made[1])
    assert sum(row["amount"] for row in data["fees"]) == 10.0  # type: ignore[misc]
    assert {row["trade"] for row in data["fees"]} == {"T1", "T2", "T3"}
    assert data["feeRows"][0]["verified"] == "unverified"


def test_fills_stand_on_their_smile(made: tuple[ReportSummary, str], session: Session) -> None:
    (group,) = data_of(made[1])["smiles"]
    fills, snapshots = group["fills"], group["snapshots"]
    assert len(fills) == 10  # type: ignore[arg-type]
    assert len(snapshots) == 8  # type: ignore[arg-type]
    assert snapshots[0]["market"][0] is None  # type: ignore[index]
    facts = read_facts(session.journal_path)
    for tape in (None, session.tape_path):
        (placed,) = smiles_with_fills(facts.smiles, facts.executions, CONTRACTS, facts.snapshots, tape)
        bought = placed.fills[0]
        smile = next(s for s in reversed(facts.smiles) if s.at_ns <= bought.execution.at_ns)
        on_smile = smile.implied_volatility[STRIKES.index(bought.strike)]
        if tape is None:
            assert bought.volatility == on_smile
        else:  # bought at the ask, half a spread of 0.05 above the mid: above the smile by 0.05 / vega
            vega = 70.0 * math.sqrt((EXPIRY_NS - bought.execution.at_ns) / (365 * 86_400e9)) * 0.3989
            assert bought.volatility - on_smile == pytest.approx(0.05 / vega, rel=0.05)


def test_many_smiles_are_thinned(session: Session) -> None:
    facts = read_facts(session.journal_path)
    many = [session.smile(OPEN_NS + minute * MINUTE_NS, minute) for minute in range(390)]
    (group,) = smiles_with_fills(many, facts.executions, CONTRACTS, facts.snapshots, None)
    assert len(group.snapshots) <= MAXIMUM_SNAPSHOTS + 5
    assert (group.snapshots[0], group.snapshots[-1]) == (many[0], many[-1])
    for fill in group.fills:
        assert any(s.at_ns == fill.execution.at_ns for s in group.snapshots)


def test_same_journal_gives_the_same_bytes(
    made: tuple[ReportSummary, str], session: Session, tmp_path: Path
) -> None:
    assert report(session, tmp_path / "again.html")[1] == made[1]


def test_without_contracts_and_tape(session: Session, tmp_path: Path) -> None:
    out = tmp_path / "bare.html"
    summary = write_report(session.journal_path, None, out, title="bare", simulated=True)
    assert (summary.wins, summary.losses) == (1, 1)  # options are taken at 100 shares
    assert "+1 #102" in str(data_of(out.read_text(encoding="utf-8"))["trades"][0]["legs"])


def test_empty_session_gives_a_page(tmp_path: Path) -> None:
    genesis = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")
    Journal.create(tmp_path / "j", genesis).close()
    summary = write_report(tmp_path / "j", None, tmp_path / "r.html", title="nothing", simulated=False)
    assert (summary.net_profit, summary.decisions, summary.refusals) == (0, 0, {})
    assert list(tmp_path.glob(".r.html*")) == []


def test_missing_journal_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal at"):
        write_report(tmp_path / "absent", None, tmp_path / "r.html", title="x", simulated=False)
    assert not (tmp_path / "r.html").exists()


def test_money_is_to_the_cent() -> None:
    assert money(1_234_567_891) == "1,234.57 USD"
    assert money(-6_000) == "−0.01 USD"
    assert money(-4_000) == "0.00 USD"
    assert money(-34_200_000) == "−34.20 USD"
    assert money(0) == "0.00 USD"
