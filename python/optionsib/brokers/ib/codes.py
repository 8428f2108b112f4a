"""What each error code of TWS means for us.

TWS uses one message for errors, warnings and notices, and one number space. A code alone rarely says
that an order is dead: the same code on a new order rejects it and on a modify leaves the order
working at its old limit. Source: IB's message code table and the public issue threads of the
client libraries.
"""

from __future__ import annotations

# Our own notices; TWS never sends negative codes.
DECODE_ALARM = -1  # a message could not be decoded: something was lost
ORDER_ALARM = -2  # the broker's orders or fills contradict each other
CONNECTION_LOST = -3
EXECUTION_CORRECTED = -4
POSITIONS_DIFFER = -5  # the broker's positions are not what our own fills make
ORDER_UNCONFIRMED = -6  # an order without an answer, which the broker does not list either
LIQUIDATION = -9  # the broker closed a position by force
QUIET_WINDOW = -7  # a planned outage of the broker begins or ends
COMMISSION_OPEN = -10  # a commission that is still not known after several questions
PRICE_ROUNDED = -12  # a price was rounded onto the tick grid before the order left
QUOTES_STALE = -8  # watched quotes are no longer, or again, fit to trade on

CLIENT_ID_IN_USE = 326
LINK_LOST, LINK_BACK_DATA_LOST, LINK_BACK_DATA_KEPT = 1100, 1101, 1102
TOO_MANY_LINES = 101
TOO_FAST = 100
HISTORY_REFUSED = 162
PORT_CHANGED = 1300
UNKNOWN_TICKER = 300  # a cancel that crossed with the end of a subscription
COMPETING_SESSION = 10197  # the same user is logged in elsewhere and gets the live data

# The request for a stream did not arrive (too fast), or its id was another's: it is asked for under a new id.
STREAM_LOST = frozenset({100, 102, 322})

# State of the data farms: what it says about the farm that the text names.
FARM_DOWN = frozenset({2103, 2105, 2110, 2157})
FARM_UP = frozenset({2104, 2106, 2158})

# New order: rejected. Modify: refused, the order works on at its old limit.
REFUSALS = frozenset(
    {103, 105, 107, 109, 110, 111, 113, 116, 117, 132, 163, 200, 201, 203, 321, 329, 382, 383, 387, 388}
    | {391, 392, 393, 394, 395, 396, 397, 398, 436, 440, 441, 442, 443, 444, 445, 446, 447, 451, 460}
)
CANCELLED = 202
# The order is not in the state we believed; only a query tells what it is.
NEEDS_QUERY = frozenset({104, 135, 161, 10147, 10148})
# Said about an order that is alive.
ORDER_INFORMATION = frozenset({399, 404, 434, 492, 2148, 10349})

# A market data request with one of these gets no ticks. 10090, 10091 and 10167 are not among them: part
# of the data, or delayed data, still comes.
DATA_REFUSALS = frozenset({101, 200, 354, 10089, 10168, 10186})


def is_information(code: int) -> bool:
    """Tell whether ``code`` is a notice that ends nothing."""
    return 2100 <= code < 2200 or code in ORDER_INFORMATION or code in (0, 165, 10090, 10091, 10167)
