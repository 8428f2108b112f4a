"""Whose money: a configuration may touch one kind of account only."""

from __future__ import annotations

from optionsib.common.errors import LiveTradingRefusedError


def refuse_wrong_account(mode: str, confirmed: str, account: str) -> None:
    """Refuse a live account in paper mode, and any account but the confirmed one in live mode.

    Parameters
    ----------
    mode
        ``paper`` or ``live``.
    confirmed
        The account that the operator named; needed in live mode.
    account
        The account the broker reports.

    Raises
    ------
    LiveTradingRefusedError
        If it is the wrong one.
    """
    paper_account = account.startswith("D")  # DU, DF, DI: IB's paper accounts
    if mode == "paper" and not paper_account:
        raise LiveTradingRefusedError(
            f"the broker's account {mask_account(account)} is no paper account (DU...) but the mode is "
            "paper; nothing was subscribed or sent. Connect to the paper port (TWS 7497, IB Gateway 4002)"
        )
    if mode == "live" and account != confirmed:
        raise LiveTradingRefusedError(
            f"the broker's account {mask_account(account)} is not the confirmed one "
            f"({mask_account(confirmed) or 'none was named'}); nothing was subscribed or sent"
        )


def mask_account(account: str) -> str:
    """Return the account with its middle hidden."""
    return account[:2] + "*" * max(len(account) - 4, 0) + account[-2:]
