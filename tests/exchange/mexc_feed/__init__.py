"""MEXC as a live feed, held against the simulated exchange."""
