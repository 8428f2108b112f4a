"""What an operator does about a code of TWS: one sentence each, for status, doctor and documentation."""

from __future__ import annotations

_API = "TWS: File > Global Configuration > API > Settings; IB Gateway: Configure > Settings > API > Settings"
_PRECAUTIONS = "TWS: Global Configuration > API > Precautions > Bypass Order Precautions for API Orders"
_PRESETS = "TWS: Global Configuration > Presets > (Stocks | Options | Combos)"
_SHARING = (
    "Client Portal: Settings > Paper Trading Account > share real-time market data with the paper account"
)

ADVICE: dict[int, str] = {
    100: "Too many messages a second: lower gateway.messages_per_second, or stop this user's other programs.",
    101: "All market data lines are used: watch fewer contracts or buy a quote booster pack.",
    102: "A request id was used twice; the gateway asks for the stream again under a new one.",
    103: "An order id was used before; the gateway asks for new ids and never sends again by itself.",
    104: "The order has filled already; nothing to do.",
    105: "The change does not fit the order; the order works on as it was.",
    109: f"The price is too far from the market for the precautionary settings. {_PRECAUTIONS}.",
    110: "The price is off the tick grid; a working order keeps its old price.",
    135: "The broker cannot find the order; the gateway asks for open orders before it says anything.",
    161: "The order cannot be cancelled in its state; the gateway asks what became of it.",
    162: "Historical data was refused (pacing, or no permission); ask less often.",
    163: f"The price breaks the percentage constraint of the precautionary settings. {_PRECAUTIONS}.",
    200: "No such contract, or an ambiguous one; nothing was sent to an exchange.",
    201: "The order was rejected; the text says why (margin, permissions, trading hours).",
    202: "The order was cancelled.",
    300: "A cancelled subscription was cancelled again; harmless.",
    309: "Too many market depth subscriptions; three are allowed by default.",
    320: "TWS could not read a request; please report it with --log-messages.",
    321: f"TWS refused to validate the request; if it names Read-Only mode, untick Read-Only API. {_API}.",
    322: "A request id was used twice; the gateway asks for the stream again under a new one.",
    326: "Another program is connected with this client id: stop it, or set another gateway.client_id.",
    354: "No market data subscription for this contract: Client Portal > Settings > Market Data.",
    382: f"The order is larger than the size limit of the precautionary settings. {_PRECAUTIONS}.",
    383: f"The order's value is above the limit of the precautionary settings. {_PRECAUTIONS}.",
    399: "A remark on an order that works (outside trading hours, routing); nothing to do.",
    451: f"The order breaks a limit of the precautionary settings. {_PRECAUTIONS}.",
    460: "The account may not trade this product: Client Portal > Settings > Trading Permissions.",
    502: f"Nothing listens there: start TWS or IB Gateway and enable its socket clients. {_API}.",
    504: "There was no connection; the gateway connects again by itself.",
    507: "The connection broke within a message; the gateway connects again by itself.",
    1100: "IB's own link is down: no new orders leave; it usually comes back within minutes.",
    1101: "The link is back without subscriptions: they were renewed and orders were compared.",
    1102: "The link is back: orders were compared.",
    1300: "TWS listens on another port now: set gateway.port.",
    2103: "A market data farm is down: its quotes are stale and not traded on until it is back.",
    2105: "A historical data farm is down; trading goes on.",
    2108: "A market data farm is idle; it wakes with the next subscription.",
    2110: "TWS has lost its connection to IB: no new orders leave; look at the machine's network.",
    2148: "A margin warning: reduce positions or add funds, IB may liquidate.",
    10089: "This needs another market data subscription: Client Portal > Settings > Market Data.",
    10090: "Part of the data is not subscribed; what comes is used.",
    10091: "Part of the data is not subscribed; what comes is used.",
    10147: "The broker does not know the order; the gateway asks for open orders before it says anything.",
    10148: "The order cannot be cancelled in its state; the gateway asks what became of it.",
    10167: f"Delayed data is sent instead of live data: not traded on. {_SHARING}.",
    10168: f"No live data, and delayed data is off. {_SHARING}.",
    10186: "No market data subscription, and delayed data is off.",
    10197: "Another session of this user takes the live data: log the other one out.",
    10349: f"A preset changed the time in force of an order. {_PRESETS}.",
    -1: "A message could not be read; the session was halted. Run with --log-messages and report it.",
    -2: "The broker's orders contradict each other: look at the orders in TWS before you resume.",
    -3: "The connection was lost; the gateway connects again by itself.",
    -4: "An execution or its commission was corrected: compare positions before you resume.",
    -5: "The broker's positions are not what our fills make: compare with TWS before you resume.",
    -6: "The broker does not list an order that was sent: look for it in TWS; it is never sent again.",
    -7: "A planned outage of the broker begins or ends; orders wait until it is over.",
    -8: "Quotes are stale, or fresh again; stale ones are not traded on.",
    -9: "The broker closed a position by force: reduce positions or add funds.",
    -10: "A commission is not known, or is a rebate of exactly 1.00: take it from the account statement.",
    -11: "A person booked a fill from the account statement; nothing to do unless the broker reports it too.",
    -12: "A price was rounded onto the tick grid before the order left; nothing to do.",
}


def advice(code: int) -> str:
    """Return what to do about a code; "" for a code that has no advice."""
    return ADVICE.get(code, "")
