"""MEXC as a server on loopback: its websockets and REST, driven by a simulated or recorded market, with its limits and its faults."""
