"""Where the money of a trade sits: an on-chain program, its client, its ledger, and a chain to try it on."""
