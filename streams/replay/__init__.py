"""Sessions run again from their topics: verify, compare, report."""
