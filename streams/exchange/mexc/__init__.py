"""MEXC, spot and perpetuals: protocols without I/O, REST, connections, and the feed made of them."""
