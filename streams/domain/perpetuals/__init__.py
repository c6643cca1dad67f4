"""
The arithmetic of perpetuals: maintenance tiers, margin, liquidation and bankruptcy prices, funding.

Pure functions of numbers; who holds what is `streams.domain.portfolio`'s, when something is settled or taken over is
risk's.
"""
