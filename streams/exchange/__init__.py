"""Feeds: where market data comes from, and the writer that gives every push its logical time."""
