"""How far consumers are behind, what accounts hold, and what was filled far from the market: found out from outside, round by round."""
