"""MEXC's REST: which questions there are (`routes`), how they are signed, limited, repeated and refused, and what the answers say."""
