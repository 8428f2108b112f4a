"""Features of a whole tape: the same engine, stepped over the tape's quotes."""

from __future__ import annotations

from collections.abc import Iterator

from optionsib.common.events import Quote
from optionsib.common.ports import QuoteTape, TapeQuote
from optionsib.data.live.chain import ChainState
from optionsib.features.chain_features import ChainFeatures
from optionsib.features.engine import FeatureEngine


def run_tape(tape: QuoteTape, engine: FeatureEngine) -> Iterator[ChainFeatures]:
    """Yield the features of every step of ``tape``.

    A quote counts as changed when one of its prices changed, as in the live feed; a size alone is no
    change. A step with any quote shows that the feed is alive (``ChainState.observe``).
    """
    state = ChainState(tape.underlying, tape.contracts)
    last: dict[int, tuple[TapeQuote, int]] = {}
    for step in tape.steps():
        quotes = []
        for quote in step.quotes:
            before = last.get(quote.con_id)
            same = before is not None and (before[0].bid, before[0].ask) == (quote.bid, quote.ask)
            changed_ns = before[1] if before is not None and same else step.at_ns
            last[quote.con_id] = (quote, changed_ns)
            quotes.append(
                Quote(
                    con_id=quote.con_id,
                    bid=quote.bid,
                    ask=quote.ask,
                    bid_size=quote.bid_size,
                    ask_size=quote.ask_size,
                    as_of_ns=step.at_ns,
                    changed_ns=changed_ns,
                )
            )
        state.observe(step.at_ns, quotes)
        yield engine.step(state.snapshot(step.at_ns))
