"""A local exchange that speaks the TWS protocol."""
