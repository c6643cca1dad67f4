"""The paper exchange: fees, latency, and orders against the visible book."""
