"""Words that every layer shares: types, events, ports, errors, clock, configuration."""
