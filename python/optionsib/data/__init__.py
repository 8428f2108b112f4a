"""Market data: live, historical and simulated."""
