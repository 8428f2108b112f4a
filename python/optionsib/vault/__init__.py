"""Settlement of every trade on a token ledger."""
